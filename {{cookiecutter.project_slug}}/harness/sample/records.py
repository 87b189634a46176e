"""Records generated from one example, and their changes while the sample API runs."""

from __future__ import annotations

import random
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple
from zlib import crc32

from harness import codec
from harness.sample.spec import DAY, SECOND, Entity, Form, put, value_at

_HOUR = 3600 * SECOND
_YEAR = 365 * DAY
_STEP = 7_342  # of made-up times, in microseconds
_BASE = 1_700_000_000 * SECOND  # where a year of made-up times begins
_PARTS = 3  # a composite key counts its last column up to this
_INNER = 4  # fewer records than this are inside one
_LOG_ROOM = 1000  # units between the newest key of a log and now, for what is inserted later
_PROSE = (
    None,
    "Zoë Núñez",
    "東京 駅前",
    "naïve façade",
    "مرحبا بالعالم",
    "two\nlines",
    'said "yes" \\ left',
    "O'Brien & Søn",
    "<b>bold</b> 🚚",
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_COUNTED = re.compile(r"(.*?)(\d+)", re.DOTALL)


class Item(NamedTuple):
    """A record or, once it is deleted, what is left of it."""

    moment: int  # its cursor, as Form reads it; 0 if the entity has no cursor
    number: int  # counts creations; primary keys grow with it
    record: dict[str, Any]  # if deleted: its primary key and cursor
    body: bytes  # the record as JSON
    deleted: bool = False


_MADE: dict[tuple[str, int], list[Item]] = {}  # by entity and count: servers begin with the same


class Store:
    """The records of one entity, changed by any thread."""

    def __init__(self, entity: Entity, inside: Sequence[Entity], count: int) -> None:
        self.entity, self.form = entity, entity.form()
        self._inside = inside
        self._lock = threading.Lock()
        self._is_log = entity.cursor in entity.primary_key
        made = (repr((entity, inside)), count)
        if made not in _MADE:
            moments = enumerate(self._first_moments(count))
            _MADE[made] = [self._item(number, moment) for number, moment in moments]
        self._use(_MADE[made])
        first = self.form.first if self.form else 0
        self._highest = max((item.moment for item in self._all), default=first)

    def live(self) -> list[Item]:
        """What is not deleted, in the order of creation."""
        return [item for item in self._all if not item.deleted]

    def number_of(self, key: str) -> int | None:
        """Which creation has this primary key (of one column), deleted since or not."""
        (column,) = self.entity.primary_key
        return next((each.number for each in self._all if str(each.record[column]) == key), None)

    def change(self, insert: int, update: int, delete: int, seed: int) -> Counter[str]:
        """Delete, update and insert so many records, or as many as there are.

        A change sets the cursor to now, above all others unless the form is too coarse to tell it
        from the last change. A cursor in the primary key counts on, and nothing is updated then.
        """
        chance = random.Random(crc32(f"{seed}.{self.entity.name}".encode()))
        with self._lock:
            live, new = self.live(), self._all.copy()
            picked = chance.sample(live, min(delete + update, len(live)))
            deleted, changed = picked[:delete], [] if self._is_log else picked[delete:]
            for item in deleted:
                new[item.number] = self._item(item.number, self._next_moment(), deleted=True)
            for item in changed:
                revision = chance.getrandbits(32)
                new[item.number] = self._item(item.number, self._next_moment(), revision)
            for number in range(len(new), len(new) + insert):
                new.append(self._item(number, self._next_moment()))
            self._use(new)
        return +Counter(inserted=insert, updated=len(changed), deleted=len(deleted))

    def _use(self, items: list[Item]) -> None:
        """Keep these, by number; list those that the upstream reports, in its order."""
        self._all = items
        listed = items if self.entity.deleted else self.live()
        self.items = sorted(listed) if self.entity.by_change else listed

    def _item(self, number: int, moment: int, revision: int = 0, deleted: bool = False) -> Item:
        entity = self.entity
        record = _key(entity, number) if deleted else _made(entity, number, revision)
        if self.form:
            put(record, entity.cursor, self.form.write(moment))
        for inner in [] if deleted else self._inside:
            count = (number * 7 + 2) % _INNER  # also none; a change keeps it
            made = [_made_inside(inner, record, number, revision, i) for i in range(count)]
            put(record, inner.place[1], made)
        return Item(moment, number, record, codec.encode(record), deleted)

    def _first_moments(self, count: int) -> list[int]:
        form = self.form
        if form is None:
            return [0] * count
        now = form.floor(time.time_ns() // 1000)
        if self._is_log or not form.is_time:
            first = now - (count + _LOG_ROOM) * form.unit if form.is_time else form.first
            return [first + number * form.unit for number in range(count)]
        latest = now - max(_HOUR, form.unit)
        # Some are changed many at once.
        together = (n - n % 40 if n % 400 < 40 else n for n in range(count))
        return [
            form.floor(latest - (latest - _draw("moment", n) * _STEP) % _YEAR) for n in together
        ]

    def _next_moment(self) -> int:
        """The cursor of what changes now; it never goes backwards."""
        if self.form is None:
            return 0
        now = self.form.floor(time.time_ns() // 1000)
        counts_on = self._is_log or not self.form.is_time
        self._highest = self._highest + self.form.unit if counts_on else max(self._highest, now)
        return self._highest


def _made(entity: Entity, number: int, revision: int) -> dict[str, Any]:
    """A record, the same each time: which creation, and which change of it.

    The first is the example itself.
    """
    record = {**entity.record, **_key(entity, number)}
    for column, example in entity.record.items():
        # A change leaves times as they are: a row that goes back in time would be a finding.
        is_time = isinstance(example, str) and _form(example) is not None
        seed = number * 1009 + (0 if is_time else revision)
        if seed and column not in entity.primary_key and column not in entity.parent:
            record[column] = _varied(example, _draw(f"{entity.name}.{column}", seed))
    return record


def _made_inside(
    inner: Entity, outer: dict[str, Any], number: int, revision: int, index: int
) -> dict[str, Any]:
    """A record inside another one, at an index from 0."""
    record = _made(inner, number * _INNER + index, revision)
    if any(column in inner.parent for column in inner.primary_key):
        record |= _key(inner, index)
    parent = {name: path for name, path in inner.parent.items() if name in inner.record}
    return record | {name: value_at(outer, path) for name, path in parent.items()}


def _key(entity: Entity, number: int) -> dict[str, Any]:
    """The primary key of a record, without the columns of its parent."""
    columns = [column for column in entity.primary_key if column not in entity.parent]
    number, part = divmod(number, _PARTS) if len(columns) > 1 else (number, number)
    counts = [*[number] * (len(columns) - 1), part]
    return {c: _numbered(entity.record[c], n) for c, n in zip(columns, counts, strict=False)}


def _numbered(example: Any, number: int) -> Any:
    if not isinstance(example, str):
        return example + number
    if _UUID.fullmatch(example):
        return str(uuid.UUID(int=(uuid.UUID(example).int + number) % 2**128))
    counted = _COUNTED.fullmatch(example)
    if counted is None:
        return f"{example}-{number:06d}" if number else example
    return counted[1] + str(int(counted[2]) + number).zfill(len(counted[2]))


def _draw(name: str, number: int) -> int:
    return crc32(f"{name} {number}".encode())


def _varied(example: Any, draw: int) -> Any:
    """A value like the example; a word stays as it is."""
    match example:
        case bool():
            return draw % 2 == 0
        case int():
            return example - draw % (abs(example) + 1)
        case Decimal():
            places = int(example.as_tuple().exponent)
            return Decimal(_varied(int(example.scaleb(-places)), draw)).scaleb(places)
        case dict():
            return {key: _varied(value, _draw(key, draw)) for key, value in example.items()}
        case list():
            return [_varied(value, draw + i) for i, value in enumerate(example * (draw % 3))]
        case str() if re.match(r"\d{4}-\d\d-\d\d", example):
            form = _form(example)
            return form.write(_BASE + draw * _STEP % _YEAR) if form else example
        case str() if " " in example:
            text = _PROSE[draw % len(_PROSE)]
            return text and f"{text} {draw % 1000}"
        case str() if counted := _COUNTED.fullmatch(example):
            digits = len(counted[2])
            return f"{counted[1]}{draw % 10**digits:0{digits}d}"
    return example


@cache
def _form(example: str) -> Form | None:
    try:
        return Form(example)
    except ValueError:
        return None
