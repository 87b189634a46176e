# Owned by fivetran-azfn-template: updates replace this file.
"""Values on their way into a column, and from one type to a wider one; it infers no types."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from harness.columns import MIXED, Shape
from harness.jsontext import dump_sound, sound

# What JSON itself carries exactly; all else travels as text, which DuckDB casts.
_JSON_TYPES = ("BOOLEAN", "SMALLINT", "INTEGER", "BIGINT", "DOUBLE")


def encode(values: list[Any], shape: Shape) -> str:
    """`values` as one JSON list, for `decoded`."""
    convert = _converter(values, shape)
    if convert is not None:
        values = [None if value is None else convert(value) for value in values]
    return dump_sound(values)


def decoded(shape: Shape) -> str:
    """The SQL that unpacks a parameter from `encode`, a row each.

    One JSON text a column loads five times as fast as a list of Python values.
    """
    wire = shape.sql if shape.sql in _JSON_TYPES else "VARCHAR"
    return f"""unnest(from_json_strict(?, '["{wire}"]'))::{shape.sql}"""


def as_text(value: Any) -> str:
    """A value as it stands in a VARCHAR column: numbers plain, objects and lists as JSON."""
    if isinstance(value, str):
        return sound(value)
    if isinstance(value, bool | dict | list):
        return dump_sound(value)
    return number_text(value)


def number_text(value: int | Decimal) -> str:
    """A number without exponent and trailing zeros; beyond 400 digits with an exponent."""
    number = Decimal(value)
    if not number:
        return "0"
    if abs(number.adjusted()) > 400:
        return str(number)
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def widened(column: str, old: Shape, new: Shape) -> str:
    """The SQL that turns `column` (quoted) from the old shape's type into the new one's.

    From DOUBLE to VARCHAR, numbers that DuckDB writes with an exponent are left to `number_text`.
    """
    if new.sql == "VARCHAR":
        return _text_sql(column, old)
    return f"{column}::VARCHAR::DOUBLE" if new.sql == "DOUBLE" else f"{column}::{new.sql}"


def _text_sql(column: str, shape: Shape) -> str:
    """The SQL of what `as_text` gives for the values in `column`."""
    if shape.kind in ("timestamp", "instant"):
        return _stamp_sql(column, shape)
    if shape.fractional:
        trimmed = rf"regexp_replace({column}::VARCHAR, '(\.[0-9]*?)0+$', '\1')"
        return rf"regexp_replace({trimmed}, '\.$', '')"
    return f"{column}::VARCHAR"


def _stamp_sql(column: str, shape: Shape) -> str:
    """The SQL that writes timestamps in their form; in a mixed one as ISO 8601, in UTC."""
    if shape.form == MIXED:
        plain = f"strftime(make_timestamp(epoch_us({column})), '%Y-%m-%dT%H:%M:%S.%f')"
        zone = "Z" if shape.kind == "instant" else ""
        return rf"regexp_replace({plain}, '\.?0+$', '') || '{zone}'"
    separator, length, zone = shape.form[0], shape.form[1:3], shape.form[3:]
    offset = datetime.fromisoformat(f"2000-01-01T00:00{zone}").utcoffset() or timedelta(0)
    local = f"make_timestamp(epoch_us({column}) + {offset // timedelta(microseconds=1)})"
    digits = f"strftime({local}, '%Y-%m-%d{separator}%H:%M:%S.%f')"
    return f"rpad({digits}, {length}, '0') || '{zone}'"


def _stamp(value: str) -> str:
    return value.replace(",", ".").upper()


def _converter(values: list[Any], shape: Shape) -> Callable[[Any], Any] | None:
    if shape.kind == "json":
        return dump_sound
    if shape.kind == "text":
        return as_text if set(map(type, values)) - {str, type(None)} else None
    if shape.kind in ("timestamp", "instant"):
        # DuckDB reads neither a comma nor a small z; digits behind the microsecond it leaves out.
        return _stamp if shape.form == MIXED else None
    if shape.sql.startswith("DECIMAL"):
        return str
    return float if shape.sql == "DOUBLE" else None
