# Owned by fivetran-azfn-template: updates replace this file.
"""The parts of the page about tables: columns with types and null shares, and some rows."""

from __future__ import annotations

from collections.abc import Mapping

from harness.records import RESERVED
from harness.report.facts import Facts, Shown
from harness.report.html import Html, tag
from harness.report.run import scrolled
from harness.screen import counted
from harness.tables import Column, Table

_SHORT_HASH = 12  # characters of a hash that are shown
_CHANGES = (
    ("inserted", "new"),
    ("replaced", "updated"),
    ("deleted", "deleted"),
    ("marked", "marked deleted"),
)


def tables(facts: Facts) -> Html:
    """All tables."""
    changes = facts.runs[0].tables if facts.runs else {}
    gone = facts.blocked - {shown.table.name for shown in facts.tables}
    left_out = [tag("code", name) for name in sorted(gone)]
    return tag(
        "section",
        tag(
            "h2",
            "Tables",
            tag("span", "schema ", tag("code", facts.schema), class_="aside"),
        ),
        tag("p", "There are none yet.", class_="quiet") if not facts.tables else None,
        tag("p", "Blocked, not written: ", left_out, class_="quiet") if left_out else None,
        [_table(shown, changes.get(shown.table.name, {}), facts.blocked) for shown in facts.tables],
        id="tables",
    )


def _table(shown: Shown, changes: Mapping[str, int], blocked: frozenset[str]) -> Html:
    table = shown.table
    return tag(
        "article",
        tag(
            "h3",
            table.name,
            " ",
            _chip("blocked: not written any more", "fair") if table.name in blocked else None,
            tag("span", _told(table), class_="aside"),
        ),
        _changes(changes),
        tag(
            "table",
            tag("thead", tag("tr", *(tag("th", name) for name in ("column", "type", "null")))),
            tag(
                "tbody",
                [_column(column, table, shown.blocked) for column in table.columns],
                [_missing(name) for name in sorted(_unwritten(shown))],
            ),
            class_="columns",
        ),
        _rows(shown),
        class_="card table",
        id=f"table-{table.name}",
    )


def _told(table: Table) -> str:
    deleted = f", {table.deleted:,} of them deleted" if table.deleted else ""
    key = f"key {', '.join(table.primary_key)}" if table.primary_key else "no key: appended"
    return f"{counted(table.rows, 'row')}{deleted} · {key}"


def _changes(changes: Mapping[str, int]) -> Html | None:
    numbers = dict(changes)
    # What was replaced is counted as inserted, too.
    numbers["inserted"] = numbers.get("inserted", 0) - numbers.get("replaced", 0)
    told = [f"{numbers[name]:,} {word}" for name, word in _CHANGES if numbers.get(name)]
    if not told:
        return tag("p", "The last run changed nothing here.", class_="soft")
    return tag("p", f"The last run: {', '.join(told)}.", class_="soft")


def _column(column: Column, table: Table, blocked: frozenset[str]) -> Html:
    own = column.name.startswith(RESERVED)
    share = column.nulls / table.rows if table.rows else 0.0
    return tag(
        "tr",
        tag(
            "td",
            tag("code", column.name),
            _chip("key", "key") if column.name in table.primary_key else None,
            _chip("hashed", "hashed") if column.hashed else None,
            _chip("blocked: not written any more", "fair") if column.name in blocked else None,
            _chip("Fivetran’s own", "own") if own else None,
        ),
        tag("td", column.type, class_="type"),
        tag("td", _share(share)),
        class_="own" if own else None,
    )


def _missing(name: str) -> Html:
    chip = _chip("blocked: not written", "fair")
    return tag("tr", tag("td", tag("code", name), chip), tag("td", "–"), tag("td", "–"))


def _unwritten(shown: Shown) -> frozenset[str]:
    return shown.blocked - {"", *(column.name for column in shown.table.columns)}


def _share(share: float) -> Html:
    words = f"{share:.0%}" if share in (0, 1) or 0.005 <= share < 0.995 else f"{share:.1%}"
    bar = tag("i", style=f"width:{share:.1%}")
    return tag("span", tag("span", bar, class_="bar"), words, class_="share")


def _rows(shown: Shown) -> Html | None:
    if not shown.rows:
        return None
    columns = shown.table.columns
    heads = [
        tag("th", column.name, scope="col", class_="number" if _is_number(column) else None)
        for column in columns
    ]
    lines = [
        tag(
            "tr",
            [_cell(value, column) for value, column in zip(row, columns, strict=True)],
            class_="deleted" if deleted else None,
        )
        for row, deleted in zip(shown.rows, shown.deleted, strict=True)
    ]
    table = tag("table", tag("thead", tag("tr", heads)), tag("tbody", lines), class_="sample")
    few = f"The first {len(lines)} of {counted(shown.table.rows, 'row')}"
    told = few if shown.table.rows > len(lines) else f"All {counted(len(lines), 'row')}"
    return tag("figure", tag("figcaption", told, class_="soft"), scrolled(table))


def _cell(value: str | None, column: Column) -> Html:
    if value is None:
        return tag("td", tag("span", "null", class_="null"))
    if column.hashed:
        return tag("td", tag("span", value[:_SHORT_HASH], "…", class_="hash"))
    kinds = ["number" if _is_number(column) else "", "own" if _is_own(column) else ""]
    return tag("td", value, class_=" ".join(filter(None, kinds)) or None)


def _is_own(column: Column) -> bool:
    return column.name.startswith(RESERVED)


def _is_number(column: Column) -> bool:
    return column.type.startswith("DECIMAL") or column.type in _NUMBERS


def _chip(words: str, kind: str) -> Html:
    return tag("span", words, class_=f"chip {kind}")


_NUMBERS = ("SMALLINT", "INTEGER", "BIGINT", "DOUBLE")
