"""Records are made after the example: same keys, types and nesting, keys that differ."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

RECORD = {
    "id": 1,
    "updated_at": "2026-01-05T08:30:00Z",
    "amount": 1249.5,
    "count": 17,
    "big": 12345678901234567890123,
    "settled": True,
    "currency": "EUR",
    "note": "paid in parts",
    "email": "zoe@example.com",
    "code": "INV-0042",
    "share": "12.50",
    "uid": "5f0c2e1a-7d7b-4a51-9d5e-0a2b5f1c9e11",
    "booked": "2026-01-04",
    "tags": ["new", "größer als 100"],
    "customer": {"name": "Zoë Müller", "address": {"zip": "01067", "lines": [{"n": 1}]}},
}


def same_shape(made, example):
    """Whether a value is of the example's type, all the way down."""
    if isinstance(example, dict):
        return list(made) == list(example) and all(
            same_shape(made[key], example[key]) for key in example
        )
    if isinstance(example, list):
        return all(any(same_shape(item, kind) for kind in example) for item in made)
    return type(made) is (Decimal if isinstance(example, float) else type(example))


@pytest.fixture
def records(serve):
    with serve(record=RECORD, records=1000) as upstream:
        yield upstream.server.records("transaction")


def test_all_have_the_shape_of_the_example(records):
    for record in records:
        full = {**record, "note": record["note"] or ""}
        assert same_shape(full, RECORD)


def test_the_first_is_the_example_with_a_cursor_of_its_own(records):
    example = {**RECORD, "amount": Decimal("1249.5")}
    assert records[0] | {"updated_at": example["updated_at"]} == example


@pytest.mark.parametrize(
    "column",
    ["amount", "count", "big", "settled", "note", "email", "code", "share", "uid", "booked"],
)
def test_values_vary(records, column):
    assert len({record[column] for record in records}) > 1


def test_decimals_keep_their_places(records):
    assert {record["amount"].as_tuple().exponent for record in records} == {-1}
    assert {len(record["share"].partition(".")[2]) for record in records} == {2}


def test_numbers_in_texts_keep_their_width(records):
    assert {len(record["code"]) for record in records} == {8}
    assert {len(record["customer"]["address"]["zip"]) for record in records} == {5}


def test_words_stay_what_they_are(records):
    assert {record["currency"] for record in records} == {"EUR"}


def test_free_text_is_unicode_and_null_now_and_then(records):
    notes = [record["note"] for record in records]
    assert 20 < notes.count(None) < 200
    assert not all(note.isascii() for note in notes if note)


def test_nulls_are_where_the_file_says(serve):
    with serve(record=RECORD, records=200, nulls=["count", "customer"]) as upstream:
        records = upstream.server.records("transaction")
        null = {key for record in records for key, value in record.items() if value is None}
        assert null == {"count", "customer"}


def test_no_nulls_where_the_file_wants_none(serve):
    with serve(record=RECORD, records=200, nulls=[]) as upstream:
        assert all(None not in row.values() for row in upstream.server.records("transaction"))


def test_cursors_are_spread_over_the_past_year(records):
    now = datetime.now(UTC)
    moments = [datetime.fromisoformat(record["updated_at"]) for record in records]
    assert now - timedelta(days=366) < min(moments) < now - timedelta(days=330)
    assert now - timedelta(days=30) < max(moments) < now - timedelta(minutes=59)


def test_some_records_share_a_cursor(records):
    assert len({record["updated_at"] for record in records}) < len(records) - 30


def test_they_are_the_same_again(serve):
    made = []
    for _ in range(2):
        with serve(record=RECORD, records=300) as upstream:
            made.append(upstream.server.records("transaction"))
    kept = [one == two for one, two in zip(*made, strict=True)]
    assert kept.count(False) <= 1  # a year's day may have come for one in between


@pytest.mark.parametrize(
    ("example", "third"),
    [
        (1, 3),
        (-5, -3),
        (10**24, 10**24 + 2),
        ("tx_0001", "tx_0003"),
        ("tx", "tx-000002"),
        ("99", "101"),
        ("5f0c2e1a-7d7b-4a51-9d5e-0a2b5f1c9e11", "5f0c2e1a-7d7b-4a51-9d5e-0a2b5f1c9e13"),
    ],
)
def test_a_primary_key_counts_on_from_the_example(serve, example, third):
    with serve(record={**RECORD, "id": example}, records=500) as upstream:
        ids = [row["id"] for row in upstream.server.records("transaction")]
        assert (ids[0], ids[2], len(set(ids))) == (example, third, 500)


def test_a_composite_key_is_unique_and_grows(serve):
    record = {"region": "EU-01", "order": 7, "line": 1, "updated_at": "2026-01-05"}
    with serve(record=record, primary_key=["region", "order", "line"]) as upstream:
        rows = upstream.server.records("transaction")
        keys = [(row["region"], row["order"], row["line"]) for row in rows]
        assert keys[:4] == [("EU-01", 7, 1), ("EU-01", 7, 2), ("EU-01", 7, 3), ("EU-01", 8, 1)]
        assert keys == sorted(set(keys))


def test_a_cursor_may_be_nested(serve):
    record = {"id": 1, "meta": {"changed": {"at": "2026-01-05T08:30:00Z"}, "by": "a b"}}
    with serve(record=record, cursor="meta.changed.at", deleted="gone") as upstream:
        moments = [row["meta"]["changed"]["at"] for row in upstream.rows()]
        assert moments == sorted(moments)
        upstream.server.change(delete=1)
        (gone,) = [row for page in upstream.pages() for row in page.json()["gone"]]
        assert list(gone["meta"]) == ["changed"]


def test_decimals_and_big_numbers_go_out_as_they_are(serve, tmp_path):
    with serve(record={**RECORD, "amount": 19.5}, records=1) as upstream:
        text = upstream.get().text
        assert '"amount":19.5,' in text
        assert '"big":12345678901234567890123,' in text
