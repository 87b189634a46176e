"""JSON bytes and Python values: exact both ways, and a page of records at the speed of C."""

import dataclasses
import enum
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from connector import codec


class Text(str):
    def __str__(self) -> str:
        return "another text"


Level, Real, Money = (type("Mine", (kind,), {}) for kind in (int, float, Decimal))


class Stamp(datetime):
    """As pandas.Timestamp."""


class NaT(datetime):
    """As the type of pandas.NaT, which is an instance of datetime."""

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    def isoformat(self, *_: Any) -> str:
        return "NaT"

    utcoffset = None  # type: ignore[assignment]


class Colour(str, enum.Enum):  # noqa: UP042
    RED = "red"


class Plain(enum.Enum):
    NOTHING = float("nan")
    DAY = date(2026, 1, 5)


LONG = 10**5000  # more digits than Python converts to text
WRITTEN: list[tuple[Any, str]] = [
    (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"),
    (Money("1.10"), "1.10"),
    (Decimal("NaN"), "null"),
    (Decimal("-Infinity"), "null"),
    (Money("NaN"), "null"),
    (float("-inf"), "null"),
    (Real("nan"), "null"),
    (-0.0, "-0.0"),
    (2**64, "18446744073709551616"),
    (LONG, "1" + "0" * 5000),
    (Level(3), "3"),
    (True, "true"),
    (date(2026, 1, 5), '"2026-01-05"'),
    (datetime(2026, 1, 5, 8, 30), '"2026-01-05T08:30:00"'),
    (datetime(2026, 1, 5, 8, 30, 0, 500, tzinfo=UTC), '"2026-01-05T08:30:00.000500Z"'),
    (datetime(1800, 1, 1, tzinfo=ZoneInfo("America/New_York")), '"1800-01-01T00:00:00-04:56:02"'),
    (Stamp(2026, 1, 5, tzinfo=UTC), '"2026-01-05T00:00:00Z"'),
    (NaT(2026, 1, 5), "null"),
    (UUID(int=5), '"00000000-0000-0000-0000-000000000005"'),
    (Text("a"), '"a"'),
    (Colour.RED, '"red"'),
    (Plain.NOTHING, "null"),
    (Plain.DAY, '"2026-01-05"'),
    ("a\ud83db", '"a\ufffdb"'),
    ("\U0001f600\u2028\0é", '"\U0001f600\u2028\\u0000é"'),
    ((1, "a"), '[1,"a"]'),
    ({Text("a"): 1, Colour.RED: 2}, '{"a":1,"red":2}'),
    (MappingProxyType({"a": Decimal(1)}), '{"a":1}'),
]


def converted(records: list[Any]) -> bytes:
    """Records as JSON, as a page encodes them."""
    data = codec.encode_quickly(list(map(dict, records)))
    return codec.encode([codec.plain(record) for record in records]) if data is None else data


@pytest.mark.parametrize(("value", "text"), WRITTEN, ids=lambda value: type(value).__name__)
def test_python_values_are_written_as_the_destination_can_take_them(value: Any, text: str) -> None:
    """Alone, and where it hides: in one record of many, deep, ragged, behind others of its kind."""
    assert codec.encode(codec.plain(value)).decode() == text
    for records in (
        [{"x": value}],
        [{"x": None}, {"x": 1}, {"x": value}],
        [{"x": [[], [{"y": value}]]}, {}],
        [{"x": {"y": 1}}, {"x": {"y": value}}, {"x": {"y": "a"}}],
        [{"x": {"y": 1}}, {"x": {"z": value}}, {"x": {"y": "a"}}],
        [defaultdict(int, x=value), {"y": value}, {"z": 1}],
    ):
        data = converted(records).decode()
        assert text in data
        assert data == codec.encode([codec.plain(record) for record in records]).decode()


REFUSED: list[Any] = [
    *(b"raw", bytearray(b"raw"), {"a"}, timedelta(1), object(), 1j, range(3), {}.items()),
    *(dataclasses.make_dataclass("Row", "a")(1), msgspec.Raw(b"{}"), msgspec.UNSET),
]


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
def test_any_other_type_is_refused_with_the_place(value: Any) -> None:
    """msgspec would write many of them: bytes as base64, sets as lists, dataclasses as objects."""
    for records, place in (
        ([{"x": value}], "field x"),
        ([{"x": 1}, {"x": value}], "field x"),
        ([{"x": enum.Enum("wrong", {"RAW": [value]}).RAW}], "field x"),
        ([{"a": {"b.c": [0, value]}}], "field a.b.c.1"),
        ([{"a": 1}] * 3 + [{"a": {"x": {"y": (value,)}}}], "field a.x.y.0"),
    ):
        assert codec.encode_quickly(records) is None
        why = f"^{place}.*: a value of type .*{type(value).__name__} cannot be sent as JSON"
        with pytest.raises(codec.NotJson, match=why):
            codec.plain(records[-1])


@pytest.mark.parametrize("name", [1, None, True, b"a", (1,)])
def test_a_name_that_is_not_text_is_refused(name: Any) -> None:
    assert codec.encode_quickly([{"a": 1}, {"b": {"c": [{name: 1}]}}]) is None
    with pytest.raises(codec.NotJson, match=r"field a.0: the key .* is of type .*; keys must be"):
        codec.plain({"a": [{name: 1}]})


def test_what_holds_itself_or_is_too_deep_is_an_error_and_no_crash() -> None:
    loop: dict[str, Any] = {}
    loop["x"] = [loop]
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for value in (loop, deep):
        assert codec.encode_quickly([{"x": value}]) is None
        for refuse in (codec.plain, codec.encode):
            with pytest.raises(RecursionError):
                refuse(value)


SHOWN = [value for value, text in WRITTEN if len(text) < 4300]  # hypothesis calls repr()


EXACT = [Decimal("0.1000000000000000055511151231"), Decimal("1E+400")]


@pytest.mark.parametrize("value", [1.5, 0.1, 1e22, 5e-324, -0.0, [1, {"a": 2.5}], None, "x", EXACT])
def test_a_value_that_comes_back_from_the_state_is_the_one_the_step_wrote(value: Any) -> None:
    back = codec.loose(codec.decode_exact(codec.encode(value)))
    assert back == value and repr(back) == repr(value)
