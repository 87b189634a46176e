"""What a step finds in a response: records left as bytes, values at paths, errors that quote it."""

import json
import time

import pytest
from connector import Page, UpstreamError, codec
from connector.testing import Reply, call_step

from . import play
from .scripted import source

HUGE = 123456789012345678901234567890
API = "https://api.example.com"


def asked(reply, look):
    """What a step finds in a response: bytes, Python values or a Reply."""
    found = []
    step = source().entity("thing")(lambda f: found.append(look(f.get("/thing"))) or Page())
    call_step(step, reply)
    return found[0]


def refused(reply, look):
    """Why a step cannot have what it looks for."""
    with pytest.raises(UpstreamError) as caught:
        asked(reply, look)
    return str(caught.value)


EMPTY, BLANK = Reply(body=b"", status=204), Reply(body=b" \r\n")
COUNTS = [(b'{"data": null}', 0), (b'{"data": [ ]}', 0), (b'{"data": [{}, {}]}', 2), (EMPTY, 0)]


@pytest.mark.parametrize("body, count", [*COUNTS, (BLANK, 0)])
def test_null_and_a_2xx_without_a_body_are_no_records_and_no_next_page(body, count):
    """The generated step asks for both, and nobody can mistype a name of nothing."""
    rows = asked(body, lambda response: response.rows("data"))
    assert (len(rows), bool(rows), len(list(rows))) == (count, count > 0, count)
    if body in (EMPTY, BLANK):
        assert asked(body, lambda r: (r.value("x"), r.value("x", 7))) == (None, 7)


VALUES = [
    ({"meta": {"next": {"id": 7}}}, "meta.next", {"id": 7}),
    ({"meta": {"next": None}}, "meta.next", None),
    ({"@odata.nextLink": "u"}, "@odata.nextLink", "u"),
    ({"a": {"@odata.nextLink": "u"}}, "a.@odata.nextLink", "u"),
    ({"a.b.c": 1, "a": {"b": {"c": 2}}}, "a.b.c", 1),
    ({"a.b": {"c": 1}, "a": {"b": {"c": 2}}}, "a.b.c", 2),
    ({"n": HUGE}, "n", HUGE),
]


@pytest.mark.parametrize("body, path, value", VALUES)
def test_value_is_one_decoded_value_at_a_dotted_path(body, path, value):
    assert asked(body, lambda response: response.value(path)) == value
    changed = asked(body, lambda response: (response.json().clear(), response.value(path))[1])
    assert changed == value, "what the step changes is not what came"


@pytest.mark.parametrize("default", [None, "", 0, [], [{"id": 1}]])
def test_a_default_stands_for_what_is_left_out_on_the_last_page(default):
    for body, path in (({}, "next"), ({"a": 1}, "a.b"), ([1], "a"), ({"a": [{"b": 1}]}, "a.b")):
        assert asked(body, lambda r, path=path: r.value(path, default)) == default
    assert asked({}, lambda r: r.rows("data", default=default or None)) == (default or [])


NOT_A_LIST = [
    ("data", {"data": {"id": 1}}, ["one object", '[response.value("data")]', '"id":1']),
    ("a.b", {"a": {"b": {"id": 1}}}, ["one object", '[response.value("a.b")]', '"id":1']),
    ("", {"id": 1}, ["one object", "[response.json()]", '"id":1']),
    ("data", {"data": 0.5}, ["'data' in the response to", "starts 0.5", "dotted path"]),
]


@pytest.mark.parametrize("path, body, texts", NOT_A_LIST)
def test_what_is_not_a_list_is_quoted(path, body, texts):
    message = refused(body, lambda response: response.rows(path))
    assert [text for text in texts if text not in message] == []


