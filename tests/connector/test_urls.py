"""Where requests go: base_url, paths, links by RFC 3986, redirects, other hosts."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import pytest
import requests
from connector import ApiKey, BasicAuth, BearerToken, Fetch, Page
from connector.testing import HeldClock, Reply
from connector.urls import BaseUrl
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from .calls import SECRETS, asked, call, error, reading, rows
from .faults import ROWS, Faults
from .leaks import listening
from .play import Player
from .scripted import Asked, Upstream
from .scripted import source as scripted

TOKEN = "Bearer " + SECRETS["apiToken"]


@pytest.fixture
def server() -> Iterator[Faults]:
    with Faults() as faults:
        yield faults


def base(url: str, *allowed: str) -> BaseUrl:
    return BaseUrl(url, allowed_hosts=frozenset(allowed))


# ---- base_url and paths


@pytest.mark.parametrize(
    ("declared", "path", "whole"),
    [
        ("https://api.example.com", "/things", "https://api.example.com/things"),
        ("https://api.example.com/v2", "/things", "https://api.example.com/v2/things"),
        ("https://api.example.com/v2/", "/things", "https://api.example.com/v2/things"),
        ("https://api.example.com/v2", "things", "https://api.example.com/v2/things"),
        ("https://api.example.com/v2", "?page=2", "https://api.example.com/v2?page=2"),
        ("https://api.example.com/v2", "", "https://api.example.com/v2"),
        ("https://api.example.com/v2", "a:b/c", "https://api.example.com/v2/a:b/c"),
        ("https://api.example.com/v2", "https://api.example.com/x", "https://api.example.com/x"),
        ("https://api.example.com/v2", "http://api.example.com/x", "https://api.example.com/x"),
        ("http://localhost:8080", "http://localhost:8080/x", "http://localhost:8080/x"),
    ],
)
def test_a_path_is_appended_and_a_whole_url_stands_for_itself(
    declared: str, path: str, whole: str
) -> None:
    assert base(declared).url(path) == whole


def test_upstream_base_url_replaces_the_declared_one(
    server: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_BASE_URL", server.url + "/")
    assert rows(reading("https://api.example.com", "/rows")) == ROWS


@pytest.mark.parametrize(
    "url",
    [
        *("http://api.example.com", "https://", "nonsense", "https://[", "ftp://x", "https:///p"),
        *("file:///etc", "https://me@x.example", "https://x.example?a", "https://x.example:0"),
    ],
)
def test_a_wrong_upstream_base_url_is_an_error_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("UPSTREAM_BASE_URL", url)
    assert "UPSTREAM_BASE_URL" in error(reading("https://api.example.com", "/rows"))


def test_a_payload_key_stands_in_the_base_url(server: Faults) -> None:
    made = reading(server.url + "/{tenant}", "")
    call(made, customPayload={"tenant": "acme-eu"})
    assert server.paths() == ["/acme-eu"]


@pytest.mark.parametrize(
    "tenant", ["a/b", "..", "a.b", "a@b", "a:b", "a?b", "", " ", "é", "a b", "x.example/", None]
)
def test_a_payload_key_leads_nowhere_else(server: Faults, tenant: Any) -> None:
    made = reading(server.url + "/{tenant}", "")
    assert "'tenant'" in error(made, customPayload={"tenant": tenant})
    assert not server.visits


# ---- links, by RFC 3986

RFC = """
    g http://a/b/c/g        ./g http://a/b/c/g      g/ http://a/b/c/g/      /g http://a/g
    //g http://g            ?y http://a/b/c/d;p?y   g?y http://a/b/c/g?y    ;x http://a/b/c/;x
    g#s http://a/b/c/g#s    g;x?y http://a/b/c/g;x?y            #s http://a/b/c/d;p?q#s
    . http://a/b/c/         ./ http://a/b/c/        .. http://a/b/          ../ http://a/b/
    ../g http://a/b/g       ../.. http://a/         ../../ http://a/        ../../g http://a/g
    ../../../g http://a/g   /./g http://a/g         /../g http://a/g        g. http://a/b/c/g.
    .g http://a/b/c/.g      g.. http://a/b/c/g..    ..g http://a/b/c/..g    ./../g http://a/b/g
    ./g/. http://a/b/c/g/   g/./h http://a/b/c/g/h  g/../h http://a/b/c/h   g:h g:h
    g;x=1/./y http://a/b/c/g;x=1/y                  g;x=1/../y http://a/b/c/y
    g?y/./x http://a/b/c/g?y/./x                    g?y/../x http://a/b/c/g?y/../x
