"""Where requests go: base_url, paths, links by RFC 3986, redirects, other hosts."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
import requests
from connector import ApiKey, BasicAuth, BearerToken, Fetch, Page
from connector.testing import HeldClock, Reply
from msgspec.structs import replace

from .faults import ROWS, Faults
from .leaks import listening
from .play import Player, Sync, asked, call, error, reading, rows
from .scripted import SECRETS, Asked, Upstream
from .scripted import source as scripted

TOKEN = "Bearer " + SECRETS["apiToken"]
API = "https://api.example.com"


def synced(
    step: Callable[[Fetch], Page], answers: Callable[[Asked], Any], **options: Any
) -> tuple[Sync, Upstream, list[dict[str, Any]]]:
    """A whole sync of a step; its upstream, and the states that came between its calls."""
    made = scripted(**options)
    made.entity("thing", primary_key=["id"])(step)
    upstream = Upstream(answers)
    sync = Player(made, upstream, secrets={**SECRETS, "user": "bob@example.com"}).sync()
    return sync, upstream, [reply["state"] for reply in sync.replies]


def nothing(_: Asked) -> Any:
    return {}


# ---- base_url and paths


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        (API, "/things", f"{API}/things"),
        (f"{API}/v2", "/things", f"{API}/v2/things"),
        (f"{API}/v2", "things", f"{API}/v2/things"),
        (f"{API}/v2", "?page=2", f"{API}/v2?page=2"),
        (f"{API}/v2", "a:b/c", f"{API}/v2/a:b/c"),
        (f"{API}/v2", f"{API}/x", f"{API}/x"),
        (f"{API}/v2", "http://api.example.com/x", f"{API}/x"),
    ],
)
def test_a_path_is_appended_and_a_whole_url_is_asked(base: str, path: str, url: str) -> None:
    _, upstream, _ = synced(lambda f: Page(f.get(path).rows("d", None)), nothing, base_url=base)
    assert [ask.url for ask in upstream.asked] == [url]


@pytest.mark.parametrize(
    "url",
    [
        *("http://api.example.com", "https://", "nonsense", "https://[", "https:///p", "file:///x"),
        *("https://me@x.example", "https://x.example?a", "https://x.example:x"),
    ],
)
def test_upstream_base_url_replaces_the_declared_one_or_is_an_error_that_names_it(
    server: Faults, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("UPSTREAM_BASE_URL", server.url + "/")
    assert rows(reading(API, "/rows")) == ROWS
    monkeypatch.setenv("UPSTREAM_BASE_URL", url)
    assert "UPSTREAM_BASE_URL" in error(reading(API, "/rows"))


@pytest.mark.parametrize("tenant", ["a/b", "..", "a.b", "a@b", "a:b", "a?b", "", " ", "é", None])
def test_a_payload_key_of_base_url_leads_nowhere_else(server: Faults, tenant: Any) -> None:
    made = reading(server.url + "/{tenant}", "")
    assert "'tenant'" in error(made, customPayload={"tenant": tenant})
    assert not server.visits
    call(made, customPayload={"tenant": "acme-eu"})
    assert server.paths() == ["/acme-eu"]


# ---- next links, by RFC 3986


@pytest.mark.parametrize(
    ("root", "path", "link", "following"),
    [
        ("/api/v1", "/items", f"{API}/api/v1/items?page=2", "/api/v1/items?page=2"),
        ("/api/v1", "/items", "http://API.example.com:80/items?page=2", "/items?page=2"),
        ("/api/v1", "/items", "//api.example.com/items?page=2", "/items?page=2"),
        ("/api/v2", "/items", "/api/v3/items?page=2", "/api/v3/items?page=2"),
        ("/api/v1", "/items", "items?page=2", "/api/v1/items?page=2"),
        ("/api/v1", "/items/", "../items?page=2", "/api/v1/items?page=2"),
        ("/api/v1", "/items/", " ?page=2 ", "/api/v1/items/?page=2"),
        ("/api/v1", "/old", "items?page=2", "/moved/items?page=2"),
        ("/api/v1", "/old", "?page=2", "/moved/to?page=2"),
    ],
)
@pytest.mark.usefixtures("clock", "page_by_page")
def test_a_link_is_resolved_as_rfc_3986_says(
    root: str, path: str, link: str, following: str
) -> None:
    """After redirects, and at once: what the state holds is the whole URL."""

    def step(fetch: Fetch) -> Page:
        response = fetch.follow(path, params={"limit": 3})
        return Page(response.rows("data"), response.value("next", default=None))

    def answers(ask: Asked) -> Any:
        if ask.path.endswith("/old"):
            location = {"Location": "http://api.example.com/moved/to"}
            return Reply(json={}, status=302, headers=location)
        first = "page" not in ask.params
        return {"data": [{"id": ask.params.get("page", "1")}], "next": link if first else None}

    sync, upstream, states = synced(step, answers, base_url=API + root)
    assert (sync.error, sync.ids()) == ("", ["1", "2"])
    token = states[0]["_sync"]["walks"]["thing"]["token"]
    assert [token.lower(), upstream.asked[-1].url] == [API + following] * 2
    assert {ask.headers["Authorization"] for ask in upstream.asked} == {TOKEN}


def followed(link: str, **options: Any) -> tuple[str, Upstream]:
    """The error of a sync whose first page has this next link; other pages are not found."""

    def step(fetch: Fetch) -> Page:
        response = fetch.follow("/content")
        return Page(response.rows("data"), response.value("next"))

    def answers(ask: Asked) -> Any:
        if ask.path.endswith("/content") and not ask.params:
            return {"data": [{"id": 1}], "next": link}
        return Reply(json={"message": "no such page"}, status=404)

    base = "https://wiki.example.com/confluence/rest/api"
    sync, upstream, _ = synced(step, answers, base_url=base, **options)
    return sync.error, upstream


@pytest.mark.usefixtures("clock")
def test_a_404_of_a_link_says_how_links_are_resolved_and_what_to_do() -> None:
    message, _ = followed("/rest/api/content?start=2")
    assert "GET https://wiki.example.com/rest/api/content?start=2 answered 404" in message
    assert "resolved against the URL of the response that carried it, by RFC 3986" in message
    assert 'return whole URLs as next_token, for example: "https://wiki.example.com/' in message
    assert "ok=" not in message


@pytest.mark.parametrize(
    "link",
    [
        *("//evil.example/x", "http://evil.example/x", "https://wiki.example.com:8443/x"),
        *("ftp://wiki.example.com/x", "javascript:alert(1)", "https://["),
        *("https://wiki.example.com@evil.example/x", "https://files.example.com/x"),
    ],
)
@pytest.mark.usefixtures("clock")
def test_a_link_elsewhere_is_refused_before_it_is_asked(link: str) -> None:
    """To an allowed host too: pages are of base_url's origin."""
    message, upstream = followed(link, allowed_hosts=["files.example.com"])
    assert "entity thing, page 1: the " in message and "allowed_hosts=[" not in message
    assert len(upstream.asked) == 1


