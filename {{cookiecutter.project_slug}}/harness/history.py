# Owned by fivetran-azfn-template: updates replace this file.
"""What a run has brought of one entity, judged by the rules that need memory; it knows no table."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Any

from harness.columns import observe
from harness.findings import Fault
from harness.naming import to_name
from harness.structure import kind as shown

REMEMBERED = 500_000  # keys of one entity whose last version is kept in mind
FIRST_EPOCH = 1_000_000_000  # a smaller number is taken for no time (September 2001)
TIMES = {"date", "timestamp", "instant"}
_CHANGED = re.compile(r"(^|_)(updated?|modified|modification|changed|edited|modstamp)(_|$)")
_PLAIN = {bool: "boolean", int: "number", Decimal: "number", dict: "json", list: "json"}
_WORDS = {
    "json": "an object or a list",
    "text": "text",
    "timestamp": "a time stamp without offset",
    "instant": "a time stamp with offset",
    "date": "a date",
    "number": "a number",
    "boolean": "a boolean",
}

Record = Mapping[str, Any]
Columns = dict[str, list[Any]]


class History:
    """One entity's columns and rows so far.

    Args:
        entity: Its name.
        blocked: Columns that are not written, as the destination spells them: they do not collide.
    """

    def __init__(self, entity: str, blocked: Collection[str] = ()) -> None:
        self._entity = entity
        self._kinds: dict[str, set[str]] = {}
        self._flipped: set[str] = set()
        self._names: dict[str, list[str]] = {}  # in the destination: in the source
        self._collided = set(blocked)
        self._stamp: str | None = None
        self._versions: dict[Any, Any] = {}

    @property
    def columns(self) -> set[str]:
        """Columns that came, as the destination names them."""
        return set(map(to_name, self._kinds))

    @property
    def nulls(self) -> list[str]:
        """Columns that came and were null in every record."""
        return [name for name, kinds in self._kinds.items() if not kinds]

    def insert(
        self, rows: Sequence[Record], key: Sequence[str], stamps: set[Any]
    ) -> Iterator[Fault]:
        """Judge the records of one reply's `insert`, and remember them.

        Args:
            rows: The records, not empty.
            key: Columns of the primary key, as `schema` names them; empty without one.
            stamps: Times that stand in the reply's state: a column that holds one of them is taken
                for the time of the last change, where no name tells it.
        """
        columns: Columns = {
            name: [row.get(name) for row in rows]
            for name in dict.fromkeys(chain.from_iterable(rows))
        }
        yield from self._collisions(columns)
        for name, values in columns.items():
            yield from self._kind(name, rows, values, key)
        yield from self.keyless("insert", rows, key)
        yield from self._back(rows, columns, key, stamps)

    def keyless(self, part: str, rows: Sequence[Record], key: Sequence[str]) -> Iterator[Fault]:
        """Records without a scalar value in each column of the primary key."""
        for name in key:
            for index, value in enumerate(column(rows, name)):
                if value is None or isinstance(value, dict | list):
                    found = "is missing or null" if value is None else f"is {shown(value)}"
                    what = f"{name} of the primary key {found}"
                    yield Fault("record-without-key", what, part, self._entity, index)

    def _collisions(self, columns: Columns) -> Iterator[Fault]:
        """Names that become one column, where a record has different values under them."""
        for name in columns:
            if name not in self._kinds:
                self._names.setdefault(to_name(name), []).append(name)
        for there, names in self._names.items():
            here = [name for name in names if name in columns]
            if len(here) < 2 or there in self._collided:
                continue
            for index, values in enumerate(zip(*(columns[name] for name in here), strict=True)):
                given = [value for value in values if value is not None]
                if any(value != given[0] for value in given):
                    self._collided.add(there)
                    quoted = " and ".join(f'"{name}"' for name in here)
                    what = f'{quoted} become one column, "{there}"'
                    yield Fault("names-collide", what, "insert", self._entity, index)
                    break

    def _kind(
        self, name: str, rows: Sequence[Record], values: list[Any], key: Sequence[str]
    ) -> Iterator[Fault]:
        known = self._kinds.setdefault(name, set())
        found = _kinds(values, known)
        fresh = sorted(found - known)

        def fault(rule: str, what: str, index: int) -> Fault:
            return Fault(
                rule, what, "insert", self._entity, index, key_of(rows[index], key) or None
            )

        if "timestamp" in fresh:
            index = _first(values, "timestamp")
            yield fault("stamp-without-offset", f"{name} {values[index]} has no offset", index)
        before = sorted(known)
        known |= found
        if len(known) > 1 and name not in self._flipped:
            self._flipped.add(name)
            before, now = (before, fresh) if before else (fresh[:1], fresh[1:])
            what = f"{name} is {_listed(now)} here and was {_listed(before)} before"
            yield fault("type-flips", what, _first(values, now[0]))

    def _back(
        self, rows: Sequence[Record], columns: Columns, key: Sequence[str], stamps: set[Any]
    ) -> Iterator[Fault]:
        self._stamp = self._stamp or self._changed(columns, key, stamps)
        if not key or self._stamp not in columns:
            return
        versions = self._versions
        keys = zip(*(column(rows, name) for name in key), strict=True)
        for index, (row, stamp) in enumerate(zip(keys, columns[self._stamp], strict=True)):
            if stamp is None or any(isinstance(value, dict | list) for value in row):
                continue
            before = versions.get(row)
            if before is not None and before != stamp and _is_older(stamp, before):
                what = f"{self._stamp} {stamp} comes after {before}"
                found = key_of(rows[index], key)
                yield Fault("row-goes-back", what, "insert", self._entity, index, found)
            if before is not None or len(versions) < REMEMBERED:
                versions[row] = stamp

    def _changed(self, columns: Columns, key: Sequence[str], stamps: set[Any]) -> str | None:
        """The column with the time of the last change: told by its name, else by the state."""
        times = [
            name
            for name, values in columns.items()
            if name not in key and _is_time(self._kinds[name], values)
        ]
        named = [name for name in times if _CHANGED.search(to_name(name))]
        held = [name for name in times if stamps and not stamps.isdisjoint(columns[name])]
        return next(iter(sorted(named, key=len) or held), None)


def column(rows: Sequence[Record], name: str) -> list[Any]:
    """A column's values by its name in `schema`, which may be spelt as the destination does."""
    return [row[name] if name in row else _spelt_otherwise(row, name) for row in rows]


