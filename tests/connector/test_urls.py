"""Where requests go: base_url, paths, links by RFC 3986, redirects, other hosts."""

from itertools import product
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from connector import ApiKey, BearerToken, Page
from connector.testing import Reply

from .leaks import listening
from .play import Player, asked, call, error, reading, rows
from .scripted import SECRETS, Upstream
from .scripted import source as scripted

pytestmark = pytest.mark.usefixtures("clock")

TOKEN = "Bearer " + SECRETS["apiToken"]
API = "https://api.example.com"
WIKI = "https://wiki.example.com"


def synced(step, answers, **options):
    """A whole sync of a step, and its upstream."""
    made = scripted(**options)
    made.entity("thing", primary_key=["id"])(step)
    upstream = Upstream(answers)
    return Player(made, upstream).sync(), upstream


# ---- base_url and paths

PATHS = [
    (API, "/things", f"{API}/things"),
    (f"{API}/v2", "/things", f"{API}/v2/things"),
    (f"{API}/v2", "things", f"{API}/v2/things"),
    (f"{API}/v2", "?page=2", f"{API}/v2?page=2"),
    (f"{API}/v2", "a:b/c", f"{API}/v2/a:b/c"),
    (f"{API}/v2", f"{API}/x", f"{API}/x"),
    (f"{API}/v2", "http://api.example.com/x", f"{API}/x"),
]


@pytest.mark.parametrize("base, path, url", PATHS)
def test_a_path_is_appended_and_a_whole_url_is_asked(base, path, url):
    _, upstream = synced(lambda f: Page(f.get(path).rows("d", None)), lambda _: {}, base_url=base)
    assert [ask.url for ask in upstream.asked] == [url]


@pytest.mark.parametrize("url", ["http://api.example.com", "nonsense", "https://[", "file:///x"])
def test_a_wrong_upstream_base_url_is_named(monkeypatch, url):
    monkeypatch.setenv("UPSTREAM_BASE_URL", url)
    assert "UPSTREAM_BASE_URL" in error(reading(API, "/rows"))


@pytest.mark.parametrize("tenant", ["a/b", "..", "a.b", "a@b", "a:b", "a?b", "", " ", "é", None])
def test_a_payload_key_of_base_url_leads_nowhere_else(server, tenant):
    made = reading(server.url + "/{tenant}", "")
    assert "'tenant'" in error(made, customPayload={"tenant": tenant})
    assert not server.visits
    call(made, customPayload={"tenant": "acme-eu"})
    assert server.paths() == ["/acme-eu"]


# ---- next links, by RFC 3986

RESOLVED = [
    ("/api/v1", "/items", f"{API}/api/v1/items?page=2", "/api/v1/items?page=2"),
    ("/api/v1", "/items", "http://API.example.com:80/items?page=2", "/items?page=2"),
    ("/api/v1", "/items", "//api.example.com/items?page=2", "/items?page=2"),
    ("/api/v2", "/items", "/api/v3/items?page=2", "/api/v3/items?page=2"),
    ("/api/v1", "/items", "items?page=2", "/api/v1/items?page=2"),
    ("/api/v1", "/items/", "../items?page=2", "/api/v1/items?page=2"),
    ("/api/v1", "/items/", " ?page=2 ", "/api/v1/items/?page=2"),
    ("/api/v1", "/old", "items?page=2", "/moved/items?page=2"),
    ("/api/v1", "/old", "?page=2", "/moved/to?page=2"),
]


@pytest.mark.parametrize("root, path, link, following", RESOLVED)
@pytest.mark.usefixtures("page_by_page")
def test_a_link_is_resolved_as_rfc_3986_says(root, path, link, following):
    """After redirects, and at once: what the state holds is the whole URL."""

    def step(fetch):
        response = fetch.follow(path, params={"limit": 3})
        return Page(response.rows("data"), response.value("next", default=None))

    def answers(ask):
        if ask.path.endswith("/old"):
            location = {"Location": "http://api.example.com/moved/to"}
            return Reply(json={}, status=302, headers=location)
        first = "page" not in ask.params
        return {"data": [{"id": ask.params.get("page", "1")}], "next": link if first else None}

    sync, upstream = synced(step, answers, base_url=API + root)
    assert (sync.error, sync.ids()) == ("", ["1", "2"])
    token = sync.replies[0]["state"]["_sync"]["walks"]["thing"]["token"]
    assert [token.lower(), upstream.asked[-1].url] == [API + following] * 2
    assert {ask.headers["Authorization"] for ask in upstream.asked} == {TOKEN}


