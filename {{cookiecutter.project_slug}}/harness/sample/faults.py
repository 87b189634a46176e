"""The sample API's faults: chosen by a seed, or on all pages after the first."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

from harness.sample.app import Asked
from harness.sample.spec import Entity

Change = Callable[[Entity, list[int], int], Counter[str]]  # counts to change, and a seed
_KINDS = ("429", "500", "reset", "expired")
_EXPIRING = ("cursor", "link_header", "next_url")  # positions do not expire


class Faults:
    """A plan of faults.

    What happens to a request follows from the seed, its path and how many of this path came before,
    so the threads of a function change nothing.
    """

    def __init__(self, seed: int) -> None:
        self.quiet = False  # all goes well, but expired tokens stay so until their walk restarts
        self.marked: set[str] = set()  # entities read with softDelete: it finds all deletions
        self.done: Counter[str] = Counter()  # what happened, and how often
        self._seed = seed
        self._status = 0
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()
        self._expired: dict[str, set[str]] = {}
        mood = random.Random(f"{seed} mood")
        self._failing = mood.choice((0.15, 0.3, 0.45))
        self._changing = mood.choice((0.2, 0.5))
        self._weights = [mood.choice((1, 1, 3)) for _ in _KINDS]

    @classmethod
    def after_first_page(cls, status: int) -> Faults:
        """Each path answers once, then fails with this status until `quiet` is set.

        A path whose first response is the whole list fails from the first request on.
        """
        plan = cls(0)
        plan._status = status
        return plan

    def strike(self, path: str, asked: Asked, change: Change) -> str:
        """What is wrong with this request: a status, "reset", or "" where nothing is.

        Records may change before it.
        """
        entity = asked.entity
        with self._lock:
            number = self._asked[path]
            self._asked[path] += 1
            chance = random.Random(f"{self._seed} {path} {number}")
            if self._status:
                is_later = number or (entity and entity.pagination == "none")
                kind = str(self._status) if is_later and not self.quiet else ""
            else:
                counts, seed = chance.choices((0, 1, 2, 4), k=3), chance.getrandbits(32)
                if chance.random() < self._changing and entity and not self.quiet:
                    self.done += change(entity, counts, seed)
                kind = self._by_chance(asked, chance)
            if kind:
                self.done[kind] += 1
        return chance.choice(("400", "410")) if kind == "expired" else kind

    def _by_chance(self, asked: Asked, chance: random.Random) -> str:
        fails = chance.random() < self._failing
        kind = chance.choices(_KINDS, self._weights)[0]
        entity, token = asked.entity, None
        if entity and entity.pagination in _EXPIRING:
            token = asked.parameters.get(entity.token)
            expired = self._expired.setdefault(entity.name, set())
            if token is None:
                expired.clear()  # a walk begins again: its tokens are new
            elif token in expired:
                return "expired"
        if self.quiet or not fails:
            return ""
        if kind == "expired":
            # Without a primary key, a walk that starts over appends its rows twice, by protocol.
            if not entity or token is None or not entity.primary_key:
                return ""
            self._expired[entity.name].add(token)
        return kind
