"""Whatever replies and kills come, in whatever order: the tables are those of a model."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from harness.columns import observe
from harness.values import as_text
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

KEYS = {"item": ("id",), "pair": ("region", "id"), "log": ()}
SCHEMA = {name: {"primary_key": list(key)} for name, key in KEYS.items() if key}

KEY = st.sampled_from(
    [1, 2, 3, 70_000, "1", "2", "x", Decimal("1.0"), Decimal("2.50"), True, "é\0"]
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
SMALL = st.integers(1, 3)


def record(key: tuple[str, ...], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        dict.fromkeys(key, KEY), optional=dict.fromkeys(("a", "b", "c"), values)
    )


# Values of one kind widen step by step, values of any kind soon make strings.
VALUES = st.one_of(
    st.just(VALUE), st.just(st.integers()), st.just(st.decimals(-1000, 1000, places=2))
)
REPLY = VALUES.flatmap(
    lambda values: st.fixed_dictionaries(
        {},
        optional={
            "insert": st.fixed_dictionaries(
                {},
                optional={
                    name: st.lists(record(key, values), max_size=4) for name, key in KEYS.items()
                },
            ),
            "delete": st.fixed_dictionaries(
                {},
                optional={
                    name: st.lists(record(key, values), max_size=2)
                    for name, key in KEYS.items()
                    if key
                },
            ),
            "softDelete": st.lists(st.sampled_from(sorted(KEYS)), max_size=1),
        },
    )
)
STEP = st.one_of(
    st.tuples(st.just("reply"), REPLY),
    st.tuples(st.just("killed before commit"), REPLY),
    st.tuples(st.just("killed after commit"), REPLY),
    st.tuples(st.just("begin resync"), st.none()),
    st.tuples(st.just("finish resync"), st.none()),
)


@dataclass
class Row:
    values: dict[str, Any]
    deleted: bool = False
    seen: bool = True


@dataclass
class Model:
    """Tables as dicts from key to row."""

    tables: dict[str, dict[Any, Row]] = field(default_factory=dict)
    values: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    deletable: set[str] = field(default_factory=set)

    def apply(self, reply: dict[str, Any]) -> None:
        marks = reply.get("softDelete", [])
        for name in marks:
            self.mark(name, list(self.tables.get(name, {}).values()))
        for name, records in reply.get("delete", {}).items():
            rows = self.tables.get(name, {})
            if name not in marks:
                keys = {self.key(name, record) for record in records}
                self.mark(name, [rows[key] for key in keys if key in rows])
        for name, records in reply.get("insert", {}).items():
            for record in records:
                rows = self.tables.setdefault(name, {})
                rows[self.key(name, record) if KEYS[name] else len(rows)] = Row(record)
                for column, value in record.items():
                    self.values.setdefault((name, column), []).append(value)

    def begin_resync(self) -> None:
        for rows in self.tables.values():
            for row in rows.values():
                row.seen = False

    def finish_resync(self) -> None:
        for name, rows in self.tables.items():
            self.mark(name, [row for row in rows.values() if not row.seen])

    def mark(self, name: str, rows: list[Row]) -> None:
        for row in rows:
            if not row.deleted:
                row.deleted = True
                self.deletable.add(name)

    @staticmethod
    def key(name: str, record: dict[str, Any]) -> tuple[str, ...]:
        return tuple(as_text(record[column]) for column in KEYS[name])


class Killed(Exception):
    """The process ended here."""


class LastWords(dict[str, Any]):
    """A reply that ends the process when its rows are written and its state is not."""

    def __init__(self, reply: dict[str, Any], leave_behind: Callable[[], Path]) -> None:
        super().__init__(reply)
        self._leave_behind = leave_behind

    def __getitem__(self, name: str) -> Any:
        if name == "state":
            raise Killed(self._leave_behind())
        return super().__getitem__(name)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEP, min_size=1, max_size=8))
def test_the_tables_are_those_of_the_model(desks: Any, steps: list[tuple[str, Any]]) -> None:
    desk, model = desks(), Model()

    def leave_behind() -> Path:
        """Copies the files as they are, as a kill would leave them."""
        left = desk.path.with_name(f"{desk.path.stem}+.duckdb")
        for suffix in ("", ".wal"):
            source = Path(f"{desk.path}{suffix}")
            if source.exists():
                shutil.copy(source, f"{left}{suffix}")
        return left

    def wake_up(left: Path) -> None:
        desk.warehouse.close()
        desk.path = left
        desk.open()

    for number, (what, parts) in enumerate(steps, 1):
        event(what)
        if what == "begin resync":
            desk.warehouse.begin_resync()
            model.begin_resync()
        elif what == "finish resync":
            if desk.warehouse.resyncing:
                desk.warehouse.finish_resync()
                model.finish_resync()
        else:
            reply = {"state": {"reply": number}, "schema": SCHEMA, "hasMore": True, **parts}
            state = desk.warehouse.state()
            if what == "killed before commit":
                try:
                    desk.warehouse.apply(LastWords(reply, leave_behind), state)
                except Killed as killed:
                    wake_up(killed.args[0])
                check(desk, model)
                assert desk.warehouse.state() == state
            desk.warehouse.apply(reply, state)
            model.apply(reply)
            if what == "killed after commit":
                wake_up(leave_behind())
            assert desk.warehouse.state() == {"reply": number}
    check(desk, model)


def check(desk: Any, model: Model) -> None:
    assert {table.name for table in desk.warehouse.tables()} == set(model.tables)
    for name, expected in model.tables.items():
        found = desk.rows(name)
        types = desk.types(name)
        written = {
            c: v for (n, c), v in model.values.items() if n == name and observe(v).kind != "null"
        }
        assert set(types) == set(written)
        for column, values in written.items():
            # A delete may widen the columns of the key.
            assert column in KEYS[name] or types[column] == observe(values).sql
        if KEYS[name]:
            order = {tuple(as_text(row[c]) for c in KEYS[name]): row for row in found}
            assert set(order) == set(expected)
        else:
            order = dict(enumerate(found))
        assert len(found) == len(expected)
        for key, row in expected.items():
            assert order[key].get("_fivetran_deleted", False) == row.deleted
            assert ("_fivetran_deleted" in order[key]) == (name in model.deletable)
            for column in types:
                assert desk.meaning(order[key][column]) == desk.meaning(row.values.get(column))