MISSING = [
    ({"data": [], "next": "b"}, "nxt", "its keys are data, next"),
    ({"meta": {"next_cursor": "b", "n": 1}}, "meta.next_cursr", "'meta' are next_cursor, n"),
    ({"a": {"b": {"c": {"d": 1}}}}, "a.b.c.e", "the keys of 'a.b.c' are d"),
    ({"meta": None}, "meta.next", "'meta' starts null"),
    ({"meta": [{"next": 1}]}, "meta.next", "'meta' starts [{"),
    ({"meta": {}}, "meta.next", "the keys of 'meta' are none"),
    ({f"k{n}": n for n in range(99)}, "k", "k38, k39, …; if"),
    ({"ok": False, "error": "missing_scope"}, "members", "missing_scope"),
    ({"errors": [{"message": "slow"}], "data": {"x": "y" * 300}}, "data.items", "slow"),
]


@pytest.mark.parametrize("body, path, text", MISSING)
@pytest.mark.parametrize("look", ["value", "rows"])
def test_a_missing_path_shows_what_is_there(body, path, text, look):
    message = refused(body, lambda response: getattr(response, look)(path))
    assert f"the response to GET {API}/thing has no {path!r}: " in message
    assert text in message and codec.encode(body)[:200].decode() in message
    assert f"write default={'None' if look == 'value' else '[]'}" in message


@pytest.mark.parametrize("path", ["data.items", "data", "data.items.more", "dta"])
def test_a_list_that_a_graphql_response_lacks_is_an_error_with_its_errors(path):
    """Null beside errors is no empty page: the walk would end, and its records be missed."""
    body = {"data": {"items": None, "text": "x" * 300}, "errors": [{"message": "access denied"}]}
    message = refused(body, lambda response: response.rows(path))
    assert 'errors: [{"message":"access denied"}]' in message
    for errors in (None, [], {}, "", 0):
        quiet = {**body, "errors": errors}
        assert asked(quiet, lambda response: response.rows("data.items")) == []
        assert "; errors" not in refused(quiet, lambda response: response.rows("x"))


PARSED = [
    (lambda r: (r.rows("data"), r.rows("data"), r.value("next"), r.value("z", default=3)), 1),
    (lambda r: (r.json()["next"], r.json()["meta"], r.value("next")), 1),
    (lambda r: (len(r.rows("data")), len(r.rows("data"))), 2),  # their place, their number
    (lambda r: (r.value("meta.a"), r.value("meta.b")), 1),
]


@pytest.mark.parametrize("look, times", PARSED)
def test_the_body_is_parsed_once(monkeypatch, look, times):
    parsed = []
    for name in ("parse", "members", "well_formed", "items"):
        decode = getattr(codec, name)
        spy = lambda body, decode=decode: parsed.append(len(body)) or decode(body)  # noqa: E731
        monkeypatch.setattr(codec, name, spy)
    asked({"data": [{"id": 1}] * 100, "meta": {"a": 1, "b": 2}, "next": "x"}, look)
    assert len([size for size in parsed if size > 900]) == times


TEXTS = [
    (b'\xef\xbb\xbf{"id": "\xc3\xa9"}', ""),
    (b'{"id": "\xc3\xa9"}', "; charset=iso-8859-1"),
    ('{"id": "é"}'.encode("latin-1"), '; charset="ISO-8859-1"; x=y'),
    ('{"id": "é"}'.encode("utf-16-le"), "; charset=UTF-16LE"),
    ('{"id": "é"}'.encode("iso2022_jp_2"), "; charset=iso-2022-jp-2"),
]


@pytest.mark.parametrize("body, charset", TEXTS)
def test_a_body_is_read_in_utf8_or_in_the_declared_charset(body, charset):
    reply = Reply(body=body, headers={"Content-Type": f"application/json{charset}"})
    assert asked(reply, lambda r: (r.value("id"), r.json()["id"])) == ("é", "é")
    assert 'It says {"id": "é"}' in refused(reply, lambda r: r.rows("x"))


