"""A step's page on its way into a reply: bytes as they came, keys, cursors, identity, limits."""

import json
import operator
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from connector import Fetch, Page, Response, RetryLater, UpstreamError, codec
from connector.budget import Budget
from connector.cursors import MISSING
from connector.errors import ConnectorError, DeadlineExceeded, StepError
from connector.response import Rows
from connector.sync import page as pages
from connector.sync.handler import handle
from connector.sync.page import EncodedPage, encode_page
from connector.testing import HeldClock

from .play import Player, encoded
from .scripted import SECRETS, START, Upstream, one, source
from .test_response import HUGE, asked


def encode(page: Page, budget: Budget | None = None, **options: Any) -> EncodedPage:
    """The encoded page of an entity `thing` with key `id` and the table `part`."""
    made = source()
    options = {"primary_key": ["id"], "tables": {"part": ["id"]}, **options}
    made.entity("thing", **options)(lambda fetch: page)
    return encode_page(made.entities["thing"], page, budget or Budget(100))


def raw(records: Any) -> Rows:
    """Records as `response.rows()` gives them."""
    return Rows(codec.well_formed(records if isinstance(records, bytes) else codec.encode(records)))


# ---- keys and cursors


@pytest.mark.parametrize(
    ("path", "value"),
    [("at", 2), ("a.b", 3), ("c.d", 5), ("c.d.e", MISSING), ("x", MISSING), ("n", None)],
)
@pytest.mark.parametrize("make", [list, iter, raw, lambda records: raw(codec.encode(records))])
def test_keys_and_cursors_are_those_of_the_records_untouched_or_not(
    monkeypatch: pytest.MonkeyPatch, make: Any, path: str, value: Any
) -> None:
    """And a page reads the same whether its records are bytes or dicts, in whatever pieces."""
    monkeypatch.setattr(pages, "_CHUNK", 2)
    read: list[Any] = []
    monkeypatch.setattr(pages, "PageCursors", lambda _, values: read.append(values))
    record = {"@k": "k", "at": 2, "a.b": 3, "a": {"b": 4}, "c": {"d": 5}, "n": None}
    records = [{"id": n, **record} for n in range(5)] + [{"id": 1.50, "@k": True}]
    page = encode(Page(make(records)), primary_key=["@k", "id"], cursor=path, cursor_type="text")
    assert page.rows == page.count == 6
    assert page.entity_batch.keys == [*(("k", n) for n in range(5)), (True, 1.5)]
    assert json.loads(page.entity_batch.data) == records
    assert read == [[value] * 5 + [MISSING], []] or read == [[], [value] * 5 + [MISSING]]


# ---- what is not a page


def failing(error: BaseException) -> Iterator[dict[str, Any]]:
    """Records that end in an error."""
    yield from ({"id": n} for n in range(1500))
    raise error


@pytest.mark.parametrize("error", [UpstreamError("expired", status=410), RetryLater(5)], ids=repr)
def test_a_generator_may_ask_the_upstream_and_its_answers_count(error: ConnectorError) -> None:
    with pytest.raises(type(error)) as caught:
        encode(Page(failing(error)))
    assert caught.value is error
    with pytest.raises(StepError) as fault:
        encode(Page(failing(LookupError("no line"))))
    assert fault.value.record == 1500, "else a fault of the step's would look like ours"
    assert "could not be read to the end: LookupError: " in fault.value.why


def test_a_generator_is_not_read_beyond_the_time_of_a_call(clock: HeldClock) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        for n in count():
            clock.advance(0.01)
            yield {"id": n}

    with pytest.raises(DeadlineExceeded, match="a page of thing"):
        encode(Page(rows()), Budget(60))
    assert clock.slept == [] and clock.now() < START + 80
    assert encode(Page([{"id": n} for n in range(5000)]), Budget(0)).rows == 5000


# ---- keys


@pytest.mark.parametrize(
    ("same", "others"),
    [
        (["1", "1.0", "1.000", '"1"', "1e0", "10E-1", "0.1e1"], ["true", '"1.0"', "-1"]),
        (["0", "-0", "0.0", "-0.0", "0e5", '"0"'], ["7"]),
        (["true", '"true"'], ["1"]),
        (['"a"', '"\\u0061"'], ['"A"']),
        (["1.5", "15e-1", '"1.5"', "1.50"], ["1.6"]),
        (["1" + "0" * 1000, "1e1000", "0.1e1001", "1" + "0" * 1000 + ".0"], ["2" + "0" * 1000]),
        (["9" * 5000, "9" * 5000 + ".0"], ["9" * 5001]),
        (["1e1000000", "10e999999", "1E+1000000"], ["1e1000001"]),
        (["-1e-1000000", "-10e-1000001"], ["1e-1000000"]),
        (["123456789012345678901234567890.1"], ["123456789012345678901234567890.2"]),
        (["1e9999999999999999999", "2e9999999999999999999"], []),  # no Decimal can hold them
    ],
    ids=lambda value: "",
)
def test_a_key_is_the_same_however_it_is_written(same: list[str], others: list[str]) -> None:
    """A column that holds 1 and "1" becomes text at the destination; they are one key there."""

    def canonical(text: str) -> str:
        data = Page(raw(b'[{"id": 0}, {"id": %b}]' % text.encode()))
        found: str = encode(data).entity_batch.canonical()[1][0]
        return found

    (key,) = {*map(canonical, same)}
    assert key not in map(canonical, others) and len(key) < 6000


def test_keys_stay_exact_beside_one_that_python_cannot_hold() -> None:
    page = encode(Page(raw(b'[{"id": 1e9999999999999999999}, {"id": 0.10}, {"id": "\\u0061"}]')))
    assert page.entity_batch.keys[1:] == [(Decimal("0.10"),), ("a",)]
    page = encode(Page([{"id": "a\ud83d", "x": Decimal("NaN")}, {"id": 1}]))
    assert page.entity_batch.keys == [("a\ufffd",), (1,)]
    huge = Page(raw(b'[{"id": 1e1000000}, {"id": 2}]'), deleted=raw(b'[{"id": 7}]'))
    assert encode(huge).count == 3


# ---- identity


# ---- tokens and positions


# ---- records on their way


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
