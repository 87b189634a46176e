"""Rules about what a run delivers: keys, deletions, columns, cursors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Any

from harness import codec
from harness.protocol.messages import Exchange, Reply
from harness.protocol.rule import ERROR, NOTICE, WARNING, Fault, rule
from harness.warehouse import TableInfo
from harness.warehouse.load import Counts
from harness.warehouse.names import listed, to_name

_AGAIN = 10  # records and cursor values, so that a few at one inclusive bound are no alarm
_LOOKBACK = 600  # seconds: twice what the runtime reads again unless it is declared
_FIRST_EPOCH = 1_000_000_000  # a smaller number is not taken for a time (September 2001)

# `harness.warehouse` finds these when it applies a reply; what it cannot apply ends the sync.
rule("record-without-key", ERROR, "a record has no value in a column of its primary key",
     "cannot know which row to write; what it does then is not documented",
     "give every record a text, number or boolean in each column of the primary key")  # fmt: skip
rule("delete-without-schema", ERROR, "delete has records of an entity without a primary key",
     "does not know which rows to delete",
     'name the key in schema: {"order": {"primary_key": ["id"]}}')  # fmt: skip
rule("reserved-name", ERROR, "a column has a name that Fivetran reserves",
     "adds columns named _fivetran_… to every table",
     "rename the column in the function")  # fmt: skip
rule("names-collide", ERROR, "two names become the same name in the destination",
     "puts both into one column (or one table), where one value replaces the other",
     "rename one of them in the function, or leave it out")  # fmt: skip
rule("key-in-insert-and-delete", ERROR, "one reply inserts and deletes the same row",
     "may keep the row or delete it: the order is not documented",
     "return the first of the two with hasMore: true, and the second in the next reply"
     )  # fmt: skip
rule("type-flips", WARNING, "the type of a column changes",
     "widens the column to a type that fits both, in the end text",
     "convert the values to one type in the function")  # fmt: skip
rule("records-become-one", WARNING, "several records become one row",
     'keeps the last record with the same primary key; in a text column, 1 and "1" are the same '
     "key",
     "do nothing if the records are versions of one record, oldest first; otherwise name all "
     "columns of the key in schema, and write their values in one type")  # fmt: skip
rule("new-keys", WARNING, "every sync gives the records new primary keys",
     "finds no row to replace: every sync adds all records to the table again",
     "use a primary key that comes from the API, not one that the function generates")  # fmt: skip
rule("row-goes-back", WARNING, "an older version of a row replaces a newer one",
     "keeps the version that comes last, so the table has the older one",
     "read event feeds and change logs oldest first")  # fmt: skip


@dataclass
class Delivered:
    """What one run has delivered so far."""

    keys: dict[str, list[str]] = field(default_factory=dict)  # of each entity, as first seen
    declared: set[str] = field(default_factory=set)  # tables that a schema names
    marked: set[str] = field(default_factory=set)  # entities in softDelete
    counts: dict[str, Counts] = field(default_factory=dict)  # by table
    cursors: set[Any] | None = None  # times in the state that the sync began with
    cursor_values: dict[str, set[Any]] = field(default_factory=dict)  # by table


def check(run: Delivered, exchange: Exchange) -> Iterator[Fault]:
    """What is wrong with the data of this reply, after those before it."""
    reply, noticed = exchange.reply, exchange.noticed
    if exchange.setup_test or exchange.answer.status != 200 or reply.error:
        return
    yield from _schema(run, reply)
    yield from _soft_delete(run, reply)
    _find_cursors(run, exchange)
    if noticed:
        for table, counts in noticed.counts.items():
            total = run.counts.setdefault(table, Counts())
            total.inserted += counts.inserted
            total.updated += counts.updated
        yield from noticed.faults


def finish(
    run: Delivered, tables: Sequence[TableInfo], unmatched: Iterable[tuple[str, str]]
) -> Iterator[Fault]:
    """What is wrong with the data of a sync that has ended; see `Findings.finish`."""
    columns = {table.name: [column.name for column in table.columns] for table in tables}
    yield from _unknown(run, columns)
    yield from _hidden(unmatched, columns)
    for table in tables:
        if table.name in run.counts:
            yield from _again(run, table)
            yield from _incomplete(table)


rule("schema-varies", ERROR, "an entity's primary key is not the same in every reply",
     "requires the same schema in every reply; otherwise rows may be duplicated (what it does is "
     "not documented)",
     "send the same schema with every reply; if you changed the key on purpose, run `python -m "
     "harness reset`, and for Fivetran drop the table in the destination before a re-sync"
     )  # fmt: skip
rule("schema-incomplete", WARNING, "schema lacks an entity that it had in an earlier reply",
     "requires the same schema in every reply; what it does otherwise is not documented",
     "send the same schema with every reply, also for entities without records")  # fmt: skip


def _schema(run: Delivered, reply: Reply) -> Iterator[Fault]:
    run.declared |= {to_name(entity, table=True) for entity in reply.schema}
    delivered = [name for part in (reply.insert, reply.delete) for name in part if part[name]]
    for entity in dict.fromkeys((*reply.schema, *delivered)):
        key = reply.schema.get(entity, [])
        before = run.keys.setdefault(entity, key)
        if key != before:
            what = f"the primary key is {listed(key)} here and was {listed(before)} before"
            yield Fault("schema-varies", what, "schema", entity)
    for entity, key in run.keys.items():
        if key and entity not in reply.schema and entity not in delivered:
            what = f"{entity} is missing, but an earlier reply had it"
            yield Fault("schema-incomplete", what, "schema", entity)


rule("soft-delete-beside-rows", WARNING, "softDelete names an entity that the same reply inserts",
     "may mark the new rows as deleted too: the order is not documented",
     "return softDelete alone with hasMore: true, and the rows in the next reply")  # fmt: skip
rule("delete-of-nothing", WARNING, "delete or softDelete names a table that never had a row",
     "finds no such table and marks nothing; what else it does is not documented",
     "spell the entity as in insert; do nothing if its first rows come later")  # fmt: skip


def _soft_delete(run: Delivered, reply: Reply) -> Iterator[Fault]:
    run.marked |= set(reply.soft_delete)
    for entity in dict.fromkeys(reply.soft_delete):
        if reply.insert.get(entity):
            what = f"insert has records of {entity} too"
            yield Fault("soft-delete-beside-rows", what, "softDelete", entity)


def _unknown(run: Delivered, columns: Mapping[str, Iterable[str]]) -> Iterator[Fault]:
    # `harness.warehouse` finds it for delete.
    for entity in sorted(run.marked):
        if to_name(entity, table=True) not in columns.keys() | run.declared:
            what = f"there is no table for {entity}; there are {_listed(columns)}"
            yield Fault("delete-of-nothing", what, "softDelete", entity)


def _listed(names: Iterable[str]) -> str:
    """Names in a sentence, without the columns that Fivetran adds."""
    return ", ".join(sorted(name for name in names if not name.startswith("_fivetran_"))) or "none"


rule("reads-everything-again", WARNING,
     "a sync reads everything again, although the state has a cursor",
     "counts every row as changed: cost and time grow with the table, and a table without a "
     "primary key doubles",
     "request only what changed since the cursor in the state (fetch.since)")  # fmt: skip


def _find_cursors(run: Delivered, exchange: Exchange) -> None:
    """The values of the columns that have a time which is in the first state too."""
    if run.cursors is None:
        run.cursors = set(_times(exchange.before))
    for entity, rows in exchange.reply.insert.items() if run.cursors else ():
        for name in dict.fromkeys(chain.from_iterable(rows)):
            values = {value for row in rows if type(value := row.get(name)) in (str, int, Decimal)}
            if not values.isdisjoint(run.cursors):
                run.cursor_values.setdefault(to_name(entity, table=True), set()).update(values)


def _times(state: Any) -> Iterator[Any]:
    """Values anywhere in a state that may be a cursor: times as text or as seconds."""
    for value in codec.scalars(state):
        if isinstance(value, str):
            if sum(map(str.isdigit, value)) >= len("20260101"):
                yield value
        elif value >= _FIRST_EPOCH:
            yield value


def _again(run: Delivered, table: TableInfo) -> Iterator[Fault]:
    counts = run.counts[table.name]
    before = table.rows - counts.inserted
    again = counts.updated if table.primary_key else counts.inserted
    cursors = run.cursor_values.get(table.name, set())
    if before >= _AGAIN and again >= before and len(cursors) >= _AGAIN and not _close(cursors):
        what = f"all {before:,} rows that {table.name} had came again"
        yield Fault("reads-everything-again", what, "insert", table.name)


def _close(values: Iterable[Any]) -> bool:
    """Whether times lie so close that all of them may be read again on purpose (lookback)."""
    try:
        seconds = [
            datetime.fromisoformat(value).timestamp() if isinstance(value, str) else float(value)
            for value in values
        ]
    except ValueError:
        return False
    unit = 1000 if max(seconds) > 100 * _FIRST_EPOCH else 1  # milliseconds
    return max(seconds) - min(seconds) <= _LOOKBACK * unit


rule("hides-nothing", WARNING, "an entry of blocked or hashed in connection.json hides nothing",
     "hides only tables and columns that exist; all others are written as they are",
     "name the column as the table does; what was written stays until reset")  # fmt: skip


def _hidden(
    unmatched: Iterable[tuple[str, str]], columns: Mapping[str, Iterable[str]]
) -> Iterator[Fault]:
    for kind, entry in unmatched:
        name = to_name(entry.partition(".")[0], table=True)
        what = f"there is no such table; there are {_listed(columns)}"
        if name in columns:
            what = f"there is no such column; {name} has {_listed(columns[name])}"
        yield Fault("hides-nothing", f"{kind} {entry}: {what}")


rule("no-primary-key", NOTICE, "an entity has no primary key in schema",
     "appends every record: a record that comes twice is in the table twice",
     "name the columns that identify a record in schema, if there are any")  # fmt: skip
rule("all-null-column", NOTICE, "columns are null in every record",
     "does not create such a column until a value comes",
     "do nothing if values may come later; otherwise leave the column out")  # fmt: skip


def _incomplete(table: TableInfo) -> Iterator[Fault]:
    if not table.primary_key:
        what = f"{table.name} has no primary key: its records are appended"
        yield Fault("no-primary-key", what, "insert", table.name)
    if names := ", ".join(table.empty):
        yield Fault("all-null-column", f"null in every record: {names}", "insert", table.name)
