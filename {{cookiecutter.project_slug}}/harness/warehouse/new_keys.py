"""Finds primary keys that are new in every sync: made up by the function, not by the API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from harness.protocol.messages import Fault, Reply
from harness.warehouse.load import Counts, instant
from harness.warehouse.names import quoted
from harness.warehouse.store import Store, Table

SYNC = "harness.sync"  # the setting: when the sync began, and the tables in which it replaced rows


def check(store: Store, reply: Reply, counts: Mapping[str, Counts], stamp: int) -> Iterator[Fault]:
    """At the end of a sync: tables whose rows all came again, each under another key."""
    sync = json.loads(store.get(SYNC) or "{}") or {"began": stamp, "replaced": []}
    for name, count in counts.items():
        if count.updated and name not in sync["replaced"]:
            sync["replaced"].append(name)
    store.put(SYNC, json.dumps(sync) if reply.has_more else None)
    for table in store.tables.values() if not reply.has_more else ():
        if table.made and table.primary_key and table.name not in sync["replaced"]:
            yield from _doubled(store, table, sync["began"])


def _doubled(store: Store, table: Table, began: int) -> Iterator[Fault]:
    columns = ", ".join(quoted(name) for name in table.filled if name not in table.primary_key)
    synced = f"_fivetran_synced >= {instant(began)}"
    new = f"FROM {table.texts} WHERE {synced} AND NOT _fivetran_deleted"
    old = f"FROM {table.texts} WHERE NOT ({synced}) OR _fivetran_deleted"
    rows, before = (store.count(f"SELECT count(*) {part}") for part in (new, old))
    if rows < 2 or not before or 2 * rows < before or not columns:
        return
    # Rows that look alike in all but the key are common; all of them, and no two alike, are not.
    unlike = f"SELECT count(*) FROM (SELECT DISTINCT {columns} {new})"
    others = f"SELECT count(*) FROM (SELECT {columns} {new} EXCEPT SELECT {columns} {old})"
    if store.count(unlike) < rows or store.count(others):
        return
    for key in map(quoted, table.primary_key):
        if store.count(f"SELECT count(*) FROM (SELECT {key} {new} INTERSECT SELECT {key} {old})"):
            return  # such as snapshots, whose key is a day and an id
    what = f"all {rows:,} records came before, each under another {', '.join(table.primary_key)}"
    yield Fault("new-keys", what, "insert", table.entities[0])
