# Owned by fivetran-azfn-template: updates replace this file.
"""Judges a run call by call, by the rules that need its memory; it stops nothing and shows nothing.

What is wrong with a reply by itself comes with it, from `protocol.parse`; what ends a run comes as
the error that ended it. So each rule is looked for in one place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from harness.connection import Connection
from harness.errors import HarnessError, ProtocolBroken
from harness.findings import Fault, Findings
from harness.history import History, column, key_of, stamps
from harness.leaks import leaks
from harness.naming import to_name
from harness.protocol import Parsed, encode
from harness.redact import Redactor
from harness.target import SLOW_SECONDS, Answer
from harness.unmet import Known, unmet

LARGE_BYTES = 32 * 1024 * 1024
SETUP_BYTES = 64 * 1024  # Fivetran's troubleshooting articles, for AWS Lambda

Rows = Mapping[str, list[dict[str, Any]]]


class Judge:
    """One run: a sync, a re-sync, a setup test.

    Args:
        redactor: Knows the secrets.

    Attributes:
        findings: What was found so far.
        calls: How many were made; those whose reply was lost and asked for again count once.
        connection: Says what is blocked and hashed, None where nothing is.
    """

    def __init__(self, redactor: Redactor | None = None) -> None:
        self.findings = Findings()
        self.redactor = redactor or Redactor()
        self.calls = 0
        self.connection: Connection | None = None
        self._whole = False
        self._state: Mapping[str, Any] = {}
        self._setup_test = False
        self._keys: dict[str, tuple[str, ...]] = {}
        self._histories: dict[str, History] = {}
        self._entities: set[str] = set()
        self._tables: dict[str, str] = {}  # in the destination: in the source
        self._marked: dict[str, int] = {}  # with the call that marked it first
        self._declared: set[str] = set()
        self._deleted: dict[str, None] = {}

    def sent(self, state: Mapping[str, Any], *, setup_test: bool = False) -> None:
        """A call is made with this state."""
        self.calls += 1
        self._whole |= self.calls == 1 and not state
        self._state, self._setup_test = state, setup_test

    def heard(self, answer: Answer, parsed: Parsed) -> None:
        """It was answered."""
        self._add(parsed.faults)
        self._add(leaks(answer.body, parsed.data, self.redactor))
        self._add(_cost(answer))
        if parsed.reports:
            self._add(self._report(parsed.data))
        elif parsed.usable and self._setup_test:
            self._add(_setup(parsed, self._state))
        elif parsed.usable:
            self._add(self._reply(parsed.data))

    def stopped(self, error: HarnessError) -> None:
        """This error ended the run."""
        if isinstance(error, ProtocolBroken) and not self.findings.has(self.calls, error.rule):
            self._add([Fault(error.rule, str(error))])

    def ended(self, tables: Mapping[str, Collection[str]]) -> None:
        """The run is over; the destination has these tables with these columns."""
        self._add(self._missed(tables))
        named = set(map(to_name, self._declared))
        for entity, call in self._marked.items():
            if to_name(entity) not in named | tables.keys():
                others = ", ".join(sorted(named | tables.keys())) or "none"
                what = f"nothing is known of {entity}; there are {others}"
                self.findings.add(call, Fault("soft-delete-of-nothing", what, "softDelete", entity))
        if self.connection:
            columns = {
                to_name(entity): {*history.columns, *tables.get(to_name(entity), ())}
                for entity, history in self._histories.items()
            }
            known = Known(named | tables.keys(), columns, tables, self._whole)
            self._add(unmet(self.connection, known))
        for entity, history in self._histories.items():
            there = tables.get(to_name(entity), ())
            for name in history.nulls:
                if to_name(name) not in there:
                    what = f"{name} is null in every record"
                    self._add([Fault("all-null-column", what, "insert", entity)])

    def _missed(self, tables: Collection[str]) -> Iterator[Fault]:
        there = {*tables, *map(to_name, self._histories)}
        for entity in self._deleted:
            if to_name(entity) not in there:
                others = ", ".join(sorted(there)) or "none"
                what = f"no row ever came for {entity}; there are {others}"
                yield Fault("delete-of-nothing", what, "delete", entity)

    def _add(self, faults: Collection[Fault] | Iterator[Fault]) -> None:
        for fault in faults:
            self.findings.add(self.calls, fault)

    def _report(self, data: Mapping[str, Any]) -> Iterator[Fault]:
        if data.get("state") and data["state"] != self._state:
            yield Fault("error-with-state", "state is not the one that was sent")
        for part in ("insert", "delete", "softDelete"):
            if data.get(part):
                yield Fault("error-with-rows", f"{part} comes beside errorMessage")

    def _reply(self, data: Mapping[str, Any]) -> Iterator[Fault]:
        inserted, deleted = _filled(data, "insert"), _filled(data, "delete")
        marked = dict.fromkeys(data.get("softDelete", ()))
        self._declared.update(inserted, deleted, data.get("schema", ()))
        self._deleted |= dict.fromkeys(deleted)
        for entity in marked:
            self._marked.setdefault(entity, self.calls)
        yield from self._names((*inserted, *deleted, *marked, *data.get("schema", ())))
        yield from self._schema(data, inserted, deleted)
        held = set(stamps(data["state"]))
        for entity, rows in inserted.items():
            history = self._histories.setdefault(entity, History(entity, self._blocked(entity)))
            yield from history.insert(rows, self._keys[entity], held)
        for entity, rows in deleted.items():
            yield from History(entity).keyless("delete", rows, self._keys[entity])
            yield from self._both(entity, inserted.get(entity, []), rows)
        for entity in marked:
            if to_name(entity) in map(to_name, inserted):
                what = "insert has records of it, too"
                yield Fault("soft-delete-beside-rows", what, "softDelete", entity)
            if to_name(entity) in map(to_name, deleted):
                what = "delete has records of it, too"
                yield Fault("soft-delete-beside-delete", what, "softDelete", entity)

    def _blocked(self, entity: str) -> set[str]:
        """Columns of an entity that are not written, as the destination spells them."""
        entries = self.connection.blocked if self.connection else ()
        places = [entry.partition(".") for entry in entries]
        return {to_name(name) for table, _, name in places if to_name(table) == to_name(entity)}

    def _names(self, entities: Collection[str]) -> Iterator[Fault]:
        for entity in dict.fromkeys(entities):
            if entity in self._entities:
                continue
            self._entities.add(entity)
            other = self._tables.setdefault(to_name(entity), entity)
            if other != entity:
                what = f'"{other}" and "{entity}" both become table "{to_name(entity)}"'
                yield Fault("names-collide", what, entity=entity)

    def _schema(self, data: Mapping[str, Any], inserted: Rows, deleted: Rows) -> Iterator[Fault]:
        schema = {
            entity: tuple(entry["primary_key"]) for entity, entry in data.get("schema", {}).items()
        }
        for entity in dict.fromkeys((*schema, *inserted, *deleted)):
            now = schema.get(entity, ())
            if entity not in self._keys and len(set(map(to_name, now))) < len(now):
                what = f"the primary key is {_listed(now)}"
                yield Fault("key-column-twice", what, "schema", entity)
            before = self._keys.setdefault(entity, now)
            if now != before:
                what = f"the primary key is {_listed(now)} here and was {_listed(before)} before"
                yield Fault("schema-varies", what, "schema", entity)
            if not before and entity in inserted and entity not in self._histories:
                what = f"{entity} has no primary key: its records are appended"
                yield Fault("no-primary-key", what, "insert", entity)
        for entity, key in self._keys.items():
            if key and entity not in (schema.keys() | inserted.keys() | deleted.keys()):
                what = f"{entity} is missing, and was there before"
                yield Fault("schema-incomplete", what, "schema", entity)

    def _both(
        self, entity: str, inserted: list[dict[str, Any]], deleted: list[dict[str, Any]]
    ) -> Iterator[Fault]:
        key = self._keys[entity]
        gone = set(_keys(deleted, key)) if inserted else set()
        for index, found in enumerate(_keys(inserted, key) if gone else ()):
            if found in gone:
                what, row = "the same row stands in delete", key_of(inserted[index], key)
                yield Fault("key-in-insert-and-delete", what, "insert", entity, index, row)


def _filled(data: Mapping[str, Any], part: str) -> Rows:
    return {entity: rows for entity, rows in data.get(part, {}).items() if rows}


def _keys(rows: list[dict[str, Any]], key: tuple[str, ...]) -> list[bytes]:
    return [encode(values) for values in zip(*(column(rows, name) for name in key), strict=True)]


def _cost(answer: Answer) -> Iterator[Fault]:
    if answer.seconds > SLOW_SECONDS:
        yield Fault("slow-call", f"the call took {answer.seconds:.0f} s")
    if len(answer.body) > LARGE_BYTES:
        yield Fault("large-reply", f"the reply has {len(answer.body) / 2**20:.1f} MiB")


def _setup(parsed: Parsed, sent: Mapping[str, Any]) -> Iterator[Fault]:
    data = parsed.data
    if data["state"] != sent:
        yield Fault("setup-test-state", "state is not the one that was sent")
    for part in ("insert", "delete", "softDelete"):
        if data.get(part) if part == "softDelete" else _filled(data, part):
            yield Fault("setup-test-rows", f"{part} is not empty")
    if parsed.size > SETUP_BYTES:
        yield Fault("setup-test-size", f"the reply has {parsed.size / 1024:.1f} KiB")


def _listed(key: tuple[str, ...]) -> str:
    return f"({', '.join(key)})" if key else "absent"
