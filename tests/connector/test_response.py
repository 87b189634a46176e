"""What a step finds in a response: records left as bytes, values at paths, errors that quote it."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from connector import Page, Response, UpstreamError, codec
from connector.secrets import Redactor
from connector.testing import Reply, call_step

from .scripted import source

HUGE = 123456789012345678901234567890
SECRET = "made-up-secret-1"


def asked(reply: Any, look: Callable[[Response], Any]) -> Any:
    """What a step finds in a response: bytes, Python values or a Reply."""
    found: list[Any] = []
    step = source().entity("thing")(lambda f: found.append(look(f.get("/thing"))) or Page())
    call_step(step, reply)
    return found[0]


def refused(reply: Any, look: Callable[[Response], Any]) -> str:
    """Why a step cannot have what it looks for."""
    with pytest.raises(UpstreamError) as caught:
        asked(reply, look)
    return str(caught.value)


# ---- rows


EMPTY = Reply(body=b"", status=204)


@pytest.mark.parametrize(
    ("body", "count"),
    [(b'{"data": null}', 0), (b'{"data": [ ]}', 0), (b'{"data": [{}, {}]}', 2), (EMPTY, 0)],
)
def test_null_and_a_2xx_without_a_body_are_no_records(body: Any, count: int) -> None:
    rows = asked(body, lambda response: response.rows("data"))
    assert (len(rows), bool(rows), len(list(rows))) == (count, count > 0, count)


def test_a_2xx_without_a_body_has_no_next_page() -> None:
    """The generated step asks for both, and nobody can mistype a name of nothing."""
    for body in (EMPTY, Reply(body=b" \r\n")):
        found = asked(body, lambda r: (r.value("x"), r.value("x", default=7), r.rows("a.b")))
        assert found == (None, 7, [])


@pytest.mark.parametrize("default", [None, [], [{"id": 1}]])
def test_rows_take_a_default_for_a_path_that_is_left_out(default: Any) -> None:
    rows = asked({"next": None}, lambda response: response.rows("data", default=default))
    assert rows == (default or []) and rows.untouched is None


@pytest.mark.parametrize(
    ("path", "body", "texts"),
    [
        ("data", {"data": {"id": 1}}, ["one object", '[response.value("data")]', '"id":1']),
        ("a.b", {"a": {"b": {"id": 1}}}, ["one object", '[response.value("a.b")]', '"id":1']),
        ("", {"id": 1}, ["one object", "[response.json()]", '"id":1']),
        ("data", {"data": 0.5}, ["'data' in the response to", "starts 0.5", "dotted path"]),
    ],
)
def test_what_is_not_a_list_is_quoted(path: str, body: Any, texts: list[str]) -> None:
    message = refused(body, lambda response: response.rows(path))
    for text in texts:
        assert text in message


# ---- values


@pytest.mark.parametrize(
    ("body", "path", "value"),
    [
        ({"meta": {"next": {"id": 7}}}, "meta.next", {"id": 7}),
        ({"meta": {"next": None}}, "meta.next", None),
        ({"@odata.nextLink": "u"}, "@odata.nextLink", "u"),
        ({"a": {"@odata.nextLink": "u"}}, "a.@odata.nextLink", "u"),
        ({"a.b.c": 1, "a": {"b": {"c": 2}}}, "a.b.c", 1),
        ({"a.b": {"c": 1}, "a": {"b": {"c": 2}}}, "a.b.c", 2),
        ({"n": HUGE}, "n", HUGE),
    ],
)
def test_value_is_one_decoded_value_at_a_dotted_path(body: Any, path: str, value: Any) -> None:
    assert asked(body, lambda response: response.value(path)) == value

    def changed(response: Response) -> Any:
        response.json().clear()
        return response.value(path)

    assert asked(body, changed) == value, "what the step changes is not what came"


@pytest.mark.parametrize("default", [None, "", 0])
def test_value_takes_a_default_for_what_is_left_out_on_the_last_page(default: Any) -> None:
    for body, path in (({}, "next"), ({"a": 1}, "a.b"), ([1], "a"), ({"a": [{"b": 1}]}, "a.b")):
        assert asked(body, lambda r, path=path: r.value(path, default)) == default


@pytest.mark.parametrize(
    ("body", "path", "text"),
    [
        ({"data": [], "next": "b"}, "nxt", "its keys are data, next"),
        ({"meta": {"next_cursor": "b", "n": 1}}, "meta.next_cursr", "'meta' are next_cursor, n"),
        ({"a": {"b": {"c": {"d": 1}}}}, "a.b.c.e", "the keys of 'a.b.c' are d"),
        ({"meta": None}, "meta.next", "'meta' starts null"),
        ({"meta": [{"next": 1}]}, "meta.next", "'meta' starts [{"),
        ({"meta": {}}, "meta.next", "the keys of 'meta' are none"),
        ({f"k{n}": n for n in range(99)}, "k", "k38, k39, …; if"),
        ({"ok": False, "error": "missing_scope"}, "members", "missing_scope"),
        ({"errors": [{"message": "slow"}], "data": {"x": "y" * 300}}, "data.items", "slow"),
    ],
)
@pytest.mark.parametrize("look", ["value", "rows"])
def test_a_missing_path_shows_what_is_there(body: Any, path: str, text: str, look: str) -> None:
    message = refused(body, lambda response: getattr(response, look)(path))
    assert f"the response to GET https://api.example.com/thing has no {path!r}: " in message
    assert text in message and codec.encode(body)[:200].decode() in message
    assert f"write default={'None' if look == 'value' else '[]'}" in message


@pytest.mark.parametrize("path", ["data.items", "data", "data.items.more", "dta"])
def test_a_list_that_a_graphql_response_lacks_is_an_error_with_its_errors(path: str) -> None:
    """Null beside errors is no empty page: the walk would end, and its records be missed."""
    body = {"data": {"items": None, "text": "x" * 300}, "errors": [{"message": "access denied"}]}
    message = refused(body, lambda response: response.rows(path))
    assert 'errors: [{"message":"access denied"}]' in message
    for errors in (None, [], {}, "", 0):
        quiet = {**body, "errors": errors}
        assert asked(quiet, lambda response: response.rows("data.items")) == []
        assert "; errors" not in refused(quiet, lambda response: response.rows("x"))


@pytest.mark.parametrize(
    ("look", "times"),
    [
        (lambda r: (r.rows("data"), r.rows("data"), r.value("next"), r.value("z", default=3)), 1),
        (lambda r: (r.json()["next"], r.json()["meta"], r.value("next")), 1),
        (lambda r: (len(r.rows("data")), len(r.rows("data"))), 2),  # their place, their number
        (lambda r: (r.value("meta.a"), r.value("meta.b")), 1),
    ],
)
def test_the_body_is_parsed_once(monkeypatch: pytest.MonkeyPatch, look: Any, times: int) -> None:
    parsed: list[int] = []
    for name in ("parse", "members", "well_formed", "items"):
        decode = getattr(codec, name)
        spy = lambda body, decode=decode: parsed.append(len(body)) or decode(body)  # noqa: E731
        monkeypatch.setattr(codec, name, spy)
    asked({"data": [{"id": 1}] * 100, "meta": {"a": 1, "b": 2}, "next": "x"}, look)
    assert len([size for size in parsed if size > 900]) == times


# ---- texts


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        (b'\xef\xbb\xbf{"id": "\xc3\xa9"}', ""),
        (b'{"id": "\xc3\xa9"}', "; charset=iso-8859-1"),
        (b'{"id": "\xc3\xa9"}', "; charset=no-such"),
        ('{"id": "é"}'.encode("latin-1"), '; charset="ISO-8859-1"; x=y'),
        ('{"id": "é"}'.encode("utf-16"), "; charset=utf-16"),
        ('{"id": "é"}'.encode("utf-16-le"), "; charset=UTF-16LE"),
        ('{"id": "é"}'.encode("iso2022_jp_2"), "; charset=iso-2022-jp-2"),
    ],
)
def test_a_body_is_read_in_utf8_or_in_the_declared_charset(body: bytes, charset: str) -> None:
    reply = Reply(body=body, headers={"Content-Type": f"application/json{charset}"})
    found = asked(reply, lambda r: (r.value("id"), r.json()["id"], r.start(9)))
    assert found == ("é", "é", '{"id": "é')


# ---- bodies that cannot be read


LIST = ", ".join(json.dumps({"id": n, "name": f"record {n}"}) for n in range(1, 101))
DEEP = '{"data": ' + "[" * 50_000 + "]" * 50_000 + "}"
BAD = b'{"data": [{"id": "' + b"x" * 500 + b'\xff"}]}'


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        (
            f'{{"data": [{LIST}, {{"id": 101, "x": NaN}}]}}',
            ["not JSON (invalid character) at byte 3311: …", ' 100"}, {"id": 101, "x": NaN}]}'],
        ),
        (f'{{"data": [{LIST}', ["not JSON (cut off) at byte 3292: …", '"name": "record 100"}']),
        ('{"data": [1, 2', ['at byte 14: {"data": [1, 2']),
        ("<html>Sign in</html>", ["at byte 0: <html>Sign in</html>"]),
        ('{"data": []} {"data": []}', ["trailing", 'at byte 14: {"data": []} {"data": []}']),
        (DEEP, ["nested more deeply than can be read: {"]),
        (BAD, ["utf-8 text at byte 518: …x", 'xxx\ufffd"}]}']),
    ],
    ids=["NaN", "cut off", "short", "html", "two", "deep", "not text"],
)
@pytest.mark.parametrize("look", [lambda r: r.rows("data"), lambda r: r.json()])
def test_broken_json_is_quoted_where_it_breaks(look: Any, body: Any, texts: list[str]) -> None:
    message = refused(body if isinstance(body, bytes) else body.encode(), look)
    assert message.startswith("GET https://api.example.com/thing answered 200 with application/j")
    for text in texts:
        assert text in message.replace("UTF-8", "utf-8")
    assert len(message) < 400


# ---- all of requests.Response


def test_a_response_is_a_requests_response_without_what_it_was_sent_with() -> None:
    """The adapter knows its proxy's password, and the request its credentials."""
    sent = requests.Request("GET", "https://api.example.com/thing").prepare()
    reply = requests.Response()
    reply.status_code, reply.headers["X-Total"] = 200, "7"
    reply.request = requests.Request("GET", sent.url, headers={"Authorization": SECRET}).prepare()
    reply.history, reply.raw, reply.connection = [reply], object(), object()  # type: ignore[attr-defined]
    response = Response.of(reply, b'{"a": 1}', sent, Redactor())
    assert (response.status_code, response.headers["X-Total"], response.ok) == (200, "7", True)
    assert (response.text, response.url, response.request) == ('{"a": 1}', sent.url, sent)
    assert (response.raw, response.history, hasattr(response, "connection")) == (None, [], False)


