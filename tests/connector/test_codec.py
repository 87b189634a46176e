"""JSON bytes and Python values: exact both ways, and a page of records at the speed of C."""

import dataclasses
import enum
import json
import math
from collections import defaultdict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

import msgspec
import pytest
from connector import codec
from hypothesis import given
from hypothesis import strategies as st


class Text(str):
    def __str__(self):
        return "another text"


class NaT(datetime):
    """As the type of pandas.NaT, which is an instance of datetime."""

    utcoffset = None

    def __ne__(self, other):
        return True

    def isoformat(self, *_):
        return "NaT"


class Colour(str, enum.Enum):  # noqa: UP042
    RED = "red"


class Plain(enum.Enum):
    TEXT = "text"
    RATE = Decimal("1.50")
    NOTHING = float("nan")


Number = enum.IntEnum("Number", [("ONE", 1)])
Row = dataclasses.make_dataclass("Row", [("id", int)])
Pair = namedtuple("Pair", "a b")
INDIA = timezone(-timedelta(hours=5, minutes=30))
NEW_YORK = timezone(-timedelta(hours=4, minutes=56, seconds=2))
WRITTEN = [
    (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"),
    (Decimal("1E+3"), "1E+3"),
    (Decimal("NaN"), "null"),
    (float("nan"), "null"),
    (float("-inf"), "null"),
    (-0.0, "-0.0"),
    (2**64, "18446744073709551616"),
    (10**5000, "1" + "0" * 5000),  # more digits than Python converts to text
    (True, "true"),
    (date(2026, 1, 5), '"2026-01-05"'),
    (datetime(2026, 1, 5, 8, 30), '"2026-01-05T08:30:00"'),
    (datetime(2026, 1, 5, 8, 30, 0, 500, tzinfo=UTC), '"2026-01-05T08:30:00.000500Z"'),
    (datetime(2026, 1, 5, 8, 30, tzinfo=INDIA), '"2026-01-05T08:30:00-05:30"'),
    (datetime(1883, 1, 5, tzinfo=NEW_YORK), '"1883-01-05T00:00:00-04:56:02"'),  # by the sun
    (NaT(2026, 1, 5), "null"),
    (UUID(int=5), '"00000000-0000-0000-0000-000000000005"'),
    (Text("a"), '"a"'),
    (Colour.RED, '"red"'),
    (Plain.TEXT, '"text"'),
    (Plain.RATE, "1.50"),
    (Plain.NOTHING, "null"),
    (Number.ONE, "1"),
    ("a\ud83db", '"a\ufffdb"'),
    ("\U0001f600\u2028\0é", '"\U0001f600\u2028\\u0000é"'),
    (Pair(1, None), "[1,null]"),
    ({Text("a"): 1, Colour.RED: 2}, '{"a":1,"red":2}'),
    ({"\ud83d": 1}, '{"\ufffd":1}'),
    (MappingProxyType({"a": Decimal(1)}), '{"a":1}'),
    (defaultdict(int, x=1), '{"x":1}'),
]
REFUSED = [
    *(b"raw", bytearray(b"raw"), memoryview(b"raw"), {"a"}, frozenset(), timedelta(1), time(1)),
    *(object(), Row(1), msgspec.Raw(b"{}"), msgspec.UNSET, 1j, range(3), {}.items()),
]


def slowly(records):
    """JSON of records whose values were looked at one by one."""
    return codec.encode([codec.jsonable(record) for record in records])


@pytest.mark.parametrize("value, text", WRITTEN, ids=lambda value: type(value).__name__)
def test_python_values_are_written_as_the_destination_can_take_them(value, text):
    assert codec.encode(codec.jsonable(value)).decode() == text
    for records in ([{"x": 1}, {"x": value}], [{"y": [[], {"x": value}]}] * 2):
        data = codec.encode_quickly(records)
        assert data in (None, slowly(records)) and text in slowly(records).decode()


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
def test_any_other_type_is_refused_with_the_place(value):
    """msgspec would write many of them: bytes as base64, sets as lists, dataclasses as objects."""
    kind = rf"a value of type .*{type(value).__name__} cannot be sent as JSON"
    for record, place in (
        ({"x": value}, "x"),
        ({"x": enum.Enum("wrong", {"RAW": [value]}).RAW}, "x.0"),
        ({"a": {"b.c": [0, (value,)]}}, "a.b.c.1.0"),
    ):
        assert codec.encode_quickly([{"x": 1}, record]) is None
        with pytest.raises(codec.NotJson, match=f"^field {place}: {kind}$"):
            codec.jsonable(record)


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text()
SHOWN = [value for value, text in WRITTEN if len(text) < 4300]  # hypothesis calls repr()
ODD = st.sampled_from(SHOWN + REFUSED) | st.text(st.characters(categories=["Cs", "Lu"]))


def nested(scalars, names):
    """Records with such values and names, at any depth."""
    value = st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    )
    return st.lists(st.dictionaries(st.sampled_from("abcd"), value, max_size=4), max_size=5)


@given(nested(SCALARS, st.text(max_size=4)))
def test_what_json_can_carry_is_encoded_quickly_and_decodes_as_json_does(records):
    data = codec.encode_quickly(records)
    assert data is not None and json.loads(data) == codec.parse(data) == records
    assert codec.decode_exact(data) == json.loads(data, parse_float=Decimal)


@given(nested(SCALARS | ODD, st.sampled_from("abc") | st.just(1)))
def test_the_quick_way_agrees_with_the_slow_one(records):
    try:
        slow = slowly(records)
    except codec.NotJson:
        slow = None
    assert codec.encode_quickly(records) in (None, slow)


READ = [
    ("0.1000000000000000055511151231", 0.1, Decimal("0.1000000000000000055511151231")),
    ("1.50", 1.5, Decimal("1.50")),
    ("[1e400, 1.5]", [Decimal("1e400"), 1.5], [Decimal("1e400"), Decimal("1.5")]),
    ("-1e999999999999999999999", -math.inf, -math.inf),  # even Decimal has no room for it
    ("9" * 4300, int("9" * 4300), int("9" * 4300)),
    ("-" + "9" * 5000, Decimal("-" + "9" * 5000), Decimal("-" + "9" * 5000)),
    (r'["\ud83d", 1e400]', ["\ufffd", Decimal("1e400")], ["\ufffd", Decimal("1e400")]),
    (r'{"\ude00": "\\ud83d\ud83d\ude00"}', {"\ufffd": "\\ud83d😀"}, {"\ufffd": "\\ud83d😀"}),
]


@pytest.mark.parametrize("text, parsed, exact", READ, ids=range(len(READ)))
def test_numbers_and_texts_are_read_exactly(text, parsed, exact):
    assert codec.parse(text.encode()) == parsed
    assert codec.decode_exact(text.encode()) == exact
    assert codec.encode(codec.decode_exact(codec.encode(exact))) == codec.encode(exact)
