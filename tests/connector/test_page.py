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
from connector.sync.page import EncodedPage, encode_page
from connector.testing import HeldClock

from .scripted import START, iso, source

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


@pytest.mark.parametrize("make", [list, raw])
def test_deleted_records_win_over_rows_of_their_table_and_page(make: Any) -> None:
    rows, parts = [{"id": 1}, {"id": "2"}, {"id": 3}], [{"id": 1}, {"id": 3}]
    things, others = [{"id": 2.0}, {"id": "1"}], [{"id": 3}]
    deleted = {"thing": make(things), "part": make(others)}
    page = encode(Page(make(rows), deleted=deleted, tables={"part": make(parts)}))
    assert [(batch.table, batch.delete, json.loads(batch.data)) for batch in page.batches] == [
        ("thing", True, things),
        ("part", True, others),
        ("thing", False, [{"id": 3}]),
        ("part", False, [{"id": 1}]),
    ]
    assert (page.rows, page.count) == (3, 8)
    assert page.size == sum(len(batch.data) - 2 for batch in page.batches)
    assert all(len(batch.keys) == batch.count for batch in page.batches)


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
def test_pages_are_the_same_by_keys_and_cursors(
    one: Any, other: Any, options: Any, same: bool
) -> None:
    """A server time or a signed URL in a record changes each time."""
    found = [encode(Page(**page), cursor="at", **options).identity for page in (one, other)]
    assert all(found) and (found[0] == found[1]) == same


# ---- tokens and positions


@pytest.mark.parametrize(
    ("token", "stored"),
    [
        *((None, None), ("", None), (False, None), (0, 0), (True, True), ("0", "0")),
        ({"a": [["b", 2], None, 1.5]}, {"a": [["b", 2], None, Decimal("1.5")]}),
        (10**5000, Decimal(10**5000)),
        ("a\ud83d", "a\ufffd"),
        ((1, 2), [1, 2]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_next_token_is_any_json_value(token: Any, stored: Any) -> None:
    page = encode(Page([], token))
    assert page.next_token == stored and type(page.next_token) is type(stored)
    assert encode(Page(cursor=token)).position == ([token] if stored is None else [stored])
    assert page.position is None and page.identity == ""


LOOP: dict[str, Any] = {"id": 1}
LOOP["x"] = LOOP


@pytest.mark.parametrize(
    ("page", "options", "text"),
    [
        # As null it would end the walk, or start it over.
        (Page([], float("nan")), {}, "next_token is not a JSON value: .*is not JSON"),
        (Page([], [1, Decimal("inf")]), {}, "next_token is not a JSON value: .*is not JSON"),
        (Page(cursor={"a": float("nan")}), {}, r"Page\(cursor=\) is not a JSON value: .*is not J"),
        (Page([], LOOP), {}, "next_token is nested too deeply"),
        (Page([{"id": 0}, LOOP]), {}, "record 1: .*nested too deeply, or holds itself"),
        (Page(cursor=1), {"cursor": "at"}, "entity's cursor"),
        (Page(cursor=1), {"soft_delete": True}, "soft_delete"),
    ],
)
def test_what_is_no_token_or_position_is_an_error(page: Page, options: Any, text: str) -> None:
    with pytest.raises(StepError, match=text):
        encode(page, **options)


def test_a_record_is_not_asked_for_members_that_it_would_make() -> None:
    rows = [defaultdict(lambda: iso(1), id=1)]
    page = encode(Page(rows), cursor="at")
    assert page.entity_batch.data == b'[{"id":1}]' and not page.cursors.present
    with pytest.raises(StepError, match="the primary key 'at'"):
        encode(Page(rows), primary_key=["at"])