LIST = ", ".join(json.dumps({"id": n, "name": f"record {n}"}) for n in range(1, 101))
DEEP = '{"data": ' + "[" * 50_000 + "]" * 50_000 + "}"
CUT = '"name": "record 100"}'
BROKEN = {
    f'{{"data": [{LIST}, {{"id": 101, "x": NaN}}]}}': (
        "not JSON (invalid character) at byte 3311: …",
        ' 100"}, {"id": 101, "x": NaN}]}',
    ),
    f'{{"data": [{LIST}': ("not JSON (cut off) at byte 3292: …", CUT),
    '{"data": [1, 2': ('at byte 14: {"data": [1, 2',),
    "<html>Sign in</html>": ("at byte 0: <html>Sign in</html>",),
    '{"data": []} {"data": []}': ("trailing", 'at byte 14: {"data": []} {"data": []}'),
    DEEP: ("nested more deeply than can be read: {",),
    b'{"data": [{"id": "' + b"x" * 500 + b'\xff"}]}': ("utf-8 text at byte 518: …x", '\ufffd"}]}'),
}


@pytest.mark.parametrize("body, texts", BROKEN.items(), ids=range(len(BROKEN)))
@pytest.mark.parametrize("look", [lambda r: r.rows("data"), lambda r: r.json()])
def test_broken_json_is_quoted_where_it_breaks(look, body, texts):
    message = refused(body if isinstance(body, bytes) else body.encode(), look)
    assert message.startswith(f"GET {API}/thing answered 200 with application/json, which is ")
    assert [text for text in texts if text not in message.replace("UTF-8", "utf-8")] == []
    assert len(message) < 400


def test_a_response_is_one_of_requests_without_what_it_was_sent_with(server):
    """The adapter knows its proxy's password, and the request its credentials."""
    response = play.asked(server.url, lambda fetch: fetch.get("/hop?to=/empty"))
    assert (response.status_code, response.ok, response.text) == (200, True, "")
    assert response.headers["Content-Length"] == "0" and response.url == f"{server.url}/empty"
    assert "Authorization" in server.visits[-1].headers
    assert "Authorization" not in response.request.headers
    assert (response.raw, response.history, hasattr(response, "connection")) == (None, [], False)


def link(header, rel="next"):
    """What a relation in this header of a response to /thing is the URL of."""
    return asked(Reply(json=[], headers={"Link": header}), lambda response: response.link(rel))


LINKS = [
    ('<https://c.d/x?page=2>; rel="next"', "https://c.d/x?page=2"),
    ('</p>; rel="prev", </n>; rel="next last"', f"{API}/n"),
    ("<?page=2>; rel=next; title=a", f"{API}/thing?page=2"),
    ("<//c.d/x>; rel=next", "https://c.d/x"),
    ("", None),
    ('</2>; REL="Next"', f"{API}/2"),
    ("</2;jsessionid=9?p=2>; rel=next", f"{API}/2;jsessionid=9?p=2"),
    ('</2?ids=1,2>; rel="next",', f"{API}/2?ids=1,2"),
    ('</2>; title="</9>; rel=next, "; rel=prev, </3>; rel=next', f"{API}/3"),
    (r'</2>; title="a\"b"; rel="next"', f"{API}/2"),
    ('</2>; rel="prev"; rel="next"', None),
    ('</2>; rel="next"; anchor="#other", </3>; rel="next"', f"{API}/3"),
    ("</2>; rel='next'", f"{API}/2"),
    ("</1>; title=it's; rel='prev', </3>; rel='next'", f"{API}/3"),
    ('</1>; title="; rel=prev, </3>; rel=next', f"{API}/3"),
]


@pytest.mark.parametrize("header, url", LINKS)
def test_link_is_the_url_of_a_relation(header, url):
    assert link(header) == link(header, "NEXT") == url


@pytest.mark.parametrize("piece", ["<", "<>; ", '<>;a="', "<>;a='", '<>;a="\\"', ";", '"', " "])
def test_a_long_header_costs_no_time(piece):
    """One pass for each of them would take minutes."""
    began = time.process_time()
    header = (piece * 200_000)[:200_000]
    assert link(f"</1>; {header}") is None
    assert link(f"{header}\"'>, </2>; rel=next") in (f"{API}/2", None)
    assert time.process_time() - began < 20
