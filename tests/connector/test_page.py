"""A step's page on its way into a reply: bytes as they came, keys, cursors, identity, limits."""

import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from connector import Page, RetryLater, UpstreamError, codec
from connector.budget import Budget
from connector.cursors import MISSING
from connector.errors import ConnectorError, DeadlineExceeded, StepError
from connector.response import Rows
from connector.sync import page as pages
from connector.sync.handler import handle
from connector.sync.page import EncodedPage, encode_page
from connector.testing import HeldClock
from hypothesis import given
from hypothesis import strategies as st

from .play import Player, encoded
from .scripted import SECRETS, START, iso, script, source

HUGE = 123456789012345678901234567890


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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)
KEY = st.integers() | st.text() | st.booleans() | st.decimals(allow_nan=False, allow_infinity=False)
OTHERS = {"at": JSON, "a.b": JSON, "a": JSON | st.dictionaries(st.sampled_from("bc"), JSON)}
RECORDS = st.lists(st.fixed_dictionaries({"id": KEY, "@k": KEY}, optional=OTHERS), max_size=6)


@given(RECORDS, st.sampled_from(["at", "a.b", "a.b.c", "id"]), st.integers(1, 4))
def test_keys_and_cursors_are_those_of_the_records_untouched_or_not(
    records: list[dict[str, Any]], cursor: str, chunk: int
) -> None:
    """And a page reads the same whether its records are bytes or dicts, in whatever pieces."""
    asked: list[Any] = []
    data = codec.encode(records)
    decoded = codec.decode_exact(data)
    for rows in (raw(data), records, iter(records), Rows(records)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pages, "_CHUNK", chunk)
            patch.setattr(pages, "PageCursors", lambda _, values: asked.append(values))
            page = encode(Page(rows), primary_key=["@k", "id"], cursor=cursor, cursor_type="text")
        assert page.rows == page.count == len(records)
        assert page.entity_batch.keys == [(record["@k"], record["id"]) for record in decoded]
        assert codec.decode_exact(page.entity_batch.data) == decoded
        assert asked[-2] == [at(record, cursor) for record in decoded] and asked[-1] == []
        assert list(map(type, asked[-2])) == [type(at(record, cursor)) for record in decoded]
    assert raw(data).untouched is not None and page.entity_batch.data == data


def at(record: Any, path: str) -> Any:
    """The value at a dotted path: the rest as one key first, else its first name."""
    name, _, below = path.partition(".")
    if not isinstance(record, dict):
        return MISSING
    if path in record:
        return record[path]
    return at(record[name], below) if below and name in record else MISSING


# ---- what is not a page


@pytest.mark.parametrize(
    ("rows", "text", "record"),
    [
        ([{"id": n} for n in range(2500)] + [{"id": None}], "the primary key 'id'", 2500),
        ([{"id": n} for n in range(2500)] + [{"id": 1, "x": {1}}], "field x: a value of", 2500),
        ([{"id": n} for n in range(2500)] + ["x"], "not a JSON object but str", 2500),
        ([{"id": 1}, {"id": [1]}], "is not a single value", 1),
        ([{"id": float("nan")}], "is missing", 0),
        ([{"\ufeffid": 1, "name": "a"}], r"this one has '\ufeffid', name", 0),
        (raw([{"id": 1}, {"\ufeffid": 1}]), r"this one has '\ufeffid'", 1),
        (raw(b'[{"id": 1}, [2]]'), "not a JSON object but list", 1),
        (raw(b'[{"id": 1}, {"id": {"x": 1}}]'), "is not a single value", 1),
        (None, "are of type NoneType", None),
        (b"abc", "are of type bytes", None),
    ],
)
def test_a_record_that_cannot_be_delivered_is_named(rows: Any, text: str, record: Any) -> None:
    with pytest.raises(StepError) as caught:
        encode(Page(rows))
    assert text in str(caught.value) and caught.value.record == record


