# Owned by fivetran-azfn-template: updates replace this file.
"""Instants in ISO 8601: read exactly, written in the form of another; it knows no cursor."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Literal, NamedTuple

EXACT = Context(prec=80)
DAY = Decimal(86400)
_EPOCH = datetime(1970, 1, 1)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_ISO = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)"
    r"(?:([Tt ])(\d\d):?(\d\d)(?::?(\d\d)(?:([.,])(\d+))?)?"
    r"( ?(?:[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?))?)?"
)


class Instant(NamedTuple):
    """A moment.

    Attributes:
        at: Seconds since the epoch; of one without an offset, as its zone says, else as if in UTC.
        naive: Whether it was written without an offset.
    """

    at: Decimal
    naive: bool


def usual(text: str) -> Instant | None:
    """An instant as most upstreams write it, read quickly; None for other forms.

    Fractions beyond microseconds, which `fromisoformat` would cut off, are among the others.
    """
    if text[4:5] != "-" or text[10:11] not in ("T", " ") or not 19 <= len(text) <= 27:
        return None
    if text[16] != ":" or (len(text) > 19 and text[-1] != "Z"):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    since = moment.replace(tzinfo=None) - _EPOCH
    at = Decimal(since.days * 86400 + since.seconds)
    if since.microseconds:
        at = EXACT.add(at, Decimal(since.microseconds).scaleb(-6))
    return Instant(at, moment.tzinfo is None)


def read(text: str, zone: tzinfo | None, *, fold: Literal[0, 1] = 1) -> Instant | None:
    """An instant in any form of ISO 8601 that has a day; None for what is none.

    Args:
        text: As the upstream wrote it.
        zone: Of instants without an offset, or None if unknown.
        fold: In the hour that comes twice, 0 for the first time and 1 for the second: the later
            one, so that nothing is held back too short.
    """
    written = _ISO.fullmatch(text)
    if written is None:
        return None
    year, month, day, _, hour, minute, second, _, fraction, offset = written.groups()
    hours, minutes, rest = int(hour or 0), int(minute or 0), int(second or 0)
    if hours > 24 or minutes > 59 or rest > 60:
        return None
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAY
        seconds = days * 86400 + hours * 3600 + minutes * 60 + rest
        if offset is not None:
            seconds -= _offset(offset)
        elif zone is not None:
            local = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=zone, fold=fold)
            seconds -= int((local.utcoffset() or timedelta()).total_seconds())
    except (ValueError, OverflowError):
        return None
    at = Decimal(seconds)
    if fraction:
        at = EXACT.add(at, Decimal(f"0.{fraction}"))
    return Instant(at, offset is None)


def unit(text: str) -> Decimal:
    """Seconds between two neighbours in the form of a text."""
    form = _ISO.fullmatch(text)
    assert form is not None
    if form[4] is None:
        return DAY
    if form[7] is None:
        return Decimal(60)
    return Decimal(1).scaleb(-len(form[9] or ""))


def write(at: Decimal, like: str, zone: tzinfo | None) -> str:
    """An instant in the form of another text, cut off where that ends.

    Args:
        at: Seconds since the epoch.
        like: An instant as the upstream wrote it.
        zone: Of instants without an offset, or None if unknown.

    Raises:
        OverflowError: It lies before the year 1 or after 9999.
    """
    form = _ISO.fullmatch(like)
    assert form is not None
    offset = form[10]
    whole = int(at.to_integral_value(ROUND_FLOOR))
    local = _EPOCH + timedelta(seconds=whole)
    if offset is not None:
        local += timedelta(seconds=_offset(offset))
    elif zone is not None:
        local = datetime.fromtimestamp(whole, UTC).astimezone(zone)
    dash = "-" if like[4] == "-" else ""
    text = f"{local.year:04d}{dash}{local.month:02d}{dash}{local.day:02d}"
    if form[4] is None:
        return text
    colon = ":" if like[form.end(5)] == ":" else ""
    text += f"{form[4]}{local.hour:02d}{colon}{local.minute:02d}"
    if form[7] is not None:
        text += f"{colon}{local.second:02d}"
    if form[9]:
        digits = len(form[9])
        fraction = EXACT.subtract(at, Decimal(whole)).scaleb(digits, EXACT)
        text += f"{form[8]}{int(fraction):0{digits}d}"
    return text + (offset or "")


def _offset(text: str) -> int:
    text = text.strip()
    if text.upper() in ("Z", "UTC", "GMT"):
        return 0
    digits = text[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
    return -seconds if text[0] == "-" else seconds
