"""Records are made after the example, change while the upstream runs, and stand in each other."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest

from .conftest import LINES, Serve

EXAMPLE = {
    "id": 1,
    "updated_at": "2026-01-05T08:30:00Z",
    "lat": 36.3,
    "score": 90.39646779001665,
    "uuid": "0b8e6f2c-3c1d-4f5e-9a7b-1c2d3e4f5a6b",
    "mail": "zoe@example.com",
    "note": "paid in two parts",
    "settled": True,
    "booked_on": "2026-01-04",
    "tags": ["new", "größer"],
    "customer": {"name": "Zoë Müller", "code": "C-007"},
    "price": "12.50",
}


def test_records_have_the_example_s_columns_types_and_forms(serve: Serve) -> None:
    with serve(record=EXAMPLE) as client:
        rows = client.server.records("order")
        first = {**rows[0], "lat": float(rows[0]["lat"]), "score": float(rows[0]["score"])}
        assert {**first, "updated_at": EXAMPLE["updated_at"]} == EXAMPLE
        for row in client.rows():
            assert list(row) == list(EXAMPLE)
            for column, value in row.items():
                assert value is None or type(value) in (type(EXAMPLE[column]), Decimal)
            assert uuid.UUID(row["uuid"])
        for column in ("lat", "note", "settled", "booked_on", "score", "customer"):
            assert len({str(row[column]) for row in rows}) > 1
        assert any(row["note"] is None for row in rows)
        places = {-int(row["score"].as_tuple().exponent) for row in client.rows()}
        assert places == {14}, "numbers that a double cannot hold exactly, as in the example"


@pytest.mark.parametrize(
    "record",
    [{"a": 1, "b": "x"}, {"a": "k-009", "b": 7}, {"a": str(uuid.uuid4()), "b": 1}],
)
def test_composite_keys_are_unique_and_share_their_first_column(
    serve: Serve, record: dict[str, Any]
) -> None:
    record = {**record, "updated_at": "2026-01-05T08:30:00Z"}
    with serve(record=record, primary_key=["a", "b"]) as client:
        rows = client.rows()
        assert len({(row["a"], row["b"]) for row in rows}) == 250
        assert len({row["a"] for row in rows}) < 250


@pytest.mark.parametrize("first", [1, "2026-01-05T08:30:00Z"])
def test_a_cursor_in_the_primary_key_counts_up_and_is_never_updated(
    serve: Serve, first: Any
) -> None:
    with serve(record={"id": first, "note": "a b"}, cursor="id") as client:
        client.server.change(insert=3)
        before = client.rows()
        assert client.server.change(insert=2, update=5) == {"inserted": 2}
        rows = client.rows()
        assert rows[:-2] == before
        assert len({row["id"] for row in rows}) == 255


def test_a_change_reaches_one_server_alone_and_the_seed_chooses(serve: Serve) -> None:
    with serve() as one, one.sample.serve() as other:
        before = other.records("order")
        one.server.change(1, 9, 4, seed=3)
        assert other.records("order") == before
        other.change(1, 9, 4, seed=3)
        ids = [{row["id"]: row["note"] for row in s.records("order")} for s in (one.server, other)]
        assert ids[0] == ids[1]
        assert len(ids[0]) == 247
        with one.sample.fewer(10).serve() as few:
            assert few.records("order") == before[:10]
        assert one.sample.fewer(1000).spec.records == 250


def test_lines_stand_inside_their_orders(serve: Serve) -> None:
    with serve(lines=LINES) as client:
        made = [
            {"order_id": order["id"], **line} for order in client.rows() for line in order["lines"]
        ]
        expected = client.server.records("line")
        assert sorted(made, key=repr) == sorted(expected, key=repr)
        assert len({(row["order_id"], row["line"]) for row in expected}) == len(expected)
        assert {row["line"] for row in expected} == {1, 2, 3}
        assert {len(order["lines"]) for order in client.rows()} == {0, 1, 2, 3}
        assert client.sample.entities == ["order", "line"]
        assert not any("order_id" in line for order in client.rows() for line in order["lines"])


def test_lines_change_with_their_order_and_go_only_where_both_may(serve: Serve) -> None:
    with serve(lines=LINES, deleted="gone") as client:
        server = client.server
        before = server.records("line")
        server.change(update=200, seed=1)
        assert len(server.records("line")) == len(before)
        assert server.records("line") != before
        assert server.tells_deletions("order")
        assert not server.tells_deletions("line")
        assert not server.change(delete=3, entities=["order"])
        assert not server.change(delete=3, entities=["line"])
        assert server.change(delete=200, entities=["order", "line"]) == {"deleted": 200}
        ids = {row["id"] for row in server.records("order")}
        assert len(ids) == 50
        assert {row["order_id"] for row in server.records("line")} <= ids