def key_of(row: Record, key: Iterable[str]) -> dict[str, Any]:
    """A record's primary key."""
    return {name: column([row], name)[0] for name in key}


def stamps(value: Any) -> Iterator[Any]:
    """Times that stand anywhere in a state."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from stamps(item)
    elif isinstance(value, str):
        if observe([value]).kind in TIMES:
            yield value
    elif isinstance(value, int) and value >= FIRST_EPOCH:
        yield value


def _spelt_otherwise(row: Record, name: str) -> Any:
    return next((row[own] for own in row if to_name(own) == to_name(name)), None)


def _kinds(values: list[Any], known: set[str]) -> set[str]:
    types = set(map(type, values))
    found = {_PLAIN[kind] for kind in types if kind in _PLAIN}
    # A column that is text stays text: no need to look for times in it.
    if str in types and "text" not in known:
        found.add(observe(list({value for value in values if type(value) is str})).kind)
    return found


def _first(values: list[Any], kind: str) -> int:
    """Index of the first value of a kind; of any text, where only several together make it."""
    for index, value in enumerate(values):
        if observe([value]).kind == kind:
            return index
    return next((index for index, value in enumerate(values) if isinstance(value, str)), 0)


def _is_time(kinds: set[str], values: list[Any]) -> bool:
    if kinds == {"number"}:
        return min((value for value in values if value is not None), default=0) >= FIRST_EPOCH
    return bool(kinds) and kinds <= TIMES


def _is_older(stamp: Any, other: Any) -> bool:
    if isinstance(stamp, str) and isinstance(other, str):
        try:
            new, old = datetime.fromisoformat(stamp), datetime.fromisoformat(other)
        except ValueError:
            return False
        return (new.tzinfo is None) == (old.tzinfo is None) and new < old
    numbers = isinstance(stamp, int | Decimal) and isinstance(other, int | Decimal)
    return numbers and bool(stamp < other)


def _listed(kinds: Sequence[str]) -> str:
    return " and ".join(_WORDS[kind] for kind in kinds)
