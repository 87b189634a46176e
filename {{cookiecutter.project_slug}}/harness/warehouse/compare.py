"""Where two warehouses differ in the rows that are not deleted.

Types, deleted rows and Fivetran's columns are left aside; a column that is missing is null
throughout. Numbers with a point compare as doubles, times as instants, all else by its text.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from harness.warehouse import Warehouse
from harness.warehouse.names import quoted, to_name
from harness.warehouse.store import INDEX, Store, Table
from harness.warehouse.types import NULL, Shape

_FOUND, _EXPECTED = "_harness_found", "_harness_expected"


@dataclass(frozen=True)
class Difference:
    """Where a table differs: its first record, and how many there are.

    Attributes:
        key: Primary key of the first record that differs; all of the row where there is no key.
        column: The column that differs, None where the record is in one of the two alone.
        what: What the record is, where no column differs: `missing`, `one too many`.
        missing: How many records are missing; `surplus` are too many, `changed` differ in a value.
    """

    table: str
    key: dict[str, str | None] = field(default_factory=dict)
    column: str | None = None
    found: str | None = None
    expected: str | None = None
    what: str = "differs"
    missing: int = 0
    surplus: int = 0
    changed: int = 0

    def __str__(self) -> str:
        record = ", ".join(f"{name}={_quoted(value)}" for name, value in self.key.items())
        text = f"{self.table}: the record {record} is {self.what}"
        if self.column is not None:
            text = (
                f"{self.table}: the record {record} has {self.column}={_quoted(self.found)}, "
                f"and should have {self.column}={_quoted(self.expected)}"
            )
        numbers = (
            f"{count:,} {what}"
            for count, what in (
                (self.missing, "missing"),
                (self.surplus, "too many"),
                (self.changed, "with other values"),
            )
            if count
        )
        several = self.missing + self.surplus + self.changed > 1
        return f"{text} (in all: {', '.join(numbers)})" if several else text


def difference(
    found: Warehouse,
    expected: Warehouse,
    *,
    entities: Collection[str] | None = None,
    appended: Collection[str] = (),
) -> Difference | None:
    """The first table in which `found` is not as it should be; see `differences`."""
    return next(iter(differences(found, expected, entities=entities, appended=appended)), None)


def differences(
    found: Warehouse,
    expected: Warehouse,
    *,
    entities: Collection[str] | None = None,
    appended: Collection[str] = (),
) -> list[Difference]:
    """Every table in which `found` is not as it should be, by name.

    Args:
        found: What is looked at.
        expected: What should be there.
        entities: Tables that must have nothing else; others are filled beside an entity and only
            ever grow, so they may have more rows. None: all must.
        appended: Tables without a primary key whose rows may be there several times.
    """
    exact = None if entities is None else {to_name(name, table=True) for name in entities}
    repeating = {to_name(name, table=True) for name in appended}
    with ExitStack() as stack:
        ours = stack.enter_context(found.transaction())
        theirs = stack.enter_context(expected.transaction())
        made = {table.name for store in (ours, theirs) for table in store.made}
        compared = (
            _compare(
                ours,
                theirs,
                name,
                may_have_more=exact is not None and name not in exact,
                repeats=name in repeating,
            )
            for name in sorted(made)
        )
        return [differs for differs in compared if differs]


def _compare(
    ours: Store, theirs: Store, name: str, *, may_have_more: bool, repeats: bool
) -> Difference | None:
    """Copies both tables to temporary ones of canonical texts, and compares those."""
    there, due = (store.tables.get(name) or Table(name) for store in (ours, theirs))
    key = due.primary_key if due.made else there.primary_key
    columns = list(dict.fromkeys((*due.filled, *there.filled)))
    texts = {
        c: _canonical(quoted(c), due.columns.get(c, NULL), there.columns.get(c, NULL))
        for c in columns
    }
    identity = f"to_json([{', '.join(map(quoted, key or columns))}])::VARCHAR"
    if not key and not repeats:  # the second of two rows that are alike is a row, too
        identity += f" || row_number() OVER (PARTITION BY {identity} ORDER BY {INDEX})"
    for stage, source, table in ((_EXPECTED, theirs, due), (_FOUND, ours, there)):
        _copy(source, table, texts, ours, stage)
    rows = (
        f"(SELECT *, {identity} AS _fivetran_key, true AS _fivetran_there FROM {stage}) AS {name}"
        for stage, name in ((_EXPECTED, "e"), (_FOUND, "f"))
    )
    wanted = [f"{side}.{quoted(c)}" for side in "ef" for c in ("_fivetran_there", *columns)]
    differs = [f"e.{quoted(c)} IS DISTINCT FROM f.{quoted(c)}" for c in columns]
    alone = ["e._fivetran_there IS NULL", "f._fivetran_there IS NULL"]
    found = ours.query(
        f"SELECT {', '.join(wanted)} FROM {' FULL JOIN '.join(rows)} USING (_fivetran_key) "
        f"WHERE {' OR '.join([*alone, *differs])} ORDER BY e.{INDEX}, f.{INDEX}"
    )
    width = len(columns) + 1
    pairs = [(row[:width], row[width:]) for row in found]
    missing = [should for should, has in pairs if not has[0]]
    surplus = [has for should, has in pairs if not should[0] and not may_have_more]
    changed = [(should, has) for should, has in pairs if should[0] and has[0]]
    if not (missing or changed or surplus):
        return None
    first = [*missing, *(should for should, _ in changed), *surplus][0]
    row = dict(zip(columns, first[1:], strict=True))
    difference = Difference(
        name,
        {c: row[c] for c in key or columns if key or row[c] is not None},
        what="missing" if missing else "one too many",
        missing=len(missing),
        surplus=len(surplus),
        changed=len(changed),
    )
    if missing or not changed:
        return difference
    has = dict(zip(columns, changed[0][1][1:], strict=True))
    column = next(c for c in columns if row[c] != has[c])
    return replace(
        difference, column=column, found=has[column], expected=row[column], what="differs"
    )


def _copy(source: Store, table: Table, texts: dict[str, str], target: Store, stage: str) -> None:
    """Copies live rows between two files, a JSON list a column: neither may open the other."""
    lists = [
        f"to_json(list({text if column in table.filled else 'NULL'} "
        f"ORDER BY _fivetran_batch, {INDEX}))::VARCHAR"
        for column, text in texts.items()
    ]
    count, values = 0, [None for _ in texts]
    if table.made:
        query = f"SELECT {', '.join(['count(*)', *lists])} FROM {table.texts}"
        ((count, *values),) = source.query(f"{query} WHERE NOT _fivetran_deleted")
    columns = {name: value or "[]" for name, value in zip(texts, values, strict=True)}
    target.stage(stage, columns, count)


def _canonical(column: str, one: Shape, other: Shape) -> str:
    """The SQL of a text that is the same for the same value, however it is written."""
    both = one.join(other)
    kinds = one.kinds | other.kinds
    if kinds == {"json"}:
        return f"json_extract({column}, '$')::VARCHAR"
    if kinds == {"instant"}:
        stamp = f"make_timestamp(epoch_us({both.cast(column)}))"
        return f"strftime({stamp}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kinds and kinds <= {"timestamp", "date"}:
        return f"{both.cast(column)}::VARCHAR"
    if not both.fractional:
        return column
    # Integers compare exactly, whatever their size; what has a point or an exponent as a double.
    double = f"TRY_CAST({column} AS DOUBLE)"
    return (
        f"CASE WHEN regexp_full_match({column}, '-?[0-9]+') OR {double} IS NULL THEN {column} "
        f"WHEN {double} = trunc({double}) AND abs({double}) < 1e15 "
        f"THEN {double}::BIGINT::VARCHAR ELSE {double}::VARCHAR END"
    )


def _quoted(value: str | None) -> str:
    return "null" if value is None else repr(value)