"""


@pytest.mark.parametrize(("link", "url"), [*zip(RFC.split()[::2], RFC.split()[1::2], strict=True)])
def test_the_rfcs_own_examples(link: str, url: str) -> None:
    """Section 5.4 of RFC 3986."""
    assert base("https://api.example.com").resolve(link, "http://a/b/c/d;p?q") == url


SEGMENT = st.text("abc.-_~%20;=", max_size=4)


@given(
    path=st.lists(SEGMENT, max_size=3),
    link=st.lists(SEGMENT, max_size=3),
    root=st.booleans(),
    query=st.none() | SEGMENT,
)
def test_every_relative_link_stays_at_its_origin_and_is_read_as_urllib_reads_it(
    path: list[str], link: list[str], root: bool, query: str | None
) -> None:
    carrier = "/".join(["https://api.example.com:8443", "x", *path])
    written = ("/x/" if root else "./") + "/".join(link) + ("" if query is None else f"?{query}")
    home = base("https://api.example.com:8443/x")
    url = home.resolve(written, carrier)
    assert url == urljoin(carrier, written) and home.owns(url)


LINKS = [
    # base_url, the first page's path, the link, what is asked next
    ("/api/v1", "/items", "https://api.example.com/api/v1/items?page=2", "/api/v1/items?page=2"),
    ("/api/v1", "/items", "http://api.example.com/api/v1/items?page=2", "/api/v1/items?page=2"),
    ("/api/v1", "/items", "http://API.example.com:80/items?page=2", "/items?page=2"),
    ("/api/v1", "/items", "//api.example.com/items?page=2", "/items?page=2"),
    ("/api/v1", "/items", "/api/v1/items?page=2", "/api/v1/items?page=2"),
    ("/api/v1", "/items", "/items?page=2", "/items?page=2"),
    ("/api/v2", "/items", "/api/v3/items?page=2", "/api/v3/items?page=2"),
    ("/api/v1", "/items", "items?page=2", "/api/v1/items?page=2"),
    ("/api/v1", "/items/", "?page=2", "/api/v1/items/?page=2"),
    ("/api/v1", "/items", " ?page=2 ", "/api/v1/items?page=2"),
    ("/api/v1", "/old", "items?page=2", "/moved/items?page=2"),
    ("/api/v1", "/old", "?page=2", "/moved/to?page=2"),
]


@pytest.mark.parametrize(("root", "path", "link", "following"), LINKS)
@pytest.mark.parametrize("calls", ["one call", "two calls"])
def test_a_link_is_resolved_against_the_response_that_carried_it(
    clock: HeldClock,
    monkeypatch: pytest.MonkeyPatch,
    root: str,
    path: str,
    link: str,
    following: str,
    calls: str,
) -> None:
    """After redirects, and at once: what the state holds is the whole URL."""
    if calls == "two calls":
        monkeypatch.setenv("CONNECTOR_CALL_BYTES", "1")
    made = scripted(base_url=f"https://api.example.com{root}")

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        response = fetch.follow(path, params={"limit": 3})
        return Page(response.rows("data"), response.value("next", default=None))

    def answers(ask: Asked) -> Any:
        if ask.path.endswith("/old"):
            return Reply(
                json={}, status=302, headers={"Location": "http://api.example.com/moved/to"}
            )
        first = "page" not in ask.params
        return {"data": [{"id": ask.params.get("page", "1")}], "next": link if first else None}

    upstream = Upstream(answers)
    player = Player(made, upstream)
    first = player.sync(calls=1)
    if calls == "two calls":
        token = player.state["_sync"]["walks"]["thing"]["token"]
        assert token.lower() == f"https://api.example.com{following}"
    assert first.ids() + player.go_on().ids() == ["1", "2"] or first.ids() == ["1", "2"]
    assert [ask.headers["Authorization"] for ask in upstream.asked] == [TOKEN] * len(upstream.asked)
    last = upstream.asked[-1]
    assert f"{last.path}?{urlencode(last.params)}" == following


def following(link: Any, root: str = "/confluence/rest/api", **options: Any) -> tuple[Any, Any]:
    """A sync whose first page of three has this link; any other page is not found."""
    made = scripted(base_url=f"https://wiki.example.com{root}", **options)

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        response = fetch.follow("/content")
        return Page(response.rows("data"), response.value("next"))

    def answers(ask: Asked) -> Any:
        if ask.path == f"{root}/content" and not ask.params:
            return {"data": [{"id": 1}], "next": link}
        return Reply(json={"message": "no such page"}, status=404)

    upstream = Upstream(answers)
    return Player(made, upstream).sync(), upstream


def test_a_404_of_a_relative_link_says_how_it_was_resolved_and_what_to_do(
    clock: HeldClock,
) -> None:
    sync, _ = following("/rest/api/content?start=2")
    assert "GET https://wiki.example.com/rest/api/content?start=2 answered 404" in sync.error
    assert (
        "the link '/rest/api/content?start=2' was resolved against "
        "https://wiki.example.com/confluence/rest/api/content, the URL of the response that "
        "carried it (RFC 3986)"
    ) in sync.error
    assert "next_token" in sync.error and 'link and "https://wiki.example.com/' in sync.error
    assert "ok=" not in sync.error
    sync, _ = following("https://wiki.example.com/content?start=2")
    assert "answered 404" in sync.error and "was resolved" not in sync.error


@pytest.mark.parametrize(
    "link",
    [
        "//evil.example/x",
        "https://evil.example/x",
        "https://wiki.example.com:8443/x",
        "https://wiki.example.com.evil.example/x",
        "http://evil.example/x",
        "ftp://wiki.example.com/x",
        "javascript:alert(1)",
        "https://wiki.example.com@evil.example/x",
        "https://[",
    ],
)
def test_a_link_elsewhere_is_refused_before_it_is_asked(clock: HeldClock, link: str) -> None:
    sync, upstream = following(link, allowed_hosts=["files.example.com"])
    assert "entity thing, page 1" in sync.error
    assert len(upstream.asked) == 1


def test_a_link_to_an_allowed_host_is_followed_without_credentials(clock: HeldClock) -> None:
    _, upstream = following("https://files.example.com/x", allowed_hosts=["files.example.com"])
    assert (upstream.asked[1].path, "Authorization" in upstream.asked[1].headers) == ("/x", False)


# ---- what is kept of a token


def signs(request: requests.PreparedRequest, secrets: Any) -> None:
    request.prepare_url(str(request.url), {"sig": secrets["apiToken"][::-1], "ts": "1767225600"})


@pytest.mark.parametrize("auth", [ApiKey("apiToken", param="api_key"), signs])
@pytest.mark.parametrize(
    ("step", "form"),
    [("follow", "whole"), ("follow", "query"), ("get", "whole"), ("list", "whole"), ("bare", "")],
)
def test_what_auth_added_to_a_url_is_taken_out_of_tokens_and_added_on_use(
    clock: HeldClock, monkeypatch: pytest.MonkeyPatch, auth: Any, step: str, form: str
) -> None:
    """Wherever in a token it stands; the upstream repeats all parameters in its next URLs."""
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "1")
    made, urls = scripted(auth=auth), []

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        if step == "follow":
            response = fetch.follow("/next", params={"x": 1})
        else:
            token = fetch.token["to"][0] if isinstance(fetch.token, dict) else fetch.token
            token = f"/next?{token}" if token and step == "bare" else token
            response = fetch.get(token or "/next?x=1")
        link = response.value("next")
        return Page(response.rows("data"), {"to": [link]} if link and step == "list" else link)

    class Watched(Upstream):
        def __call__(self, request: requests.PreparedRequest, seconds: float) -> Any:
            urls.append(str(request.url))
            return super().__call__(request, seconds)

    def answers(ask: Asked) -> Any:
        query = urlencode({**ask.params, "page": 2})
        link = {"whole": f"https://api.example.com/next?{query}", "query": f"?{query}"}.get(form)
        last = "page" in ask.params
        return {"data": [{"id": 2 if last else 1}], "next": None if last else link or query}

    player = Player(made, Watched(answers))
    replies = player.sync().replies
    assert [row["id"] for reply in replies for row in reply["insert"].get("thing", [])] == [1, 2]
    held = str([reply["state"] for reply in replies])
    assert SECRETS["apiToken"] not in held and SECRETS["apiToken"][::-1] not in held
    assert "sig=" not in held and "api_key=" not in held and "x=1&page=2" in held
    name = "sig=" if auth is signs else "api_key="
    assert [url.count(name) for url in urls] == [1, 1]


def test_what_the_step_asks_for_is_not_auths_though_auth_writes_it_anew(clock: HeldClock) -> None:
    """As signatures do that sort the parameters, and spaces as %20."""

    def auth(request: requests.PreparedRequest, secrets: Any) -> None:
        head, _, query = str(request.url).partition("?")
        pairs = sorted([*query.replace("+", "%20").split("&"), "sig=made-up-signature"])
        request.url = f"{head}?{'&'.join(pairs)}"

    made = scripted(auth=auth)

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        response = fetch.follow("/next", params={"x": "a b", "ids": [2, 1]})
        return Page(response.rows("data"), response.value("next", default=None))

    def answers(ask: Asked) -> Any:
        last = "page" in ask.params
        link = f"/next?{urlencode({**ask.params, 'page': 2})}"
        return {"data": [{"id": int(last)}], "next": None if last else link}

    upstream = Upstream(answers)
    assert Player(made, upstream).sync().ids() == [0, 1]
    asked = {"x": "a b", "ids": "2", "sig": "made-up-signature"}
    assert [ask.params for ask in upstream.asked] == [asked, {**asked, "page": "2"}]


@pytest.mark.parametrize(
    "token",
    [
        "a token like ?api_key=1&other",
        "api_key=1",
        '{"url": "/x?api_key=5"}',
        "https://files.example.com/x?api_key=of-another-host",
        ["api_key=1", {"api_key": 1}],
        12345,
    ],
)
def test_other_tokens_stay_as_they_are(clock: HeldClock, token: Any) -> None:
    made = scripted(auth=ApiKey("apiToken", param="api_key"))
    seen: list[Any] = []

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        seen.append(fetch.token)
        fetch.get("/thing")
        return Page([{"id": len(seen)}], None if fetch.token else token)

    assert Player(made, Upstream(lambda _: {})).sync().error == ""
    assert seen == [None, token]


@pytest.mark.parametrize("step", ["follow", "get", "list"])
@pytest.mark.parametrize("user", ["me", "me:made-up-pw", "me@x.example:made-up-pw", ""])
def test_a_user_name_in_a_next_url_is_refused(clock: HeldClock, step: str, user: str) -> None:
    link = f"https://{user}@api.example.com/x?page=2"
    made = scripted(auth=BasicAuth("apiToken", "apiToken"))

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        fetch.follow("/x") if step == "follow" else fetch.get("/x")
        return Page([{"id": 1}], [{"to": link}] if step == "list" else link)

    upstream = Upstream(lambda _: {})
    sync = Player(made, upstream).sync()
    assert "user name" in sync.error and "made-up-pw" not in sync.error
    assert len(upstream.asked) == 1


def test_the_user_name_of_auth_may_stand_in_the_query_of_a_next_url(clock: HeldClock) -> None:
    made = scripted(auth=BasicAuth("user", "apiToken"))

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        response = fetch.follow("/x")
        return Page([{"id": 1 if fetch.token else 0}], response.value("next"))

    def answers(ask: Asked) -> Any:
        return {"next": None if ask.params else "?account=bob@example.com&page=2"}

    secrets = {**SECRETS, "user": "bob@example.com"}
    sync = Player(made, Upstream(answers), secrets=secrets).sync()
    assert (sync.error, sync.ids()) == ("", [0, 1])


# ---- redirects


def test_a_redirect_loop_ends(server: Faults) -> None:
    message = error(reading(server.url, "/loop"))
    assert f"GET {server.url}/loop redirects more than 5 times" in message
    assert len(server.visits) == 6


def test_five_redirects_are_no_loop(server: Faults) -> None:
    path = "/rows"
    for _ in range(5):
        path = f"/hop?{urlencode({'to': path})}"
    assert rows(reading(server.url, path)) == ROWS
    url = asked(server.url, lambda fetch: fetch.get("/hop?to=/rows").url)
    assert url == server.url + "/rows", "the response shows where it came from"


@pytest.mark.parametrize("to", ["/who", "who", "?to=/who", "{url}/who", "//{host}/who"])
def test_at_home_a_redirect_is_followed_with_credentials(server: Faults, to: str) -> None:
    to = to.format(url=server.url, host=urlsplit(server.url).netloc)
    path = "/hop?to=" + quote("/hop" + to if to.startswith("?") else to)
    (seen,) = rows(reading(server.url, path))
    assert seen["headers"]["Authorization"] == TOKEN


@pytest.mark.parametrize(
    ("code", "method", "body"),
    [
        *((code, "GET", b"") for code in (301, 302, 303)),
        *((code, "POST", b'{"a":1}') for code in (307, 308)),
    ],
)
def test_a_post_is_redirected_as_browsers_do(
    server: Faults, code: int, method: str, body: bytes
) -> None:
    asked(server.url, lambda fetch: fetch.post(f"/hop?to=/rows&code={code}", json={"a": 1}))
    assert [(visit.method, visit.body) for visit in server.visits[1:]] == [(method, body)]
    assert ("Content-Type" in server.visits[1].headers) is (method == "POST")


def test_a_redirects_body_is_not_read(server: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has 300 MB, and comes byte by byte."""
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "30")
    assert rows(reading(server.url, "/big-hop")) == ROWS