def followed(link, path="/content", first=None):
    """The error of a sync whose first page has this next link, and what was asked."""

    def step(fetch):
        response = fetch.follow(path)
        return Page(response.rows("data"), response.value("next"))

    def answers(ask):
        if ask.path.endswith("/content") and not ask.params:
            return first or {"data": [{"id": 1}], "next": link}
        return Reply(json={"message": "no such page"}, status=404)

    options = {"allowed_hosts": ["files.example.com"], "base_url": f"{WIKI}/confluence/rest/api"}
    sync, upstream = synced(step, answers, **options)
    return sync.error, upstream.asked


def test_a_404_of_a_link_says_how_links_are_resolved_and_what_to_do():
    message, _ = followed("/rest/api/content?start=2")
    assert f"GET {WIKI}/rest/api/content?start=2 answered 404" in message
    assert "resolved against the URL of the response that carried it, by RFC 3986" in message
    assert f'return whole URLs as next_token, for example: "{WIKI}/' in message
    assert "ok=" not in message


# ---- what is stored of a token


def signs(request, secrets):
    """Signs as APIs do that want the parameters sorted, and spaces as %20."""
    head, _, query = str(request.url).partition("?")
    pairs = query.replace("+", "%20").split("&") if query else []
    pairs += [f"sig={secrets['apiToken'][::-1]}", "ts=1767225600"]
    request.url = f"{head}?{'&'.join(sorted(pairs))}"


@pytest.mark.parametrize("name, auth", [("key", ApiKey("apiToken", param="key")), ("sig", signs)])
@pytest.mark.parametrize("form", [f"{API}/next?%s", "?%s"])
@pytest.mark.usefixtures("page_by_page")
def test_what_auth_added_to_a_url_is_taken_out_of_tokens(name, auth, form):
    """The upstream repeats all parameters in its next URLs. What the step asks for stays, though a
    signature sorts the parameters and spaces are %20."""

    def step(fetch):
        response = fetch.follow("/next", params={"x": "a b", "i": [2, 1]})
        return Page(response.rows("data"), response.value("next"))

    def answers(ask):
        last = "page" in ask.params
        link = None if last else form % f"{urlsplit(ask.url).query}&page=2"
        return {"data": [{"id": 2 if last else 1}], "next": link}

    sync, upstream = synced(step, answers, auth=auth)
    assert sync.ids() == [1, 2]
    stored = str([reply["state"] for reply in sync.replies])
    for text in (SECRETS["apiToken"], SECRETS["apiToken"][::-1], "sig=", "key="):
        assert text not in stored
    assert "page=2" in stored
    for ask in upstream.asked:
        pairs = parse_qsl(urlsplit(ask.url).query)
        assert [pair[0] for pair in pairs].count(name) == 1
        assert {("x", "a b"), ("i", "2"), ("i", "1")} <= {*pairs}


@pytest.mark.parametrize("user", ["me", "me@x.example:made-up-pw", ""])
def test_a_user_name_in_a_next_url_is_refused(user):
    link = f"https://{user}@api.example.com/x?page=2"
    errors = [followed(link.replace("api.", "wiki."))[0]]
    for token in (link, [{"to": link}]):
        step = lambda fetch, token=token: Page([{"id": 1}], token)  # noqa: E731
        errors.append(synced(step, lambda _: {})[0].error)
    for message in errors:
        assert "user name" in message and "made-up-pw" not in message


# ---- redirects