# ---- what is stored of a token


def signs(request: requests.PreparedRequest, secrets: Any) -> None:
    """Signs as APIs do that want the parameters sorted, and spaces as %20."""
    head, _, query = str(request.url).partition("?")
    pairs = query.replace("+", "%20").split("&") if query else []
    pairs += [f"sig={secrets['apiToken'][::-1]}", "ts=1767225600"]
    request.url = f"{head}?{'&'.join(sorted(pairs))}"


@pytest.mark.parametrize("auth", [ApiKey("apiToken", param="api_key"), signs])
@pytest.mark.parametrize("form", [f"{API}/next?%s", "?%s", "list", "%s"])
@pytest.mark.usefixtures("clock", "page_by_page")
def test_what_auth_added_to_a_url_is_taken_out_of_tokens(auth: Any, form: str) -> None:
    """Wherever in a token it stands; the upstream repeats all parameters in its next URLs.

    What the step asks for stays, though a signature sorts the parameters and spaces are %20.
    """

    def step(fetch: Fetch) -> Page:
        if form == "list":
            response = fetch.get(fetch.token["to"][0] if fetch.token else "/next?x=a%20b&i=2&i=1")
        elif form == "%s":
            response = fetch.get(f"/next?{fetch.token or 'x=a%20b&i=2&i=1'}")
        else:
            response = fetch.follow("/next", params={"x": "a b", "i": [2, 1]})
        link = response.value("next")
        return Page(response.rows("data"), {"to": [link]} if link and form == "list" else link)

    def answers(ask: Asked) -> Any:
        query = urlsplit(upstream.asked[-1].url).query
        link = form.replace("list", "/next?%s") % f"{query}&page=2"
        last = "page" in ask.params
        return {"data": [{"id": 2 if last else 1}], "next": None if last else link}

    upstream = Upstream(answers)
    made = scripted(auth=auth)
    made.entity("thing", primary_key=["id"])(step)
    sync = Player(made, upstream).sync()
    assert sync.ids() == [1, 2]
    stored = str([reply["state"] for reply in sync.replies])
    assert SECRETS["apiToken"] not in stored and SECRETS["apiToken"][::-1] not in stored
    assert "sig=" not in stored and "api_key=" not in stored and "page=2" in stored
    name = "sig" if auth is signs else "api_key"
    for ask in upstream.asked:
        pairs = parse_qsl(urlsplit(ask.url).query)
        assert [pair[0] for pair in pairs].count(name) == 1
        assert {("x", "a b"), ("i", "2"), ("i", "1")} <= {*pairs}