def test_a_redirect_elsewhere_is_refused_before_it_is_asked(server: Faults) -> None:
    path = f"/hop?to={server.elsewhere}/rows"
    message = error(reading(server.url, path))
    assert f"GET {server.url}{path} redirects elsewhere: {server.elsewhere}/rows" in message
    assert 'Source(allowed_hosts=["localhost"])' in message
    assert not server.at("localhost")


def test_a_redirect_to_an_allowed_host_loses_the_credentials_and_one_home_gets_them_back(
    server: Faults,
) -> None:
    away = f"{server.elsewhere}/hop?{urlencode({'to': f'{server.url}/who'})}"
    made = reading(server.url, f"/hop?{urlencode({'to': away})}", allowed_hosts=["LocalHost"])
    (seen,) = rows(made)
    assert seen["headers"]["Authorization"] == TOKEN
    (there,) = server.at("localhost")
    assert "Authorization" not in there.headers


@pytest.mark.parametrize("auth", [ApiKey("apiToken", param="api_key"), signs])
@pytest.mark.parametrize("to", ["home", "elsewhere"])
def test_a_redirect_that_repeats_what_auth_added_does_not_carry_it_away(
    server: Faults, auth: Any, to: str
) -> None:
    host = server.url if to == "home" else server.elsewhere
    name, value = ("sig", SECRETS["apiToken"][::-1]) if auth is signs else ("api_key", "")
    target = f"{host}/who?{name}={value or SECRETS['apiToken']}&y=2"
    path = f"/hop?{urlencode({'to': target})}"
    made = reading(server.url, path, auth=auth, allowed_hosts=["localhost"])
    if to == "home":
        assert rows(made)[0]["params"]["y"] == "2"
        assert server.visits[-1].target.count(f"{name}=") == 1
    else:
        assert "contains a secret" in error(made)
        assert not server.at("localhost")


