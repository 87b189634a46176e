"""Whatever replies and kills come, in whatever order: the tables are those of a plain model."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from harness.errors import ProtocolBroken
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from .test_types import expected, text

KEYS = {"item": ("id",), "pair": ("region", "id"), "log": ()}
NUMBERS = count()
SCHEMA = {name: {"primary_key": list(key)} for name, key in KEYS.items() if key}
KEY = st.sampled_from(
    [1, 2, 3, 2**70, "1", "2", "", Decimal("1.0"), Decimal("2.50"), True, "é\0", "\ud800"]
)
VALUE = st.sampled_from(
    [
        None, True, False, 0, 1, -1, 70_000, 2**40, 2**70, 10**50,
        Decimal("12.50"), Decimal("0.1234567890123456789"), Decimal("1E+300"), Decimal("1E+400"),
        "", "x", "1", "true", "2026-01-05", "2026-01-05T08:30:00", "2026-01-05T08:30:00Z",
        "2026-01-05T10:30:00.5+02:00", "2026-01-05T08:30:00.123456789Z", "\ud800", "a\0b",
        {}, {"a": [Decimal("1.10")]}, [], [{"é": None}],
    ]
)  # fmt: skip


def record(key: tuple[str, ...], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        dict.fromkeys(key, KEY), optional=dict.fromkeys(("a", "b", "c"), values)
    )


def parts(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Some of the parts of a reply."""
    rows = {name: st.lists(record(key, values), max_size=4) for name, key in KEYS.items()}
    deleted = {name: rows[name] for name, key in KEYS.items() if key}
    optional = {
        "insert": st.fixed_dictionaries({}, optional=rows),
        "delete": st.fixed_dictionaries({}, optional=deleted),
        "softDelete": st.lists(st.sampled_from(sorted(KEYS)), max_size=1),
    }
    return st.fixed_dictionaries({}, optional=optional)


# Values of one kind widen step by step; values of any kind soon make strings.
REPLY = st.one_of(
    *(parts(values) for values in (VALUE, st.integers(), st.decimals(-1000, 1000, places=2)))
)
STEP = st.one_of(
    st.tuples(st.sampled_from(["reply", "reply", "broken reply", "killed after commit"]), REPLY),
    st.tuples(st.sampled_from(["begin resync", "finish resync"]), st.just({})),
)


@dataclass
class Row:
    values: dict[str, Any]
    deleted: bool = False
    seen: bool = True


@dataclass
class Table:
    rows: list[Row] = field(default_factory=list)
    came: list[dict[str, Any]] = field(default_factory=list)  # every record of insert
    deletable: bool = False


class Model:
    """Fivetran's rules on plain lists."""

    def __init__(self) -> None:
        self.tables = {name: Table() for name in KEYS}

    def apply(self, reply: dict[str, Any]) -> None:
        marks = reply.get("softDelete", [])
        for name in marks:
            self.mark(name, self.tables[name].rows)
            self.tables[name].deletable = True
        for name, records in reply.get("delete", {}).items():
            if name not in marks:
                known = self.tables[name].came + records
                keys = [self.key(name, record, known) for record in records]
                rows = self.tables[name].rows
                self.mark(name, [row for row in rows if self.key(name, row.values, known) in keys])
                self.tables[name].deletable = True
        for name, records in reply.get("insert", {}).items():
            table = self.tables[name]
            table.came += records
            for record in records:
                key = self.key(name, record, table.came)
                table.rows = [
                    row
                    for row in table.rows
                    if not KEYS[name] or self.key(name, row.values, table.came) != key
                ]
                table.rows.append(Row(record))

    def begin_resync(self) -> None:
        for table in self.tables.values():
            for row in table.rows:
                row.seen = False

    def finish_resync(self) -> None:
        for name, table in self.tables.items():
            self.mark(name, [row for row in table.rows if not row.seen])

    def mark(self, name: str, rows: list[Row]) -> None:
        for row in rows:
            self.tables[name].deletable |= not row.deleted
            row.deleted = True

    @staticmethod
    def key(name: str, record: dict[str, Any], known: list[dict[str, Any]]) -> tuple[Any, ...]:
        """A record's key: numbers where the column has had numbers alone, else texts."""
        found = []
        for column in KEYS[name]:
            kinds = {type(other[column]) for other in known}
            value = record[column]
            found.append(Decimal(value) if kinds <= {int, Decimal} else text(value))
        return tuple(found)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEP, min_size=1, max_size=8))
def test_the_tables_are_those_of_the_model(desk: Any, steps: list[tuple[str, Any]]) -> None:
    desk.warehouse.reset()
    model = Model()
    state: dict[str, Any] = {}
    for number, (what, reply) in enumerate(steps, 1):
        event(what)
        if what == "begin resync":
            desk.warehouse.begin_resync()
            model.begin_resync()
            state = {}
        elif what == "finish resync":
            if desk.warehouse.resyncing:
                desk.warehouse.finish_resync()
                model.finish_resync()
        elif what == "broken reply":
            schema = {**SCHEMA, "zoo": {"primary_key": ["id"]}}
            broken = {**reply, "insert": {**reply.get("insert", {}), "zoo": [{"no": "key"}]}}
            with pytest.raises(ProtocolBroken):
                desk.send(**broken, schema=schema)
        else:
            state = {"reply": number}
            desk.send(**reply, schema=SCHEMA, state=state)
            model.apply(reply)
            if what == "killed after commit":
                wake_up(desk)
        assert desk.warehouse.state() == state
    check(desk, model)


def wake_up(desk: Any) -> None:
    """Goes on with copies of the files as they are, as a kill would leave them."""
    left = desk.path.with_name(f"{next(NUMBERS)}.duckdb")
    for suffix in ("", ".wal"):
        source = Path(f"{desk.path}{suffix}")
        if source.exists():
            shutil.copy(source, f"{left}{suffix}")
    desk.warehouse.close()
    desk.path = left
    desk.open()


def check(desk: Any, model: Model) -> None:
    made = {name for name, table in model.tables.items() if table.came}
    assert {table.name for table in desk.warehouse.tables()} == made
    for name in made:
        table, types, found = model.tables[name], desk.types(name), desk.rows(name)
        filled = {
            column for record in table.came for column, value in record.items() if value is not None
        }
        assert set(types) == filled
        wanted = []
        for row in table.rows:
            values = {c: expected(row.values.get(c), kind) for c, kind in types.items()}
            wanted.append(values | ({"_fivetran_deleted": row.deleted} if table.deletable else {}))
        if not KEYS[name]:
            assert found == wanted
        assert all(values in found for values in wanted)
        assert len(found) == len(wanted)
