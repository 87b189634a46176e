"""Whatever replies and kills come, in whatever order: the tables are those of a plain model."""

from __future__ import annotations

import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from harness.errors import ProtocolBroken
from harness.warehouse.load import Counts
from hypothesis import event, given, settings
from hypothesis import strategies as st

from .test_types import KINDS, expected, text

KEYS = {"item": ("id",), "pair": ("region", "id"), "log": ()}
NUMBERS = count()
SCHEMA = {name: {"primary_key": list(key)} for name, key in KEYS.items() if key}
KEY = st.sampled_from(
    [1, 2, 3, 2**70, "1", "2", "", Decimal("1.0"), Decimal("2.50"), True, "é\0", "\ud800"]
)


def record(key, values):
    return st.fixed_dictionaries(
        dict.fromkeys(key, KEY), optional=dict.fromkeys(("a", "b", "c"), values)
    )


def parts(values):
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
REPLY = st.one_of(*map(parts, KINDS))
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
    """Fivetran's rules on plain lists."""

    primary_key: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)
    came: list[dict[str, Any]] = field(default_factory=list)  # every record of insert
    deletable: bool = False

    def key(self, record, more=()):
        """A record's key: numbers where the column has had numbers alone, else texts."""
        found = []
        for column in self.primary_key:
            kinds = {type(other[column]) for other in (*self.came, *more)}
            value = record[column]
            found.append(Decimal(value) if kinds <= {int, Decimal} else text(value))
        return tuple(found)

    def mark(self, rows):
        alive = [row for row in rows if not row.deleted]
        for row in alive:
            row.deleted = self.deletable = True
        return len(alive)

    def delete(self, records):
        self.deletable = True
        keys = [self.key(record, records) for record in records]
        return self.mark([row for row in self.rows if self.key(row.values, records) in keys])

    def insert(self, records):
        """How many rows are new, and how many took the place of one."""
        self.came += records
        old, size = list(self.rows), len(self.rows)
        for record in records:
            if self.primary_key:
                key = self.key(record)
                self.rows = [row for row in self.rows if self.key(row.values) != key]
            self.rows.append(Row(record))
        staying = sum(any(row is other for other in self.rows) for row in old)
        return len(self.rows) - size, len(old) - staying


class Model:
    def __init__(self):
        self.tables = {name: Table(key) for name, key in KEYS.items()}

    def apply(self, reply):
        counts = defaultdict(Counts)
        marks = reply.get("softDelete", [])
        for name in marks:
            self.tables[name].deletable = True
            counts[name].marked = self.tables[name].mark(self.tables[name].rows)
        for name, records in reply.get("delete", {}).items():
            if name not in marks:
                counts[name].deleted = self.tables[name].delete(records)
        for name, records in reply.get("insert", {}).items():
            counts[name].inserted, counts[name].updated = self.tables[name].insert(records)
        return counts

    def begin_resync(self):
        for table in self.tables.values():
            for row in table.rows:
                row.seen = False

    def finish_resync(self):
        return {
            name: table.mark([row for row in table.rows if not row.seen])
            for name, table in self.tables.items()
            if table.came
        }


@settings(max_examples=60)
@given(steps=st.lists(STEP, min_size=1, max_size=8))
def test_the_tables_are_those_of_the_model(shared, steps):
    shared.warehouse.reset()
    model = Model()
    state = {}
    for number, (what, reply) in enumerate(steps, 1):
        event(what)
        if what == "begin resync":
            shared.warehouse.begin_resync()
            model.begin_resync()
            state = {}
        elif what == "finish resync":
            if shared.warehouse.resyncing:
                assert shared.warehouse.finish_resync() == model.finish_resync()
        elif what == "broken reply":
            schema = {**SCHEMA, "zoo": {"primary_key": ["id"]}}
            broken = {**reply, "insert": {**reply.get("insert", {}), "zoo": [{"no": "key"}]}}
            with pytest.raises(ProtocolBroken):
                shared.send(**broken, schema=schema)
        else:
            state = {"reply": number}
            noticed = shared.send(**reply, schema=SCHEMA, state=state)
            assert noticed.counts == model.apply(reply)
            if what == "killed after commit":
                wake_up(shared)
        assert shared.warehouse.state() == state
    check(shared, model)


def wake_up(desk):
    """Goes on with copies of the files as they are, as a kill would leave them."""
    left = desk.path.with_name(f"{next(NUMBERS)}.duckdb")
    for suffix in ("", ".wal"):
        source = Path(f"{desk.path}{suffix}")
        if source.exists():
            shutil.copy(source, f"{left}{suffix}")
    desk.path = left
    desk.open()


def check(desk, model):
    made = {name: table for name, table in model.tables.items() if table.came}
    assert {table.name for table in desk.warehouse.tables()} == made.keys()
    for name, table in made.items():
        types, found = desk.types(name), desk.rows(name)
        assert types.keys() == {
            column for record in table.came for column, value in record.items() if value is not None
        }
        wanted = []
        for row in table.rows:
            values = {c: expected(row.values.get(c), kind) for c, kind in types.items()}
            wanted.append(values | ({"_fivetran_deleted": row.deleted} if table.deletable else {}))
        if not table.primary_key:
            assert found == wanted
        assert all(values in found for values in wanted)
        assert len(found) == len(wanted)