@pytest.mark.parametrize(
    "to",
    [
        *("http://[", "http://a b.example/", "http://x:99999/"),
        *("ftp://127.0.0.1/rows", "file:///etc/passwd", "data:,x"),
    ],
)
def test_a_redirect_to_nonsense_is_an_error_at_once(
    server: Faults, clock: HeldClock, to: str
) -> None:
    message = error(reading(server.url, f"/hop?to={quote(to)}", allowed_hosts=["127.0.0.1"]))
    assert "redirects" in message and "Source(allowed_hosts=" not in message
    assert len(server.visits) == 1 and clock.slept == []


# ---- other hosts


@pytest.mark.parametrize(
    "form",
    [
        "{elsewhere}/rows",
        "http://127.0.0.1:1/rows",
        "https://127.0.0.1:{port}/rows",
        "http://127.0.0.1:{port}@localhost:{port}/rows",
        "http://127.0.0.1.localhost:{port}/rows",
        "http://127.0.0.1:{port}.localhost/rows",
        "http://localhost:{port}#@127.0.0.1:{port}/rows",
    ],
)
def test_a_whole_url_of_another_origin_is_refused_before_it_is_asked(
    server: Faults, form: str
) -> None:
    url = form.format(port=server.port, elsewhere=server.elsewhere)
    error(reading(server.url, lambda fetch: Page(fetch.get(url).rows("data"))))
    assert not server.visits


