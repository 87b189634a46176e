"""Records on their way: left as the upstream's bytes, or changed by the step."""

import json
import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from connector import Fetch, Page, Response
from connector.sync.handler import handle

from .play import Player, encoded
from .scripted import SECRETS, Upstream, one, source
from .test_response import HUGE, asked

RECORD = (
    b'{ "id" : 1,\t"big":123456789012345678901234567890, "small": 0.1000000000000000055511151231,\n'
    b'"huge": 1e400, "minus": -0.0, "exact": 12345678901234567.10, "exp": 1E+2, "twice": 1,'
    b'"twice": 2, "text": "caf\\u00e9 \xc3\xa9 \\/ \\ud83d\\ude00", "nested": [ {"x":[ ]} ] }'
)


def delivered(body: bytes, look: Callable[[Response], Any], **options: Any) -> bytes:
    """The reply of a call whose only page holds what a step makes of this body."""
    made = source()

    @made.entity("thing", **{"primary_key": ["id"], **options})
    def thing(fetch: Fetch) -> Page:
        return Page(look(fetch.get("/thing")))

    request = encoded({"state": {}, "secrets": SECRETS})
    return handle(made, request, Upstream(lambda asked: body))[1]


@pytest.mark.parametrize("path", ["", "result.items", "a.b"])
def test_rows_are_the_upstreams_bytes_until_somebody_looks(path: str) -> None:
    body = {
        "": b"\n[" + RECORD + b"] ",
        "result.items": b'{"result": {"n": 1, "items": [' + RECORD + b"]}}",
        "a.b": b'{"a": {"b": []}, "a.b": [' + RECORD + b"]}",
    }[path]

    def look(response: Response) -> Any:
        rows = response.rows(path)
        assert (len(rows), bool(rows), repr(rows)) == (1, True, "<Rows: 1>")
        return rows

    rows = asked(body, look)
    assert bytes(rows.untouched) == b"[" + RECORD + b"]"
    assert rows[0]["big"] == HUGE and rows.untouched is None


WHOLE = [{"id": 1, "n": HUGE}, {"id": 2}]


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: operator.add(rows, [{"id": 9}]),
        lambda rows: operator.add([{"id": 9}], rows),
        lambda rows: rows.sort(key=lambda row: -row["id"]) or rows,
        lambda rows: rows[1:],
        lambda rows: rows.insert(0, {"id": 0}) or rows,
        lambda rows: rows.append({"id": 3}) or rows.extend([{"id": 4}]) or rows,
        lambda rows: operator.delitem(rows, 0) or rows,
        lambda rows: operator.setitem(rows, 0, {"id": 5}) or rows,
        lambda rows: rows[0].update(x="changed") or rows,
        lambda rows: [row.pop("n", None) for row in rows],
        lambda rows: rows.pop() in rows,
        lambda rows: rows == [*WHOLE] and rows != WHOLE[:1] and rows != 7,
    ],
)
def test_rows_behave_as_the_list_they_are(change: Any) -> None:
    body = json.dumps({"data": WHOLE}).encode()
    found = asked(body, lambda response: change(response.rows("data")))
    assert found == change(json.loads(json.dumps(WHOLE)))


WIDE = b'{"data": [{"id": 1, "huge": 1e400, "f": 1.5, "n": %d, "long": %s}]}' % (HUGE, b"9" * 5000)


@pytest.mark.parametrize(
    "look",
    [lambda r: r.rows("data")[-1], lambda r: r.json()["data"][0], lambda r: r.value("data")[0]],
)
def test_a_number_that_no_float_or_int_can_hold_is_read_exactly(look: Any) -> None:
    row = asked(WIDE, look)
    assert row["huge"] == Decimal("1e400") and row["long"] == Decimal("9" * 5000)
    assert (row["f"], type(row["f"]), row["n"]) == (1.5, float, HUGE)
    reply = delivered(WIDE, lambda r: look(r) and r.rows("data"))
    (row,) = json.loads(reply, parse_int=Decimal, parse_float=Decimal)["insert"]["thing"]
    assert (row["huge"], row["long"]) == (Decimal("1e400"), Decimal("9" * 5000))


def test_records_that_nobody_reads_arrive_byte_for_byte_over_several_pages() -> None:
    rows = {None: (b"1", b'"b"'), "b": (b"2", b"null")}

    def answers(asked: Any) -> bytes:
        key, token = rows[asked.params.get("token")]
        record = RECORD.replace(b"1,\t", key + b",\t")
        return b'{"data": [' + record + b'], "next": ' + token + b"}"

    request = encoded({"state": {}, "secrets": SECRETS})
    _, body = handle(one(cursor=None), request, Upstream(answers))
    assert b'{"thing":[' + RECORD + b"," + RECORD.replace(b"1,\t", b"2,\t") + b"]}" in body


BODY = b'{"data": [{"id": 1, "n": 123456789012345678901234567890, "x": "a"}, {"id": 2, "x": "b"}]}'


@pytest.mark.parametrize(
    "look",
    [
        lambda r: [{**row, "x": 1} for row in r.json()["data"]],
        lambda r: ({**row, "x": 1} for row in r.rows("data")),
        lambda r: [{**row, "x": 1} for row in r.rows("data")[:]],
        lambda r: {row["id"]: {**row, "x": 1} for row in r.value("data")}.values(),
        lambda r: [row.update(x=1) for row in r.rows("data")] and r.rows("data"),
    ],
)
def test_what_a_step_changed_is_delivered_as_changed(look: Any) -> None:
    """Any iterable of records will do, and integers stay exact."""
    reply = json.loads(delivered(BODY, look))
    assert reply["insert"]["thing"] == [{"id": 1, "n": HUGE, "x": 1}, {"id": 2, "x": 1}]


@pytest.mark.parametrize("half", [rb"x\ud83d\u0041", rb"\ude00\ud83d", rb"\uD83D\uD83D\uDE00"])
def test_half_an_emoji_stops_no_sync(half: bytes) -> None:
    """Wherever it stands: unread, in a key, in a cursor, in a token."""
    bodies = {
        None: b'{"note": "%b", "data": [{"id": "%b", "at": "%b", "x": "%b"}], "next": "a%b"}',
        "last": b'{"note": "%b", "data": [{"id": 1, "at": "%b", "x": "%b"}], "next%b%b": null}',
    }
    upstream = Upstream(
        lambda asked: bodies["last" if "token" in asked.params else None] % ((half,) * 5)
    )
    player = Player(one(cursor_type="text"), upstream)
    sync = player.sync()
    assert sync.error == "" and "\ufffd" in sync.ids()[0] and "\ufffd" in player.state["thing"]
    assert "\ufffd" in str(upstream.each("token")[1])


def test_a_slice_and_a_sum_are_lists() -> None:
    """So that a step can compare them, send them and write them as JSON."""
    records, more = [{"id": n} for n in range(3)], [{"id": 9}]
    read = asked(records, lambda response: response.rows())
    found = read[:2], operator.add(read, more), operator.add(more, read)
    assert found == (records[:2], [*records, *more], [*more, *records])
    assert {type(each) for each in found} == {list}
