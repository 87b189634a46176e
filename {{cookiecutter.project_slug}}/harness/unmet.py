# Owned by fivetran-azfn-template: updates replace this file.
"""Entries of blocked and hashed that met nothing in a run, and so hide nothing; it reads no row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from harness.connection import Connection
from harness.findings import Fault
from harness.naming import to_name

_MOST = 30  # names that one line lists


@dataclass(frozen=True)
class Known:
    """What a run and the destination know, as the destination spells it.

    Attributes:
        tables: The tables of the destination, and those that a reply named.
        columns: By table that got rows in this run: columns of the rows and of the destination.
        there: By table of the destination: its columns.
        whole: Whether the run read everything: it began with the state `{}`.
    """

    tables: Collection[str]
    columns: Mapping[str, Collection[str]]
    there: Mapping[str, Collection[str]]
    whole: bool


def unmet(connection: Connection, known: Known) -> Iterator[Fault]:
    """Each entry without its table or column.

    A column is missed in tables that got rows in this run, one that is hashed in those of the
    destination too: a blocked one is never there. A whole table that is blocked is missed, for the
    destination never has it, after a run that read everything.
    """
    for kind in ("blocked", "hashed"):
        for entry in sorted(getattr(connection, kind)):
            source, _, name = entry.partition(".")
            table, column = to_name(source), to_name(name) if name else ""
            if table not in known.tables:
                if column or known.whole:
                    there = _listed(known.tables) or "none"
                    yield _fault(f"{kind} {entry} met no table; there are {there}")
                continue
            seen = known.columns.get(table)
            if seen is None and kind == "hashed":
                seen = known.there.get(table)
            if column and seen is not None and column not in seen:
                yield _fault(f"{kind} {entry} met no column; {table} has {_listed(seen)}")


def _fault(what: str) -> Fault:
    return Fault("private-data-unmet", what)


def _listed(names: Collection[str]) -> str:
    shown = sorted(name for name in names if not name.startswith("_fivetran_"))
    more = len(shown) - _MOST
    return ", ".join(shown[:_MOST]) + (f" and {more} more" if more > 0 else "")
