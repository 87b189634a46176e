"""What a step finds in a response: records left as bytes, values at paths, errors that quote it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from connector import Fetch, Page, Response, UpstreamError, codec
from connector.secrets import Redactor
from connector.testing import Reply, call_step
from hypothesis import given
from hypothesis import strategies as st

from .scripted import source

HUGE = 123456789012345678901234567890
SECRET = "made-up-secret-1"


def asked(reply: Any, look: Callable[[Response], Any], **headers: str) -> Any:
    """What a step finds in a response: bytes, Python values or a Reply."""
    found: list[Any] = []
    made = source()

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        found.append(look(fetch.get("/thing")))
        return Page()

    if headers:
        reply = Reply(
            body=reply if isinstance(reply, bytes) else codec.encode(reply), headers=headers
        )
    call_step(thing, reply)
    return found[0]


def refused(reply: Any, look: Callable[[Response], Any], **headers: str) -> str:
    """Why a step cannot have what it looks for."""
    with pytest.raises(UpstreamError) as caught:
        asked(reply, look, **headers)
    return str(caught.value)


# ---- rows


EMPTY = Reply(body=b"", status=204)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b'{"data": null}', 0),
        (b'{"data": [ ]}', 0),
        (b'{"data": [{}, {}]}', 2),
        (EMPTY, 0),
        (Reply(body=b" \r\n"), 0),
    ],
)
def test_null_and_a_2xx_without_a_body_are_no_records(body: Any, count: int) -> None:
    rows = asked(body, lambda response: response.rows("data"))
    assert (len(rows), bool(rows), len(list(rows))) == (count, count > 0, count)


def test_a_2xx_without_a_body_has_no_next_page() -> None:
    """The generated step asks for both, and nobody can mistype a name of nothing."""
    found = asked(EMPTY, lambda r: (r.value("x"), r.value("x", default=7), r.rows("a.b"), r.rows()))
    assert found == (None, 7, [], [])


@pytest.mark.parametrize("default", [None, [], [{"id": 1}]])
def test_rows_take_a_default_for_a_path_that_is_left_out(default: Any) -> None:
    rows = asked({"next": None}, lambda response: response.rows("data", default=default))
    assert rows == (default or []) and rows.untouched is None


@pytest.mark.parametrize(
    ("path", "body", "wrapped"),
    [
        ("data", {"data": {"id": 1}}, '[response.value("data")]'),
        ("a.b", {"a": {"b": {"id": 1}}}, '[response.value("a.b")]'),
        ("", {"id": 1}, "[response.json()]"),
    ],
)
def test_one_object_instead_of_a_list_shows_how_to_wrap_it(
    path: str, body: Any, wrapped: str
) -> None:
    message = refused(body, lambda response: response.rows(path))
    assert "one object" in message and wrapped in message and '"id":1' in message
    found = asked(body, lambda response: eval(wrapped, {"response": response}))
    assert found == [{"id": 1}]


@pytest.mark.parametrize("value", [b"5", b'"none"', b"true", b"0.5"])
def test_what_is_not_a_list_is_quoted(value: bytes) -> None:
    message = refused(b'{"data": ' + value + b"}", lambda response: response.rows("data"))
    assert "'data' in the response to GET https://api.example.com/thing" in message
    assert f"starts {value.decode()}" in message and "dotted path" in message


# ---- values


@pytest.mark.parametrize(
    ("body", "path", "value"),
    [
        ({"next": "b"}, "next", "b"),
        ({"meta": {"next": {"id": 7}}}, "meta.next", {"id": 7}),
        ({"meta": {"next": None}}, "meta.next", None),
        ({"@odata.nextLink": "u"}, "@odata.nextLink", "u"),
        ({"a": {"@odata.nextLink": "u"}}, "a.@odata.nextLink", "u"),
        ({"a": {"b": {"c": {"d.e": 1}}}}, "a.b.c.d.e", 1),
        ({"a.b.c": 1, "a": {"b": {"c": 2}}}, "a.b.c", 1),
        ({"a.b": {"c": 1}, "a": {"b": {"c": 2}}}, "a.b.c", 2),
        ({"n": HUGE}, "n", HUGE),
    ],
)
def test_value_is_one_decoded_value_at_a_dotted_path(body: Any, path: str, value: Any) -> None:
    assert asked(body, lambda response: response.value(path)) == value
    assert asked(body, lambda response: (response.json(), response.value(path))[1]) == value


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
        ({"x": 1}, "meta.next", "has no 'meta.next': its keys are x"),
        ([1], "meta", "it starts [1]"),
        ({f"k{n}": n for n in range(99)}, "k", "k38, k39, …; if"),
        (
            {"ok": False, "error": "missing_scope", "needed": "users:read"},
            "members",
            "missing_scope",
        ),
        (
            {"errors": [{"message": "throttled"}], "data": {"x": "y" * 300}},
            "data.items",
            "throttled",
        ),
    ],
)
@pytest.mark.parametrize("look", ["value", "rows"])
def test_a_missing_path_shows_what_is_there_and_what_to_write(
    body: Any, path: str, text: str, look: str
) -> None:
    message = refused(body, lambda response: getattr(response, look)(path))
    assert f"the response to GET https://api.example.com/thing has no {path!r}: " in message
    assert text in message and codec.encode(body)[:200].decode() in message
    assert f"write default={'None' if look == 'value' else '[]'}" in message


@pytest.mark.parametrize("path", ["data.items", "data", "data.items.more", "dta"])
def test_a_list_that_a_graphql_response_lacks_is_an_error_with_its_errors(path: str) -> None:
    """Null beside errors is no empty page: the walk would end, and its records be missed."""
    body = {
        "data": {"items": None, "text": "x" * 300},
        "errors": [{"message": "field items: access denied"}],
    }
    message = refused(body, lambda response: response.rows(path))
    assert 'errors: [{"message":"field items: access denied"}]' in message


@pytest.mark.parametrize("errors", [None, [], {}, "", 0])
def test_errors_that_say_nothing_are_not_quoted(errors: Any) -> None:
    body = {"data": None, "text": "x" * 300, "errors": errors}
    assert asked(body, lambda response: response.rows("data")) == []
    assert "; errors" not in refused(body, lambda response: response.rows("x"))


def test_the_body_is_parsed_once_however_many_questions_are_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed: list[int] = []
    for name in ("parse", "members", "well_formed", "items"):
        decode = getattr(codec, name)
        monkeypatch.setattr(
            codec, name, lambda body, decode=decode: (parsed.append(len(body)), decode(body))[1]
        )
    body = json.dumps({"data": [{"id": 1}] * 100, "meta": {"a": 1, "b": 2}, "next": "x"}).encode()
    questions = {
        lambda r: (r.rows("data"), r.rows("data"), r.value("next"), r.value("z", default=3)): 1,
        lambda r: (r.json()["next"], r.json()["meta"], r.value("next")): 1,
        lambda r: (len(r.rows("data")), len(r.rows("data"))): 2,  # their place, their number
    }
    for look, times in questions.items():
        parsed.clear()
        asked(body, look)
        assert len([size for size in parsed if size > 1000]) == times
    parsed.clear()
    assert asked(body, lambda r: (r.value("meta.a"), r.value("meta.b"))) == (1, 2)
    assert sorted(parsed)[-2:] == [len(b'{"a": 1, "b": 2}'), len(body)]
    parsed.clear()
    asked(b"[" + body + b"]", lambda r: (r.rows(default=[]), r.rows(default=[])))
    assert len(parsed) == 1


def test_a_step_that_changes_what_json_gave_still_finds_the_values_that_came() -> None:
    def look(response: Response) -> Any:
        response.json()["next"] = "changed"
        response.json()["meta"]["next"] = "changed"
        return response.value("next"), response.value("meta"), len(response.rows("data"))

    body = {"next": "a", "meta": {"next": "b"}, "data": [{}]}
    assert asked(body, look) == ("a", {"next": "b"}, 1)


# ---- texts


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'\xef\xbb\xbf{"id": "\xc3\xa9"}', "application/json"),
        (b'{"id": "\xc3\xa9"}', "application/json; charset=iso-8859-1"),
        (b'{"id": "\xc3\xa9"}', "application/json; charset=no-such"),
        ('{"id": "é"}'.encode("latin-1"), 'application/json; charset="ISO-8859-1"; x=y'),
        ('{"id": "é"}'.encode("utf-16"), "application/json; charset=utf-16"),
        ('{"id": "é"}'.encode("utf-16-le"), "application/json; charset=UTF-16LE"),
        ('{"id": "é"}'.encode("iso2022_jp_2"), "application/json; charset=iso-2022-jp-2"),
    ],
)
def test_a_body_is_read_in_utf8_or_in_the_declared_charset(body: bytes, kind: str) -> None:
    found = asked(
        body, lambda r: (r.value("id"), r.json()["id"], r.start(9)), **{"Content-Type": kind}
    )
    assert found == ("é", "é", '{"id": "é')


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
def test_a_body_that_is_not_text_is_refused_and_shows_where(kind: str) -> None:
    body = b'{"data": [{"id": "' + b"x" * 500 + b'\xff"}]}'
    for look in (lambda r: r.rows("data"), lambda r: r.json(), lambda r: r.value("data")):
        message = refused(body, look, **{"Content-Type": kind})
        assert "utf-8 text at byte 518: …x" in message.replace("UTF-8", "utf-8")
        assert 'xxx\ufffd"}]}' in message


# ---- bodies that cannot be read


LIST = ", ".join(json.dumps({"id": n, "name": f"record {n}"}) for n in range(1, 101))
LOOKS = [lambda r: r.rows("data"), lambda r: r.json(), lambda r: r.value("data")]


@pytest.mark.parametrize("look", LOOKS, ids=["rows", "json", "value"])
@pytest.mark.parametrize(
    ("body", "at", "texts"),
    [
        (
            f'{{"data": [{LIST}, {{"id": 101, "x": NaN}}]}}',
            lambda body: body.index("NaN"),
            [
                "not JSON (invalid character)",
                '"record 100"}, {"id": 101, "x": NaN}]}',
                ": …",
            ],
        ),
        (f'{{"data": [{LIST}', len, ["not JSON (cut off)", '"name": "record 100"}']),
        ('{"data": [1, 2', len, [': {"data": [1, 2']),
        ("<html>Sign in</html>", lambda body: 0, [": <html>Sign in</html>", "application/json"]),
        ('{"data": []} {"data": []}', lambda body: 14, ["trailing", '{"data": []} {"data": []}']),
    ],
    ids=["NaN", "cut off", "short", "html", "two"],
)
def test_broken_json_is_quoted_around_the_place_where_it_breaks(
    look: Any, body: str, at: Any, texts: list[str]
) -> None:
    message = refused(body.encode(), look)
    assert message.startswith(
        "GET https://api.example.com/thing answered 200 with application/json"
    )
    for text in [f"at byte {at(body)}: ", *texts]:
        assert text in message
    assert len(message) < 400


@pytest.mark.parametrize("look", LOOKS, ids=["rows", "json", "value"])
def test_a_body_that_is_nested_too_deeply_is_an_error(look: Any) -> None:
    body = b'{"data": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    assert "nested more deeply than can be read: {" in refused(body, look)


def test_an_empty_body_is_not_json() -> None:
    assert refused(b"", lambda response: response.json()).endswith("an empty body")


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 200), st.booleans())
def test_a_secret_beside_or_across_the_edge_of_a_quote_is_never_shown_in_part(
    before: int, between: int, after: int, broken: bool
) -> None:
    """Redacted first, then cut, at both ends."""
    texts = ("x" * before + SECRET + "y" * between, "z" * after + SECRET)
    body = f'{{"a": "{texts[0]}", "b": {"NaN" if broken else 1}, "c": "{texts[1]}"}}'
    sent = requests.Request("GET", "https://api.example.com/thing").prepare()
    reply = requests.Response()
    reply.status_code = 200
    response = Response.of(reply, body.encode(), sent, Redactor([SECRET]))
    with pytest.raises(UpstreamError) as caught:
        response.rows("missing")
    shown = f"{caught.value} {response.start(100)}"
    for length in range(4, len(SECRET) + 1):
        assert SECRET[:length] not in shown and SECRET[-length:] not in shown


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