def test_a_redirect_loop_ends_and_five_redirects_are_no_loop(server):
    message = error(reading(server.url, "/loop"))
    assert f"GET {server.url}/loop redirects more than 5 times" in message
    assert len(server.visits) == 6
    path = "/rows"
    for _ in range(5):
        path = f"/hop?{urlencode({'to': path})}"
    url = asked(server.url, lambda fetch: fetch.get(path).url)
    assert url == server.url + "/rows", "the response shows where it came from"


@pytest.mark.parametrize("to", ["who", "?to=/who", "{url}/who", "//{host}/who"])
def test_at_home_a_redirect_is_followed_with_credentials(server, to):
    to = to.format(url=server.url, host=urlsplit(server.url).netloc)
    path = "/hop?to=" + quote("/hop" + to if to.startswith("?") else to)
    for whole in (path, f"HTTP://127.0.0.1:{server.port}/./{path[1:]}"):
        (seen,) = rows(reading(server.url, whole))
        assert seen["headers"]["Authorization"] == TOKEN


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_post_is_redirected_as_browsers_do(server, code):
    asked(server.url, lambda fetch: fetch.post(f"/hop?to=/rows&code={code}", json={"a": 1}))
    (_, seen), again = server.visits, code > 303
    assert (seen.method, seen.body) == (("POST", b'{"a":1}') if again else ("GET", b""))
    assert ("Content-Type" in seen.headers) is again


@pytest.mark.parametrize("auth", [BearerToken("apiToken"), ApiKey("apiToken", param="key"), signs])
def test_a_redirect_to_an_allowed_host_loses_credentials(server, auth):
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


# ---- other hosts

ELSEWHERE = [
    *("//evil.example/x", "http://evil.example/x", "https://evil.example/#@wiki.example.com/x"),
    *(f"{WIKI}:8443/x", f"{WIKI}@evil.example/x", f"{WIKI}.evil.example/x"),
    *("https://[", "http://a b.example/", "http://x:99999/"),
    *("ftp://files.example.com/x", "javascript:alert(1)", "data:,x", "file:///etc/passwd"),
]
WAYS = [
    *product(["link", "redirect"], ELSEWHERE),
    *(("asked", url) for url in ELSEWHERE if url.startswith("http")),
    ("link", "https://files.example.com/x"),  # pages are of base_url's origin
    ("asked", "http://files.example.com/x"),  # allowed, but over https alone
]


@pytest.mark.parametrize("way, url", WAYS)
def test_another_origin_is_refused_before_it_is_asked(clock, way, url):
    redirect = Reply(json={}, status=302, headers={"Location": url})
    path, first = (url if way == "asked" else "/content"), (redirect if way == "redirect" else None)
    message, requests = followed(url, path, first)
    assert message.startswith("entity thing, page 1: ")
    assert way != "link" or message.startswith("entity thing, page 1: the ")
    assert way != "redirect" or f"GET {WIKI}/confluence/rest/api/content redirects" in message
    hint = 'Source(allowed_hosts=["evil.example"])' in message
    evil = "//evil.example/" in url or "@evil.example/" in url
    assert hint is (way != "link" and evil)
    assert len(requests) == (way != "asked") and clock.slept == []


def test_where_the_two_ways_to_read_a_url_differ_it_stays_at_home(server):
    url = rf"http://127.0.0.1:{server.port}\@localhost:{server.port}/who"
    call(reading(server.url, url))
    assert not server.at("localhost")


@pytest.mark.parametrize("redirected", [False, True])
def test_a_user_and_password_in_a_url_are_not_sent_and_not_shown(server, redirected):
    """Also where the user name is an e-mail address."""
    url = f"http://me@x.example:made-up-pw@127.0.0.1:{server.port}/status?code=400"
    server.routes["/to-me"] = lambda visit: visit.reply(b"", 302, Location=url)
    made = reading(server.url, lambda f: f.get("/to-me" if redirected else url, auth=False))
    with listening() as lines:
        message = error(made)
    last = server.visits[-1]
    assert (last.path, last.headers.get("Authorization")) == ("/status", None)
    assert "127.0.0.1" in message and "made-up-pw" not in message + lines.text
