"""Types are inferred from values, and widened without regard to their order."""

from decimal import Decimal
from typing import Any

import pytest
from harness.columns import NULL, observe
from hypothesis import given
from hypothesis import strategies as st

TOO_PRECISE = Decimal("0.1234567890123456789012345678901234567890")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, None, False], "BOOLEAN"),
        ([1, -32768], "SMALLINT"),
        ([32768], "INTEGER"),
        ([-(2**31)], "INTEGER"),
        ([2**31], "BIGINT"),
        ([2**63 - 1, -(2**63)], "BIGINT"),
        ([2**63], "DECIMAL(38,0)"),
        ([10**38], "VARCHAR"),
        ([10**5000], "VARCHAR"),
        ([Decimal("12.50"), 3], "DECIMAL(18,2)"),
        ([Decimal("1.5"), 10**17], "DECIMAL(38,1)"),
        ([Decimal("1E+3")], "DECIMAL(18,0)"),
        ([Decimal("1E+300")], "DOUBLE"),
        ([Decimal("1E-30"), Decimal("1E+30")], "DOUBLE"),
        ([Decimal("1E+400")], "VARCHAR"),
        ([TOO_PRECISE], "VARCHAR"),
        ([Decimal("1E+300"), 2**53 + 1], "VARCHAR"),
        (["2026-01-05", None], "DATE"),
        (["2026-02-30"], "VARCHAR"),
        (["20260105"], "VARCHAR"),
        (["2026-01-05T08:30:00"], "TIMESTAMP"),
        (["2026-01-05 08:30:00.123456"], "TIMESTAMP"),
        (["2026-01-05T08:30:00.123456789"], "TIMESTAMP"),
        (["2026-01-05T08:30:00.1234567Z"], "TIMESTAMP WITH TIME ZONE"),
        (["2026-01-05T08:30:00.1234567890"], "VARCHAR"),
        (["2026-01-05T08:30:00,5z"], "TIMESTAMP WITH TIME ZONE"),
        (["2026-01-05T08:30:00.123456000"], "TIMESTAMP"),
        (["2026-01-05T08:30Z"], "TIMESTAMP WITH TIME ZONE"),
        (["2026-01-05T08:30:00+05:30"], "TIMESTAMP WITH TIME ZONE"),
        (["2026-01-05T24:30:00Z"], "VARCHAR"),
        (["0001-01-01T00:00:00+05:00"], "VARCHAR"),
        (["0001-01-01T00:00:00"], "TIMESTAMP"),
        (["2026-01-05T08:30:00Z", "2026-01-05T08:30:00"], "VARCHAR"),
        (["2026-01-05", "2026-01-05T08:30:00"], "TIMESTAMP"),
        (["2026-01-05", "2026-01-05T08:30:00Z"], "VARCHAR"),
        (["2026-01-05T08:30:00Z", ""], "VARCHAR"),
        (["２０２６-01-05"], "VARCHAR"),
        ([{"a": 1}, [1], {}], "JSON"),
        ([{"a": 1}, "a"], "VARCHAR"),
        ([True, 1], "VARCHAR"),
        ([1, "1"], "VARCHAR"),
    ],
)
def test_the_type_of(values: list[Any], kind: str) -> None:
    assert observe(values).sql == kind


def test_nulls_alone_have_no_type() -> None:
    assert observe([None, None]) is NULL


STAMPS = st.sampled_from(
    [
        "2026-01-05T08:30:00Z",
        "2026-01-05 08:30Z",
        "2026-01-05T08:30:00,1234567",
        "2026-01-05T08:30:00",
        "2026-01-05",
        "N/A",
        "",
    ]
)
NUMBERS = st.one_of(
    st.integers(-(10**40), 10**40),
    st.integers(-40000, 40000),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False).map(repr).map(Decimal),
)
VALUES = st.one_of(NUMBERS, STAMPS, st.none(), st.booleans(), st.just([]), st.just({}))
SAME_KIND = st.one_of(st.lists(NUMBERS), st.lists(STAMPS), st.lists(VALUES))


@given(SAME_KIND, SAME_KIND, SAME_KIND)
def test_a_type_does_not_depend_on_the_order_in_which_values_came(
    a: list[Any], b: list[Any], c: list[Any]
) -> None:
    x, y, z = observe(a), observe(b), observe(c)
    assert x.join(y).join(z) == x.join(y.join(z)) == z.join(y).join(x) == observe([*a, *b, *c])
