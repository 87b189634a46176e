"""Records made after one example, and changed while the sample upstream runs."""

from __future__ import annotations

import random
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from zlib import crc32

from harness import codec
from harness.sample.forms import SECOND, Form
from harness.sample.spec import Entity, put, value_at

_HOUR = 3600 * SECOND
_YEAR = 365 * 86400 * SECOND
_BASE = 1_700_000_000 * SECOND  # where years of made-up times begin
_PARTS = 3  # a composite key counts its last column up to this
_INNER = 4  # less than so many records stand inside one
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
    """A record or its tombstone."""

    moment: int  # its cursor, as Form reads it; 0 where the entity has no cursor
    number: int  # counts creations; primary keys grow with it
    revision: int  # counts changes
    record: dict[str, Any]
    body: bytes  # the record as JSON
    deleted: bool = False


_MADE: dict[tuple[str, int], list[Item]] = {}  # by entity and count: servers begin with the same


class Store:
    """The live records of one entity and their tombstones, changed by any thread.

    Attributes:
        by_creation: Live records and tombstones; a change puts another list in its place.
        by_change: The same in the order of cursor, then creation.
    """

    def __init__(self, entity: Entity, inside: Sequence[Entity], count: int) -> None:
        self.entity = entity
        self.form = Form(value_at(entity.record, entity.cursor)) if entity.cursor else None
        self._maker = Maker(entity)
        self._inside = [(str(e.inside).partition(".")[2], Maker(e)) for e in inside]
        self._lock = threading.Lock()
        self._is_log = entity.cursor in entity.primary_key
        made = (repr((entity, inside)), count)
        if made not in _MADE:
            moments = enumerate(self._first_moments(count))
            _MADE[made] = [self._item(number, 0, moment) for number, moment in moments]
        self._created = dict(enumerate(_MADE[made]))
        first = self.form.first if self.form else 0
        self._highest: int = max((item.moment for item in _MADE[made]), default=first)
        self._numbers: dict[str, int] = {}
        self._next = count
        self._sort()

    def records(self) -> list[dict[str, Any]]:
        """The live records in the order of their creation; not to be changed."""
        return [item.record for item in self.by_creation if not item.deleted]

    def number_of(self, key: str) -> int | None:
        """Which creation has this primary key (of one column), deleted since or not."""
        column = self.entity.primary_key[0]
        for number in range(len(self._numbers), self._next):
            self._numbers[str(self._maker.keys(number)[column])] = number
        return self._numbers.get(key)

    def change(self, insert: int, update: int, delete: int, seed: int) -> Counter[str]:
        """Delete, update and insert so many records, or as many as there are.

        A change sets the cursor to now, above all others unless the form is too coarse to tell it
        from the last change. A cursor in the primary key counts on, and nothing is updated then.
        """
        chance = random.Random(crc32(f"{seed}.{self.entity.name}".encode()))
        with self._lock:
            live = [item for item in self.by_creation if not item.deleted]
            picked = chance.sample(live, min(delete + update, len(live)))
            deleted, changed = picked[:delete], [] if self._is_log else picked[delete:]
            for item in deleted:
                if self.entity.deleted is None:
                    del self._created[item.number]
                else:
                    self._created[item.number] = self._tombstone(item.number)
            for item in changed:
                new = self._item(item.number, item.revision + 1, self._next_moment())
                self._created[item.number] = new
            for _ in range(insert):
                self._created[self._next] = self._item(self._next, 0, self._next_moment())
                self._next += 1
            self._sort()
        return +Counter(inserted=insert, updated=len(changed), deleted=len(deleted))

    def _sort(self) -> None:
        self.by_creation = list(self._created.values())
        self.by_change = sorted(self.by_creation)

    def _item(self, number: int, revision: int, moment: int) -> Item:
        record = self._maker.make(number, revision)
        if self.form and self.entity.cursor:
            put(record, self.entity.cursor, self.form.write(moment))
        for path, maker in self._inside:
            count = (number * 7 + 2) % _INNER  # also none; a change keeps it
            put(record, path, [maker.inside(record, number, revision, i) for i in range(count)])
        return Item(moment, number, revision, record, codec.encode(record))

    def _tombstone(self, number: int) -> Item:
        moment, record = self._next_moment(), self._maker.keys(number)
        if self.form and self.entity.cursor:
            put(record, self.entity.cursor, self.form.write(moment))
        return Item(moment, number, 0, record, codec.encode(record), deleted=True)

    def _first_moments(self, count: int) -> list[int]:
        form = self.form
        if form is None:
            return [0] * count
        now = form.floor(time.time_ns() // 1000)
        if self._is_log or not form.is_time:
            first = now - (count + _LOG_ROOM) * form.unit if form.is_time else form.first
            return [first + number * form.unit for number in range(count)]
        latest = now - max(_HOUR, form.unit)
        return [form.floor(latest - (latest - _moment(n)) % _YEAR) for n in range(count)]

    def _next_moment(self) -> int:
        """The cursor of what changes now; it never goes backwards."""
        if self.form is None:
            return 0
        if self._is_log or not self.form.is_time:
            self._highest += self.form.unit
        else:
            self._highest = max(self._highest, self.form.floor(time.time_ns() // 1000))
        return self._highest


def _moment(number: int) -> int:
    """When a record was changed, in microseconds of some year; some are changed many at once."""
    together = number - number % 40 if number % 400 < 40 else number
    return _draw(together, 0) * 7_342 % _YEAR


class Maker:
    """Makes records of one entity, the same each time; the first is the example itself."""

    def __init__(self, entity: Entity) -> None:
        self._example = entity.record
        self._parent = {c: path for c, path in entity.parent.items() if c in entity.record}
        self._key = [column for column in entity.primary_key if column not in entity.parent]
        self._counts_inside = len(self._key) < len(entity.primary_key)
        self._makes = {
            column: _make(value, crc32(f"{entity.name}.{column}".encode()))
            for column, value in entity.record.items()
            if column not in (*self._key, *self._parent)
        }

    def make(self, number: int, revision: int) -> dict[str, Any]:
        """A record: which creation, and which change of it."""
        record = {**self._example, **self.keys(number)}
        if seed := number * 1009 + revision:
            record |= {column: make(seed) for column, make in self._makes.items()}
        return record

    def inside(
        self, outer: dict[str, Any], number: int, revision: int, index: int
    ) -> dict[str, Any]:
        """A record that stands inside another one, at an index from 0."""
        record = self.make(number * _INNER + index, revision)
        if self._counts_inside:
            record |= self.keys(index)
        return record | {column: value_at(outer, path) for column, path in self._parent.items()}

    def keys(self, number: int) -> dict[str, Any]:
        """The primary key of a record."""
        number, part = divmod(number, _PARTS) if len(self._key) > 1 else (number, number)
        last = len(self._key) - 1
        return {
            column: _numbered(self._example[column], part if index == last else number)
            for index, column in enumerate(self._key)
        }


def _numbered(example: Any, number: int) -> Any:
    if not isinstance(example, str):
        return example + number
    if _UUID.fullmatch(example):
        return str(uuid.UUID(int=(uuid.UUID(example).int + number) % 2**128))
    counted = _COUNTED.fullmatch(example)
    if counted is None:
        return f"{example}-{number:06d}" if number else example
    return counted[1] + str(int(counted[2]) + number).zfill(len(counted[2]))


def _draw(seed: int, salt: int) -> int:
    return crc32(b"%d" % seed, salt)


def _make(example: Any, salt: int) -> Callable[[int], Any]:
    """What makes values like the example; a word stays as it is."""
    if isinstance(example, bool):
        return lambda seed: _draw(seed, salt) % 2 == 0
    if isinstance(example, int):
        return lambda seed: example - _draw(seed, salt) % (abs(example) + 1)
    if isinstance(example, Decimal):
        places = int(example.as_tuple().exponent)
        whole = _make(int(example.scaleb(-places)), salt)
        return lambda seed: Decimal(whole(seed)).scaleb(places)
    if isinstance(example, dict):
        makes = {key: _make(value, crc32(key.encode(), salt)) for key, value in example.items()}
        return lambda seed: {key: make(seed) for key, make in makes.items()}
    if isinstance(example, list):
        items = [_make(value, salt + index) for index, value in enumerate(example)]
        return lambda seed: [
            make(seed + place) for place in range(_draw(seed, salt) % 3) for make in items
        ]
    if isinstance(example, str) and re.match(r"\d{4}-\d\d-\d\d", example):
        try:
            form = Form(example)
        except ValueError:
            return lambda seed: example
        return lambda seed: form.write(_BASE + _draw(seed, salt) * 7_342 % _YEAR)
    if isinstance(example, str) and " " in example:
        return lambda seed: _prose(_draw(seed, salt))
    if isinstance(example, str) and (counted := _COUNTED.fullmatch(example)):
        prefix, digits = counted.groups()
        return lambda seed: f"{prefix}{_draw(seed, salt) % 10 ** len(digits):0{len(digits)}d}"
    return lambda seed: example


def _prose(number: int) -> str | None:
    text = _PROSE[number % len(_PROSE)]
    return text and f"{text} {number % 1000}"