@pytest.mark.parametrize(
    "token",
    [
        *("a token like ?api_key=1&other", "api_key=1", '{"url": "/x?api_key=5"}', 12345),
        *("https://files.example.com/x?api_key=of-another-host", ["api_key=1", {"api_key": 1}]),
    ],
)
@pytest.mark.usefixtures("clock")
def test_other_tokens_stay_as_they_are(token: Any) -> None:
    seen: list[Any] = []

    def step(fetch: Fetch) -> Page:
        seen.append(fetch.token)
        fetch.get("/x")
        return Page([{"id": len(seen)}], None if fetch.token else token)

    sync, _, _ = synced(step, nothing, auth=ApiKey("apiToken", param="api_key"))
    assert (sync.error, seen) == ("", [None, token])


@pytest.mark.parametrize("user", ["me", "me@x.example:made-up-pw", ""])
@pytest.mark.usefixtures("clock")
def test_a_user_name_in_a_next_url_is_refused(user: str) -> None:
    link = f"https://{user}@api.example.com/x?page=2"
    for token in (link, [{"to": link}]):
        sync, upstream, _ = synced(
            lambda f, token=token: Page([{"id": f.get("/x").status_code}], token), nothing
        )
        assert "user name" in sync.error and "made-up-pw" not in sync.error
        assert len(upstream.asked) == 1
    message, _ = followed(link.replace("api.", "wiki."))
    assert "user name" in message and "made-up-pw" not in message


@pytest.mark.usefixtures("clock")
def test_the_user_name_of_auth_may_stand_in_the_query_of_a_next_url() -> None:
    links = ["?account=bob@example.com&page=2", None]

    def step(fetch: Fetch) -> Page:
        return Page([{"id": len(links)}], fetch.follow("/x").value("next"))

    sync, _, _ = synced(step, lambda _: {"next": links.pop(0)}, auth=BasicAuth("user", "apiToken"))
    assert (sync.error, sync.ids()) == ("", [2, 1])


# ---- redirects


def test_a_redirect_loop_ends_and_five_redirects_are_no_loop(server: Faults) -> None:
    message = error(reading(server.url, "/loop"))
    assert f"GET {server.url}/loop redirects more than 5 times" in message
    assert len(server.visits) == 6
    path = "/rows"
    for _ in range(5):
        path = f"/hop?{urlencode({'to': path})}"
    url = asked(server.url, lambda fetch: fetch.get(path).url)
    assert url == server.url + "/rows", "the response shows where it came from"


@pytest.mark.parametrize("to", ["who", "?to=/who", "{url}/who", "//{host}/who"])
def test_at_home_a_redirect_is_followed_with_credentials(server: Faults, to: str) -> None:
    to = to.format(url=server.url, host=urlsplit(server.url).netloc)
    path = "/hop?to=" + quote("/hop" + to if to.startswith("?") else to)
    for whole in (path, f"HTTP://127.0.0.1:{server.port}/./{path[1:]}"):
        (seen,) = rows(reading(server.url, whole))
        assert seen["headers"]["Authorization"] == TOKEN


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_post_is_redirected_as_browsers_do(server: Faults, code: int) -> None:
    asked(server.url, lambda fetch: fetch.post(f"/hop?to=/rows&code={code}", json={"a": 1}))
    (_, seen), again = server.visits, code > 303
    assert (seen.method, seen.body) == (("POST", b'{"a":1}') if again else ("GET", b""))
    assert ("Content-Type" in seen.headers) is again