def test_a_record_that_holds_itself_is_named() -> None:
    loop: dict[str, Any] = {"id": 1}
    loop["x"] = loop
    with pytest.raises(StepError, match="nested too deeply, or holds itself") as caught:
        encode(Page([{"id": 0}, loop]))
    assert caught.value.record == 1
    with pytest.raises(StepError, match="next_token is nested too deeply"):
        encode(Page([], loop))


def failing(error: BaseException) -> Iterator[dict[str, Any]]:
    """Records that end in an error."""
    yield from ({"id": n} for n in range(1500))
    raise error


@pytest.mark.parametrize("kind", [LookupError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_a_generator_raises_is_the_steps_error(kind: type[BaseException]) -> None:
    """It runs when the step has returned: without its place the fault would look like ours."""
    with pytest.raises(StepError) as caught:
        encode(Page(failing(kind("no line"))))
    assert caught.value.record == 1500 and isinstance(caught.value.__cause__, kind)
    assert f"could not be read to the end: {kind.__name__}: " in caught.value.why


@pytest.mark.parametrize("error", [UpstreamError("expired", status=410), RetryLater(5)], ids=repr)
def test_a_generator_may_ask_the_upstream_and_its_answers_count(error: ConnectorError) -> None:
    with pytest.raises(type(error)) as caught:
        encode(Page(failing(error)))
    assert caught.value is error


def test_a_generator_is_not_read_beyond_the_time_of_a_call(clock: HeldClock) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        for n in count():
            clock.advance(0.01)
            yield {"id": n}

    with pytest.raises(DeadlineExceeded, match="a page of thing"):
        encode(Page(rows()), Budget(60))
    assert clock.slept == [] and clock.now() < START + 80
    assert encode(Page([{"id": n} for n in range(5000)]), Budget(0)).rows == 5000


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("workers", [1, 2])
def test_one_entity_that_misbehaves_fails_alone(workers: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(pages, "_LARGEST", 2**20)
    made = source(workers=workers)
    wrong = {
        "endless": lambda: Page({"id": n} for n in count()),
        "exits": lambda: Page(failing(SystemExit(3))),
        "interrupts": lambda: Page(failing(KeyboardInterrupt())),
        "not_a_number": lambda: Page([{"id": 1}], float("nan")),
    }
    for name, make in wrong.items():
        made.entity(name, primary_key=["id"])(lambda fetch, make=make: make())
    made.entity("empty")(lambda fetch: Page({} for _ in count()))
    huge = raw(b'[{"id": 1e1000000, "x": 1}, {"id": 2}]')
    made.entity("huge", primary_key=["id"])(lambda fetch: Page(huge, deleted=raw(b'[{"id": 7}]')))
    made.entity("good", primary_key=["id"])(lambda fetch: Page([{"id": 1}]))
    request = encoded({"state": {}, "secrets": SECRETS})
    _, body = handle(made, request, script({}))
    assert b'"good":[{"id":1}]' in body and b'{"id": 1e1000000, "x": 1}' in body
    sync = Player(made, script({})).sync()
    for name in (*wrong, "empty"):
        assert f"entity {name}, page 1" in sync.error
    assert "more than 1 MiB: does their generator end" in sync.error
    assert "entity huge" not in sync.error and sync.ids("good") == [1]


# ---- keys


@pytest.mark.parametrize(
    ("text", "same", "others"),
    [
        ("1", ["1.0", "1.000", '"1"', "1e0", "10E-1", "0.1e1"], ["true", '"1.0"', "-1"]),
        ("0", ["-0", "0.0", "-0.0", "0e5", '"0"'], ["7"]),
        ("true", ['"true"'], ["1"]),
        ('"a"', ['"\\u0061"'], ['"A"']),
        ("1.5", ["15e-1", '"1.5"', "1.50"], ["1.6"]),
        ("1" + "0" * 395, ["1e395", "1.0e395"], ["1e396"]),
        ("1" + "0" * 1000, ["1e1000", "0.1e1001", "1" + "0" * 1000 + ".0"], ["2" + "0" * 1000]),
        ("9" * 5000, ["9" * 5000 + ".0"], ["9" * 5001]),
        ("1e1000000", ["10e999999", "1E+1000000"], ["1e1000001"]),
        ("-1e-1000000", ["-10e-1000001"], ["1e-1000000"]),
        ("123456789012345678901234567890.1", ["123456789012345678901234567890.10"], []),
        ("123456789012345678901234567890123", [], ["123456789012345678901234567890124"]),
        ("0.1000000000000000000000000000001", [], ["0.1000000000000000000000000000002"]),
        ("1e9999999999999999999", ["2e9999999999999999999"], []),  # no Decimal can hold them
    ],
    ids=lambda value: str(value)[:12] if isinstance(value, str) else "",
)
def test_a_key_is_the_same_however_it_is_written(
    text: str, same: list[str], others: list[str]
) -> None:
    """A column that holds 1 and "1" becomes text at the destination; they are one key there."""

    def canonical(text: str) -> str:
        data = Page(raw(b'[{"id": 0}, {"id": %b}]' % text.encode()))
        found: str = encode(data).entity_batch.canonical()[1][0]
        return found

    assert {canonical(other) for other in same} <= {canonical(text)}
    assert canonical(text) not in {canonical(other) for other in others}
    assert len(canonical(text)) < 6000


def test_keys_stay_exact_beside_one_that_python_cannot_hold() -> None:
    page = encode(Page(raw(b'[{"id": 1e9999999999999999999}, {"id": 0.10}, {"id": "\\u0061"}]')))
    assert page.entity_batch.keys[1:] == [(Decimal("0.10"),), ("a",)]
    page = encode(Page([{"id": "a\ud83d", "x": Decimal("NaN")}, {"id": 1}]))
    assert page.entity_batch.keys == [("a\ufffd",), (1,)]


def test_deleted_records_win_over_rows_of_their_table_and_page() -> None:
    rows, parts = [{"id": 1}, {"id": "2"}, {"id": 3}], [{"id": 1}, {"id": 3}]
    deleted = {"thing": [{"id": 2.0}, {"id": "1"}], "part": [{"id": 3}]}
    for make in (list, raw):
        page = encode(
            Page(
                make(rows),
                deleted={name: make(each) for name, each in deleted.items()},
                tables={"part": make(parts)},
            )
        )
        assert [(batch.table, batch.delete, json.loads(batch.data)) for batch in page.batches] == [
            ("thing", True, deleted["thing"]),
            ("part", True, deleted["part"]),
            ("thing", False, [{"id": 3}]),
            ("part", False, [{"id": 1}]),
        ]
        assert (page.rows, page.count, page.size) == (
            3,
            8,
            sum(len(b.data) - 2 for b in page.batches),
        )
        assert all(len(batch.keys) == batch.count for batch in page.batches)


def test_deleted_records_with_a_cursor_count_and_those_without_do_not() -> None:
    rows, deleted = [{"id": 1, "at": iso(1)}], [{"id": 2, "at": iso(2)}, {"id": 3}]
    page = encode(
        Page(rows, deleted={"part": deleted, "thing": raw([{"id": 4, "at": iso(4)}])}), cursor="at"
    )
    assert [point.value for point in page.cursors.points if point] == [iso(1)]
    assert [point.value for point in page.deleted_cursors.points if point] == [iso(2), iso(4)]


def test_records_that_came_before_can_be_left_out() -> None:
    for rows in ([{"n": 1}, {"n": 2}, {"n": 3}], raw([{"n": 1}, {"n": 2}, {"n": 3}])):
        page = encode(Page(rows, tables={"part": [{"id": 1}]}), primary_key=[])
        assert len(set(page.digests)) == 3 and page.entity_batch.keys == []
        page.select([0, 2])
        assert [(batch.table, batch.data, batch.count) for batch in page.batches] == [
            ("thing", b'[{"n":1},{"n":3}]', 2),
            ("part", b'[{"id":1}]', 1),
        ]
        page.select([])
        assert [batch.table for batch in page.batches] == ["part"]
    assert encode(Page([{"id": 1}])).digests == []


# ---- identity


THING = {"id": 1, "at": iso(1), "url": "https://x/?sig=1"}


@pytest.mark.parametrize(
    ("one", "other", "options", "same"),
    [
        ({"rows": [THING]}, {"rows": [{**THING, "url": "https://x/?sig=2"}]}, {}, True),
        ({"rows": [THING]}, {"rows": raw([THING])}, {}, True),
        ({"rows": [THING]}, {"rows": [{**THING, "id": 2}]}, {}, False),
        ({"rows": [THING]}, {"rows": [{**THING, "at": iso(2)}]}, {}, False),
        ({"rows": [THING]}, {"rows": [THING, THING]}, {}, False),
        ({"rows": [THING]}, {"deleted": [THING]}, {}, False),
        ({"rows": [THING]}, {"tables": {"part": [THING]}}, {}, False),
        ({"rows": [{"id": 1}]}, {"rows": [{"id": 1, "at": None}]}, {}, False),
        ({"rows": [THING], "next_token": 1}, {"rows": [THING], "next_token": 2}, {}, True),
        ({"rows": [{"n": 1}]}, {"rows": [{"n": 2}]}, {"primary_key": []}, False),
        ({"rows": [{"n": 1}]}, {"rows": raw(b'[{"n":1}]')}, {"primary_key": []}, True),
        ({"rows": raw(b'[{"id":%b}]' % (b"9" * 5000))}, {"rows": [{"id": 1}]}, {}, False),
    ],
)
def test_pages_are_the_same_by_keys_and_cursors_or_by_their_bytes(
    one: Any, other: Any, options: Any, same: bool
) -> None:
    """A server time or a signed URL in a record changes each time."""
    found = [encode(Page(**page), cursor="at", **options).identity for page in (one, other)]
    assert all(found) and (found[0] == found[1]) == same


def test_a_page_without_records_has_no_identity() -> None:
    assert encode(Page([], "next", deleted=[], tables={"part": raw([])})).identity == ""


# ---- tokens and positions


@pytest.mark.parametrize(
    ("token", "stored"),
    [
        (None, None),
        ("", None),
        (False, None),
        (0, 0),
        (True, True),
        ("0", "0"),
        ([["a", 2], None], [["a", 2], None]),
        ({"a": {"skip": 1.5}}, {"a": {"skip": Decimal("1.5")}}),
        (Decimal("1e400"), Decimal("1e400")),
        (10**5000, Decimal(10**5000)),
        ("a\ud83d", "a\ufffd"),
        ((1, 2), [1, 2]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_next_token_is_any_json_value(token: Any, stored: Any) -> None:
    page = encode(Page([], token))
    assert page.next_token == stored and type(page.next_token) is type(stored)
    if stored is not None:
        assert encode(Page([], cursor=token)).position == [stored]


@pytest.mark.parametrize(
    "token", [float("nan"), Decimal("NaN"), [1, float("inf")], {"a": float("nan")}]
)
def test_a_token_or_position_that_is_not_a_number_is_an_error(token: Any) -> None:
    """As null it would end the walk, or start it over."""
    for page, name in ((Page([], token), "next_token"), (Page(cursor=token), r"Page\(cursor=\)")):
        with pytest.raises(StepError, match=f"{name} is not a JSON value: .*is not JSON"):
            encode(page)


@pytest.mark.parametrize(
    ("options", "text"),
    [({"cursor": "at"}, "entity's cursor"), ({"soft_delete": True}, "soft_delete")],
)
def test_a_position_does_not_go_with_another_way_of_reading(options: Any, text: str) -> None:
    with pytest.raises(StepError, match=text):
        encode(Page(cursor=1), **options)


def test_a_page_of_a_position_none_has_one() -> None:
    assert encode(Page(cursor=None)).position == [None] and encode(Page()).position is None


def test_a_record_is_not_asked_for_members_that_it_would_make() -> None:
    rows = [defaultdict(lambda: iso(1), id=1)]
    page = encode(Page(rows), cursor="at")
    assert page.entity_batch.data == b'[{"id":1}]' and not page.cursors.present
    with pytest.raises(StepError, match="the primary key 'at'"):
        encode(Page(rows), primary_key=["at"])
