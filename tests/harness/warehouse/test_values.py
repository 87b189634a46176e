"""A column widens in place and loses no value."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from harness.columns import observe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def test_integers_grow_from_16_over_32_and_64_bits_to_decimals(desk: Any) -> None:
    assert desk.kept(1)[0] == "SMALLINT"
    assert desk.kept(1, 70_000)[0] == "INTEGER"
    assert desk.kept(1, 70_000, 2**40) == ("BIGINT", [1, 70_000, 2**40])
    assert desk.kept(1, 2**40, 2**70) == ("DECIMAL(38,0)", [1, 2**40, 2**70])


def test_an_integer_beyond_38_digits_makes_the_column_a_string(desk: Any) -> None:
    assert desk.kept(2**40, 10**50) == ("VARCHAR", [str(2**40), str(10**50)])


def test_decimals_keep_every_digit(desk: Any) -> None:
    values = [Decimal("0.1"), Decimal("1234567890123456789012345678.0123456789"), 7]
    assert desk.kept(*values) == ("DECIMAL(38,10)", values)


def test_numbers_too_wide_for_a_decimal_are_doubles_if_that_loses_nothing(desk: Any) -> None:
    values = [Decimal("0.1"), Decimal("1E+300"), Decimal("5E-324"), 3]
    assert desk.kept(*values) == ("DOUBLE", [0.1, 1e300, 5e-324, 3.0])


def test_a_number_that_a_double_would_round_makes_the_column_a_string(desk: Any) -> None:
    long = "0.1234567890123456789012345678901234567890123"
    assert desk.kept(Decimal("1.50"), Decimal(long)) == ("VARCHAR", ["1.5", long])


def test_a_double_as_text_is_written_out(desk: Any) -> None:
    kept = desk.kept(Decimal("1E+30"), Decimal("-2.5E-20"), Decimal("100.0"), "n/a")
    assert kept == ("VARCHAR", ["1" + "0" * 30, "-0.000000000000000000025", "100", "n/a"])


def test_a_number_beyond_doubles_makes_the_column_a_string(desk: Any) -> None:
    assert desk.kept(1, Decimal("1E+999999")) == ("VARCHAR", ["1", "1E+999999"])


def test_a_boolean_beside_a_number_makes_the_column_a_string(desk: Any) -> None:
    assert desk.kept(True, 1, None) == ("VARCHAR", ["true", "1", None])


def test_numbers_before_a_string_are_written_without_trailing_zeros(desk: Any) -> None:
    kept = desk.kept(Decimal("12.50"), Decimal("12.00"), 100, Decimal("0.00"), "none")
    assert kept == ("VARCHAR", ["12.5", "12", "100", "0", "none"])


def test_iso_strings_are_instants_whatever_their_offset(desk: Any) -> None:
    kind, kept = desk.kept("2026-01-05T08:30:00Z", "2026-01-05T10:30:00.5+02:00")
    assert kind == "TIMESTAMP WITH TIME ZONE"
    assert kept == [
        datetime(2026, 1, 5, 8, 30, tzinfo=UTC),
        datetime(2026, 1, 5, 8, 30, 0, 500_000, tzinfo=UTC),
    ]


def test_iso_strings_without_an_offset_are_timestamps(desk: Any) -> None:
    assert desk.kept("2026-01-05T08:30:00") == ("TIMESTAMP", [datetime(2026, 1, 5, 8, 30)])


def test_dates_are_dates(desk: Any) -> None:
    assert desk.kept("2026-01-05", "0001-01-01") == ("DATE", [date(2026, 1, 5), date(1, 1, 1)])


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-01-05",
        "2026-01-05T08:30:00Z",
        "2026-01-05T08:30Z",
        "2026-01-05 08:30:00",
        "2026-01-05T08:30:00.120",
        "2026-01-05T08:30:00.120000000+05:30",
        "2026-01-05T00:30:00.000001-0800",
        "9999-12-31T23:59:59.999999+00:00",
        "0001-01-01T00:00:00-05",
    ],
)
def test_timestamps_of_one_form_come_back_to_the_letter_when_a_string_joins_them(
    desk: Any, stamp: str
) -> None:
    assert desk.kept(stamp)[0] != "VARCHAR"
    assert desk.kept(stamp, "never") == ("VARCHAR", [stamp, "never"])


def test_timestamps_of_several_forms_become_iso_strings_in_utc(desk: Any) -> None:
    kept = desk.kept("2026-01-05T10:30:00+02:00", "2026-01-05T08:30:00.120Z", "never")
    assert kept == ("VARCHAR", ["2026-01-05T08:30:00Z", "2026-01-05T08:30:00.12Z", "never"])


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-05T08:30:00.1234567Z",
        "2026-01-05T08:30:00.123456789Z",
        "2026-01-05T08:30:00,123456Z",
        "2026-01-05T08:30:00.123456z",
        "2026-01-05T10:30:00,123456789+02:00",
    ],
)
def test_an_instant_of_any_spelling_is_cut_at_the_microsecond(desk: Any, text: str) -> None:
    instant = datetime(2026, 1, 5, 8, 30, 0, 123456, tzinfo=UTC)
    assert desk.kept(text) == ("TIMESTAMP WITH TIME ZONE", [instant])
    # As text it is what the column still knows.
    assert desk.kept(text, "n/a") == ("VARCHAR", ["2026-01-05T08:30:00.123456Z", "n/a"])


def test_a_date_beside_a_time_without_zone_is_its_midnight(desk: Any) -> None:
    kept = [datetime(2026, 1, 4), datetime(2026, 1, 5, 8, 30)]
    assert desk.kept("2026-01-04", "2026-01-05T08:30:00") == ("TIMESTAMP", kept)
    assert desk.kept("2026-01-05T08:30:00", "2026-01-04") == ("TIMESTAMP", kept[::-1])


def test_objects_and_lists_are_json_with_exact_numbers(desk: Any) -> None:
    document = {"n": Decimal("1.10"), "big": 2**70, "é": ["x", None, True]}
    kind, kept = desk.kept(document, [])
    assert kind == "JSON"
    assert kept == ['{"n":1.10,"big":1180591620717411303424,"é":["x",null,true]}', "[]"]


def test_json_beside_a_string_stays_as_text(desk: Any) -> None:
    assert desk.kept({"a": 1}, "b", [1]) == ("VARCHAR", ['{"a":1}', "b", "[1]"])


def test_text_of_every_kind_arrives_as_it_was(desk: Any) -> None:
    texts = ["", "a\0b", "😀 é 名前", "'\"\\\n", "{}", "null", "x" * 100_000]
    assert desk.kept(*texts) == ("VARCHAR", texts)


def test_half_a_surrogate_pair_becomes_the_replacement_character(desk: Any) -> None:
    assert desk.kept("a\ud800b", "ok") == ("VARCHAR", ["a\ufffdb", "ok"])


def test_json_with_odd_keys_and_characters_survives(desk: Any) -> None:
    document = {"": 1, 'a"b': "\0", "é\n": "\ud800", "n": Decimal("1E+400")}
    _, (kept,) = desk.kept(document)
    expected = document | {"é\n": "\ufffd"}
    assert json.loads(kept, parse_float=Decimal) == expected


def test_json_64_levels_deep_survives(desk: Any) -> None:
    document: Any = 1
    for level in range(64):
        document = [document] if level % 2 else {"k": document}
    _, (kept,) = desk.kept(document)
    assert json.loads(kept) == document


TEXTS = st.one_of(
    st.text(),
    st.datetimes().map(datetime.isoformat),
    st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
    st.dates().map(date.isoformat),
)
NUMBERS = st.one_of(
    st.integers(),
    st.integers(-(10**40), 10**40),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: Decimal(repr(value))),
)
DOCUMENTS = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)
VALUES = st.one_of(
    NUMBERS, TEXTS, st.booleans(), DOCUMENTS.filter(lambda v: isinstance(v, list | dict))
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(
        st.lists(NUMBERS, min_size=1), st.lists(TEXTS, min_size=1), st.lists(VALUES, min_size=1)
    )
)
def test_every_value_is_found_again_in_whatever_type_its_column_got(
    desk: Any, values: list[Any]
) -> None:
    desk.warehouse.reset()
    half = len(values) // 2
    records = [{"id": index, "v": value} for index, value in enumerate(values)]
    desk.insert(*records[:half])
    desk.insert(*records[half:])
    assert desk.types()["v"] == observe(values).sql
    for row, value in zip(desk.rows(), values, strict=True):
        assert desk.meaning(row["v"]) == desk.meaning(value)
