"""A column's type holds every value it has had, exactly, in whatever order they came."""

import json
from datetime import date, datetime
from decimal import Decimal
from itertools import zip_longest

from harness.warehouse.types import observe
from hypothesis import given
from hypothesis import strategies as st

ZONED = "TIMESTAMP WITH TIME ZONE"
LONG = Decimal("0.1234567890123456789012345678901234567890")
TYPES = [
    ([True, None, False], "BOOLEAN"),
    ([1, -32768], "SMALLINT"),
    ([32768], "INTEGER"),
    ([-(2**31)], "INTEGER"),
    ([1, 70_000, 2**40], "BIGINT"),
    ([2**63 - 1, -(2**63)], "BIGINT"),
    ([1, 2**63], "DECIMAL(38,0)"),
    ([10**38], "VARCHAR"),
    ([Decimal("12.50"), 3], "DECIMAL(18,2)"),
    ([Decimal("1.5"), 10**17], "DECIMAL(38,1)"),
    ([Decimal("-1234567890123456789012345678.0123456789"), 7], "DECIMAL(38,10)"),
    ([Decimal("1E+3")], "DECIMAL(18,0)"),
    ([Decimal("1E-7"), Decimal("0.0")], "DECIMAL(18,7)"),
    ([Decimal("1E+300"), Decimal("5E-324"), 3], "DOUBLE"),
    ([Decimal("1E+400")], "VARCHAR"),
    ([Decimal("1.50"), LONG], "VARCHAR"),
    ([Decimal("1E+300"), 2**53 + 1], "VARCHAR"),
    (["2026-01-05", "0001-01-01", None], "DATE"),
    (["2026-02-30"], "VARCHAR"),
    (["20260105"], "VARCHAR"),
    (["2026-01-05T08:30:00", "2026-01-05 08:30:00.123456", "2026-01-05T08:30"], "TIMESTAMP"),
    (["2026-01-05T08:30:00,5Z"], "VARCHAR"),
    (["2026-01-05T08:30:00.5Z", "2026-01-05T08:30Z", "2026-01-05T08:30:00+05:30"], ZONED),
    (["2026-01-05T24:30:00Z"], "VARCHAR"),
    (["0001-01-01T00:00:00+05:00"], "VARCHAR"),
    (["9999-12-31T23:59:59.999999+00:00", "2026-01-05T08:30:00-05"], ZONED),
    (["2026-01-05T08:30:00.1234567890"], "VARCHAR"),
    (["2026-01-05T08:30:00Z", "2026-01-05T08:30:00"], "VARCHAR"),
    (["2026-01-05", "2026-01-05T08:30:00"], "TIMESTAMP"),
    (["2026-01-05", "2026-01-05T08:30:00Z"], "VARCHAR"),
    (["2026-01-05T08:30:00Z", "", "never"], "VARCHAR"),
    (["２０２６-01-05"], "VARCHAR"),
    ([{"n": Decimal("1.10"), "é": ["x", None, True]}, [2**70], {}], "JSON"),
    ([{"a": Decimal("1.10")}, "a"], "VARCHAR"),
    ([True, 1, "1", Decimal("1.0")], "VARCHAR"),
    (["", "a\0b", "😀 é 名前", "'\"\\\n", "{}", "null", "x" * 100_000, "a\ud800b"], "VARCHAR"),
]


def expected(value, kind):
    """What stands in a column of this type for a value."""
    if value is None:
        return None
    if kind in ("VARCHAR", "JSON"):
        return text(value)
    if kind == "DATE":
        return date.fromisoformat(value)
    if kind.startswith("TIMESTAMP"):
        return datetime.fromisoformat(value)
    return float(value) if kind == "DOUBLE" else value


def text(value):
    """A value as it came: the text itself, the digits of a number, JSON of all else."""
    if isinstance(value, str):
        return "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{inner(k)}:{inner(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(inner, value)) + "]"
    return json.dumps(value)


def inner(value):
    found = text(value)
    return json.dumps(found, ensure_ascii=False) if isinstance(value, str) else found


def test_every_value_is_found_in_the_type_of_its_column(desk):
    """Each row of TYPES is a column; its values come one a reply."""
    columns = {f"c{number}": values for number, (values, _) in enumerate(TYPES)}
    for index, row in enumerate(zip_longest(*columns.values())):
        desk.insert({"id": index, **dict(zip(columns, row, strict=True))})
    found, rows = desk.types(), desk.rows()
    for (name, values), (_, kind) in zip(columns.items(), TYPES, strict=True):
        assert (values, found[name]) == (values, kind)
        there = [row[name] for row in rows][: len(values)]
        assert there == [expected(value, kind) for value in values]


STAMPS = st.one_of(
    st.datetimes().map(datetime.isoformat),
    st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
    st.dates().map(date.isoformat),
    st.sampled_from(["2026-01-05 08:30Z", "2026-01-05T08:30:00,1234567", "N/A", ""]),
)
NUMBERS = st.one_of(
    st.integers(-(10**40), 10**40),
    st.integers(-40_000, 40_000),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.decimals(-1000, 1000, places=2),
    st.floats(allow_nan=False, allow_infinity=False).map(repr).map(Decimal),
)
DOCUMENTS = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)
VALUES = st.one_of(NUMBERS, STAMPS, st.none(), st.booleans(), st.text(), DOCUMENTS)
KINDS = (NUMBERS, STAMPS, VALUES)
LISTS = st.one_of(*map(st.lists, KINDS))


@given(LISTS, LISTS, LISTS)
def test_a_type_does_not_depend_on_the_order_in_which_values_came(a, b, c):
    x, y, z = observe(a), observe(b), observe(c)
    assert x.join(y).join(z) == x.join(y.join(z)) == z.join(y).join(x) == observe([*a, *b, *c])
