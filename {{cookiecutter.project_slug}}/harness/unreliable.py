# Owned by fivetran-azfn-template: updates replace this file.
"""A function behind a bad network, and a process in which nobody sleeps; it judges nothing."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import SupportsIndex

from harness.errors import LostReply
from harness.target import Answer, Target

_IMPORTS = 3  # of the function, at most: they take the longest
_MOMENT = 0.005  # seconds

Load = Callable[[Mapping[str, str]], Target]


class Unreliable:
    """A function that is loaded anew at times, called twice, and whose replies get lost.

    Args:
        load: Loads it.
        seed: Says what happens to which call.
        size: App setting: bytes of a reply.

    Attributes:
        calls: How many there were.
        done: What happened, and how often.
    """

    def __init__(self, load: Load, seed: int, size: str) -> None:
        self.calls = 0
        self.done: Counter[str] = Counter()
        self._load = load
        self._seed = seed
        self._settings = {"CONNECTOR_CALL_BYTES": size}
        self._function = load(self._settings)
        self.name = self._function.name
        mood = random.Random(f"{seed} calls")
        self._fresh, self._lost, self._twice = (mood.choice((0.05, 0.2, 0.4)) for _ in range(3))

    def call(self, body: bytes) -> Answer:
        """Call it, or what an unreliable network makes of that.

        Raises:
            LostReply: The function was called, and its reply got lost.
        """
        chance = random.Random(f"{self._seed} call {self.calls}")
        self.calls += 1
        fresh, lost, twice = (chance.random() for _ in range(3))
        if fresh < self._fresh and self.done["fresh"] < _IMPORTS:
            self.done["fresh"] += 1
            self._function = self._load(self._settings)
        answer = self._function.call(body)
        if lost < self._lost:
            self.done["lost"] += 1
            raise LostReply("the reply got lost")
        if twice < self._twice:
            self.done["twice"] += 1
            self._function.call(body)
        return answer


@contextmanager
def short_sleeps() -> Iterator[None]:
    """Whoever sleeps in this process wakes after a moment: retries of a function cost no time.

    It holds for `time.sleep`, in modules that are loaded meanwhile also under another name.
    """
    real, over = time.sleep, threading.Event()

    def sleep(seconds: float | SupportsIndex, /) -> None:
        real(seconds if over.is_set() else min(float(seconds), _MOMENT))

    time.sleep = sleep
    try:
        yield
    finally:
        time.sleep = real
        over.set()