# ---- the Link header (RFC 8288)


def link(header: str | None, rel: str = "next") -> str | None:
    """The URL of a relation in this header of a response to /v1/items."""
    reply = requests.Response()
    if header is not None:
        reply.headers["Link"] = header
    sent = requests.Request("GET", "https://a.b/v1/items?page=1").prepare()
    return Response.of(reply, b"", sent, Redactor()).link(rel)


@pytest.mark.parametrize(
    ("header", "url"),
    [
        ('<https://c.d/x?page=2>; rel="next"', "https://c.d/x?page=2"),
        ('</p>; rel="prev", </n>; rel="next last"', "https://a.b/n"),
        ("<?page=2>; rel=next; title=a", "https://a.b/v1/items?page=2"),
        ("<more>; rel=next", "https://a.b/v1/more"),
        ("<//c.d/x>; rel=next", "https://c.d/x"),
        ("", None),
        (None, None),
        ('</2>; REL="Next"', "https://a.b/2"),
        ("</2;jsessionid=9?p=2>; rel=next", "https://a.b/2;jsessionid=9?p=2"),
        ('</2?ids=1,2>; rel="next",', "https://a.b/2?ids=1,2"),
        ('</2>; title="</9>; rel=next, "; rel=prev, </3>; rel=next', "https://a.b/3"),
        (r'</2>; title="a\"b"; rel="next"', "https://a.b/2"),
        ('</2>; rel="prev"; rel="next"', None),
        ('</2>; rel="next"; anchor="#other", </3>; rel="next"', "https://a.b/3"),
        ("</2>; crossorigin; rel=next", "https://a.b/2"),
        ('/2; rel="next"', None),
        ("</2>; rel='next'", "https://a.b/2"),
        ("</1>; title=it's; rel='prev', </3>; rel='next'", "https://a.b/3"),
        ('</1>; title="; rel=prev, </3>; rel=next', "https://a.b/3"),
    ],
)
def test_link_is_the_url_of_a_relation(header: str | None, url: str | None) -> None:
    assert link(header) == link(header, "NEXT") == url


def test_a_reference_that_is_not_a_url_is_an_error_that_shows_it() -> None:
    with pytest.raises(UpstreamError, match=r"Link header of GET https://a.b/v1/items.*//\[oops"):
        link("<https://[oops>; rel=next")


@pytest.mark.parametrize(
    "piece", ["<", "<>; ", '<>;a="', "<>;a='", '<>;a="\\"', ";", '"', " ", "<a>;a "]
)
def test_a_long_header_costs_no_time(piece: str) -> None:
    """One pass for each of them would take minutes."""
    began = time.process_time()
    header = (piece * 200_000)[:200_000]
    assert link(f"</1>; {header}") is None
    assert link(f"{header}\"'>, </2>; rel=next") in ("https://a.b/2", None)
    assert time.process_time() - began < 20
