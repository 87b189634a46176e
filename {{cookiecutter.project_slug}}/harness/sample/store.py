# Owned by fivetran-azfn-template: updates replace this file.
"""The live records of one entity and their tombstones, changed by any thread, sorted once."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zlib import crc32

from harness.sample.forms import Form
from harness.sample.paths import value_at
from harness.sample.records import YEAR, Maker
from harness.sample.spec import Entity

_HOUR = 3600
_YEAR = YEAR * 10**9
_LOG_ROOM = 1000  # steps between the newest key of a log and now, for what is inserted later


class Item(NamedTuple):
    """A record or its tombstone, and where it stands.

    Attributes:
        step: Its cursor in steps of the form; 0 where the entity has no cursor.
        number: Counts creations; primary keys grow with it.
    """

    step: int
    number: int
    revision: int
    record: dict[str, Any]
    deleted: bool = False


@dataclass(frozen=True)
class Change:
    """What one change did to an entity: the records as they are now, the deleted as they were."""

    inserted: list[dict[str, Any]] = field(default_factory=list)
    updated: list[dict[str, Any]] = field(default_factory=list)
    deleted: list[dict[str, Any]] = field(default_factory=list)


_MOST_MADE = 16
_MADE: dict[tuple[str, int], list[Item]] = {}  # by entity and count; never changed


class Store:
    """One entity's records.

    Args:
        entity: What they are like.
        count: How many there are at first.

    Attributes:
        entity: As given.
        form: How its cursor is written, or None without one.
        by_creation: Live records and tombstones; a change puts another list in its place.
        by_change: The same in the order of cursor, then creation.
    """

    def __init__(self, entity: Entity, count: int) -> None:
        self.form: Form | None = None
        if entity.cursor is not None:
            self.form = Form(value_at(entity.record, entity.cursor))
        self.entity = entity
        self._maker = Maker(entity)
        self._lock = threading.Lock()
        self._is_log = entity.cursor in entity.primary_key
        first = self._first_items(count)
        least = self.form.first - 1 if self.form else 0
        self._highest = max((item.step for item in first), default=least)
        self._created = dict(enumerate(first))
        self._next = count
        self._sort()

    def records(self) -> list[dict[str, Any]]:
        """The live records in the order of their creation; not to be changed."""
        return [item.record for item in self.by_creation if not item.deleted]

    def change(self, insert: int, update: int, delete: int, seed: int) -> Change:
        """Deletes, updates and inserts so many records, or as many as there are.

        What changes gets the moment as its cursor: above all others, unless the form is too coarse
        to tell it from the last change. A cursor in the primary key counts on, and nothing is
        updated then.
        """
        chance = random.Random(crc32(f"{seed}.{self.entity.name}".encode()))
        done = Change()
        with self._lock:
            live = [item for item in self.by_creation if not item.deleted]
            chosen = chance.sample(live, min(delete + update, len(live)))
            now = self.form.at(time.time_ns()) if self.form and self.form.is_time else 0
            for item in chosen[:delete]:
                done.deleted.append(item.record)
                if self.entity.deleted is None:
                    del self._created[item.number]
                else:
                    self._created[item.number] = self._tombstone(item.number, self._step(now))
            for item in [] if self._is_log else chosen[delete:]:
                new = self._item(item.number, item.revision + 1, self._step(now))
                self._created[item.number] = new
                done.updated.append(new.record)
            for _ in range(insert):
                new = self._item(self._next, 0, self._step(now))
                self._created[self._next] = new
                done.inserted.append(new.record)
                self._next += 1
            self._sort()
        return done

    def _sort(self) -> None:
        self.by_creation = list(self._created.values())
        self.by_change = sorted(self.by_creation)

    def _item(self, number: int, revision: int, step: int) -> Item:
        return Item(step, number, revision, self._maker.make(number, revision, self._written(step)))

    def _tombstone(self, number: int, step: int) -> Item:
        record = self._maker.tombstone(number, self._written(step))
        return Item(step, number, 0, record, deleted=True)

    def _written(self, step: int) -> Any:
        return self.form.write(step) if self.form else None

    def _first_items(self, count: int) -> list[Item]:
        """Made once in a process for all stores of the same entity: a suite of tests has many."""
        key = (repr(self.entity), count)
        if key not in _MADE:
            if len(_MADE) == _MOST_MADE:
                _MADE.clear()
            steps = self._first_steps(count)
            _MADE[key] = [self._item(number, 0, steps[number]) for number in range(count)]
        return _MADE[key]

    def _first_steps(self, count: int) -> list[int]:
        if self.form is None:
            return [0] * count
        if not self.form.is_time:
            return [self.form.first + number for number in range(count)]
        now = time.time_ns()
        if self._is_log:
            newest = self.form.at(now) - _LOG_ROOM
            return [newest - count + number for number in range(count)]
        latest = now - max(_HOUR * 10**9, self.form.nanoseconds)
        return [
            self.form.at(latest - (latest - _moment(number)) % _YEAR) for number in range(count)
        ]

    def _step(self, now: int) -> int:
        """The cursor of what changes now; it never falls back."""
        if self.form is None:
            return 0
        counts = self._is_log or not self.form.is_time
        self._highest = self._highest + 1 if counts else max(self._highest, now)
        return self._highest


def _moment(number: int) -> int:
    """When a record was changed, in nanoseconds of some year; some are changed many at once."""
    together = number - number % 40 if number % 400 < 40 else number
    return crc32(b"%d" % together) * 7_342_003 % _YEAR