@pytest.mark.parametrize("auth", [BearerToken("apiToken"), ApiKey("apiToken", param="key"), signs])
def test_a_redirect_to_an_allowed_host_loses_credentials(server: Faults, auth: Any) -> None:
    options = {"allowed_hosts": ["LocalHost"], "auth": auth}
    away = f"{server.elsewhere}/hop?{urlencode({'to': f'{server.url}/who?y=2'})}"
    (seen,) = rows(reading(server.url, f"/hop?{urlencode({'to': away})}", **options))
    assert seen["params"]["y"] == "2"
    forms = [SECRETS["apiToken"], SECRETS["apiToken"][::-1]]
    assert any(form in str(seen) for form in forms)
    (there,) = server.at("localhost")
    assert not any(form in f"{there.headers} {there.target}" for form in forms)
    # An upstream may repeat in the redirect's URL what auth added.
    for url in (server.url, server.elsewhere):
        path = f"/hop?{urlencode({'to': f'{url}/who?key={forms[0]}&sig={forms[1]}'})}"
        reply = call(reading(server.url, path, **options))
        refused = "contains a secret" in reply.get("errorMessage", "")
        assert refused is (url == server.elsewhere)
    assert len(server.at("localhost")) == 1


@pytest.mark.parametrize(
    "to",
    [
        *("http://[", "http://a b.example/", "http://x:99999/", "data:,x", "{elsewhere}/rows"),
        *("ftp://127.0.0.1/rows", "file:///etc/passwd"),
    ],
)
def test_a_redirect_elsewhere_is_refused(server: Faults, clock: HeldClock, to: str) -> None:
    path = f"/hop?to={quote(to.format(elsewhere=server.elsewhere))}"
    message = error(reading(server.url, path, allowed_hosts=["127.0.0.1"]))
    assert f"GET {server.url}{path} redirects elsewhere: " in message
    assert ('Source(allowed_hosts=["localhost"])' in message) is ("{elsewhere}" in to)
    assert len(server.visits) == 1 and clock.slept == []


# ---- other hosts


@pytest.mark.parametrize(
    "form",
    [
        *(
            "http://localhost:{port}/rows",
            "http://127.0.0.1:1/rows",
            "https://127.0.0.1:{port}/rows",
        ),
        "http://127.0.0.1:{port}@localhost:{port}/rows",
        "http://127.0.0.1.localhost:{port}/rows",
        "http://localhost:{port}#@127.0.0.1:{port}/rows",
        r"http://127.0.0.1:{port}\@localhost:{port}/who",
    ],
)
def test_a_whole_url_of_another_origin_is_refused(server: Faults, form: str) -> None:
    """Where the two ways to read a URL differ, it stays at home or is refused."""
    url = form.format(port=server.port)
    call(reading(server.url, lambda fetch: Page(fetch.get(url).rows("data"))))
    assert not server.at("localhost")
    assert "\\" in form or not server.visits


def test_an_allowed_host_is_asked_over_https_or_on_this_machine(server: Faults) -> None:
    hosts = ["files.example.com"]
    for url, why in (
        ("http://files.example.com/x", "does not start with https://"),
        ("https://other.example.com/x", 'Source(allowed_hosts=["other.example.com"])'),
    ):
        assert why in error(reading(server.url, url, allowed_hosts=hosts))
    assert not server.visits


@pytest.mark.parametrize("way", ["asked", "followed", "redirected"])
def test_a_user_and_password_in_a_url_are_not_sent_and_not_shown(server: Faults, way: str) -> None:
    """Also where the user name is an e-mail address."""
    url = f"http://me@x.example:made-up-pw@127.0.0.1:{server.port}/status?code=400"

    def step(fetch: Fetch) -> Page:
        if way == "followed":
            return Page(replace(fetch, token=url).follow("/x", auth=False).rows())
        return Page(fetch.get(url if way == "asked" else "/to-me", auth=False).rows())

    server.routes["/to-me"] = lambda visit: visit.reply(b"", 302, Location=url)
    with listening() as lines:
        message = error(reading(server.url, step))
    last = server.visits[-1]
    assert (last.path, last.headers.get("Authorization")) == ("/status", None)
    assert "127.0.0.1" in message and "made-up-pw" not in message + lines.text
