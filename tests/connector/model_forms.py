"""How upstreams write the time of a change, and how they compare what they wrote."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

DAY = 86_400
SECOND = 1_000_000  # microseconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Form(msgspec.Struct, frozen=True):
    """One way of writing times (in microseconds), or of counting changes where `step` is 0."""

    name: str
    step: int  # from one value to the next
    write: Callable[[int, int], Any]  # the value of a time, in one of several spellings
    rank: Callable[[str], int]  # where a value stands, from its text; wall clocks compare as such
    odd: Sequence[Any] = (None, "", "Never", "0000-00-00 00:00:00")  # values that are no cursor
    options: Mapping[str, Any] = {}  # declared beside `cursor`

    def __repr__(self):
        return f"<{self.name}>"


def _micros(moment):
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _text(at, zone, pattern, digits=6):
    local = (_EPOCH + timedelta(microseconds=at)).astimezone(zone)
    return local.strftime(pattern.replace("%f", f"{at % SECOND:06d}"[:digits]))


def _iso(name, seconds, pattern, zone=0):
    """A form in a named zone, which is declared, or minutes east, which are not."""
    where = ZoneInfo(zone) if isinstance(zone, str) else timezone(timedelta(minutes=zone))
    return Form(
        name,
        int(seconds * SECOND),
        lambda at, _: _text(at, where, pattern),
        lambda text: _micros(datetime.fromisoformat(text)),
        options={"timezone": zone} if isinstance(zone, str) else {},
    )


def _strptime(name, seconds, pattern, zone=0):
    form = _iso(name, seconds, pattern, zone)
    return replace(
        form,
        rank=lambda text: _micros(datetime.strptime(text, pattern)),
        options={**form.options, "cursor_type": pattern},
    )


def _epoch(kind, step, write, name=""):
    micros = {"epoch": "1e6", "epoch_ms": "1e3", "epoch_us": "1", "epoch_ns": "1e-3"}[kind]
    return Form(
        name or kind,
        step,
        lambda at, _: write(at),
        lambda text: int(Decimal(text) * Decimal(micros)),
        (None, "", 0, "Never"),
        {"cursor_type": kind},
    )


def _mixed(at, spelling):
    """Other offsets, other separators, three digits more where they are not zero."""
    zone = timezone(timedelta(minutes=(0, 330, -480, 840)[spelling % 4]))
    separator, fraction = "T "[spelling % 2], ".%f" if at % SECOND >= 1000 else ""
    text = _text(at, zone, f"%Y-%m-%d{separator}%H:%M:%S{fraction}%z", 3)
    return text.replace("+0000", "Z") if spelling % 3 else f"{text[:-2]}:{text[-2:]}"


INSTANTS = [
    _iso("seconds", 1, "%Y-%m-%dT%H:%M:%SZ"),
    Form("mixed", 1000, _mixed, lambda text: _micros(datetime.fromisoformat(text))),
    _iso("microseconds", 1e-6, "%Y-%m-%dT%H:%M:%S.%f+00:00"),
    _iso("naive -11", 1, "%Y-%m-%d %H:%M:%S", -660),
    _iso("naive +13", 1, "%Y-%m-%dT%H:%M:%S", 780),
    _iso("days +9", DAY, "%Y-%m-%d", 540),
    _strptime("strptime, offset", 1, "%m/%d/%Y %I:%M:%S %p %z", -300),
    _epoch("epoch", SECOND, lambda at: at // SECOND),
    _epoch("epoch", 1000, lambda at: Decimal(at // 1000) / 1000, "epoch, fractions"),
    _epoch("epoch_ms", 1000, lambda at: at // 1000),
    _epoch("epoch_ns", 1, lambda at: at * 1000),
    _iso("naive, New York", 1, "%Y-%m-%d %H:%M:%S", "America/New_York"),
    _iso("days, New York", DAY, "%Y-%m-%d", "America/New_York"),
    _strptime("strptime, New York", 60, "%d.%m.%Y %H:%M", "America/New_York"),
]
_TEXT = Form("text", 0, lambda at, _: f"v{at:08d}", lambda text: int(text[1:]), (None, ""))
COUNTS = [
    Form("sequence", 0, lambda at, _: at, int, (None, "", "x"), {"cursor_type": "sequence"}),
    replace(_TEXT, options={"cursor_type": "text"}),
]