@pytest.mark.parametrize(
    "form",
    [
        r"http://127.0.0.1:{port}\@localhost:{port}/who",
        "http://me:you@127.0.0.1:{port}/who",
        "HTTP://127.0.0.1:{port}/who",
        "http://127.0.0.1:{port}/./who",
    ],
)
def test_a_url_is_judged_by_the_host_that_is_asked(server: Faults, form: str) -> None:
    """Where the two ways to read a URL differ, it stays at home or is refused."""
    url = form.format(port=server.port)
    call(reading(server.url, lambda fetch: Page(fetch.get(url).rows("data"))))
    assert not server.at("localhost")
    for visit in server.visits:
        assert visit.headers["Authorization"] == TOKEN


def test_an_allowed_host_is_asked_over_https_or_on_this_machine(server: Faults) -> None:
    options = {"allowed_hosts": ["files.example.com", "LocalHost"]}
    for url, said in (
        ("http://files.example.com/x", "does not start with https://"),
        ("https://other.example.com/x", 'Source(allowed_hosts=["other.example.com"])'),
    ):
        assert said in error(reading(server.url, url, **options))
    assert not server.visits
    (seen,) = rows(reading(server.url, f"{server.elsewhere}/who", **options))
    assert "Authorization" not in seen["headers"]


@pytest.mark.parametrize("way", ["asked", "followed", "redirected"])
@pytest.mark.parametrize("auth", [None, BearerToken("apiToken")])
def test_a_user_and_password_in_a_url_are_not_sent_and_not_shown(
    server: Faults, way: str, auth: Any
) -> None:
    """Also where the user name is an e-mail address."""
    url = f"http://me@x.example:made-up-pw@127.0.0.1:{server.port}/status?code=400"

    def step(fetch: Fetch) -> Page:
        if way == "asked":
            return Page(fetch.get(url, auth=False).rows())
        if way == "followed":
            return Page(replace(fetch, token=url).follow("/x", auth=False).rows())
        return Page(fetch.get("/to-me", auth=False).rows())

    server.routes["/to-me"] = lambda visit: visit.reply(b"", 302, Location=url)
    with listening() as lines:
        message = error(reading(server.url, step, auth=auth))
    last = server.visits[-1]
    assert (last.path, last.headers.get("Authorization")) == ("/status", None)
    assert "127.0.0.1" in message
    assert "made-up-pw" not in message + lines.text
