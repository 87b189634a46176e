"""A bad network before a function: it loses replies, repeats calls, and restarts the function."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import SupportsIndex

from harness.protocol.messages import Answer
from harness.target import Target

RESTARTED, LOST, REPEATED = "restarted function", "lost reply", "repeated call"
_RESTARTS = 3  # at most, of a seeded run: importing takes the longest
_MOMENT = 0.005  # seconds


class Network:
    """A function behind a bad network; the same seed plays the same.

    Args:
        load: Gives a new instance of the function for app settings.
        seed: Decides what happens to which call; None for what the two fixed plans say alone.
        size: `CONNECTOR_CALL_BYTES` of the function.
        lose_every_second: The reply of the first, third, fifth … call is lost.
        fresh_each_time: A new instance of the function for every call.

    Attributes:
        done: What happened, and how often.
    """

    def __init__(
        self,
        load: Callable[[Mapping[str, str]], Target],
        seed: int | None,
        size: str,
        *,
        lose_every_second: bool = False,
        fresh_each_time: bool = False,
    ) -> None:
        self.done: Counter[str] = Counter()
        self._load = load
        self._settings = {"CONNECTOR_CALL_BYTES": size}
        self._function = load(self._settings)
        self.name = self._function.name
        self._lose_every_second, self._fresh_each_time = lose_every_second, fresh_each_time
        self._seed, self._calls = seed, 0
        moods = random.Random(f"{seed} calls")
        self._odds = [0.0 if seed is None else moods.choice((0.05, 0.2, 0.4)) for _ in range(3)]

    def call(self, body: bytes) -> Answer:
        """Call the function, with whatever happens to this call."""
        chance = random.Random(f"{self._seed} call {self._calls}")
        restarted, lost, repeated = (chance.random() < odds for odds in self._odds)
        if self._fresh_each_time or (restarted and self.done[RESTARTED] < _RESTARTS):
            before, self._function = self._function, self._load(self._settings)
            if self._function is not before:  # a function behind a URL cannot be restarted
                self.done[RESTARTED] += 1
        answer = self._function.call(body)
        if lost or (self._lose_every_second and self._calls % 2 == 0):
            self.done[LOST] += 1
            why = "a reply was lost, on purpose"
            answer = Answer(0, "", b"", answer.seconds, lost=True, why=why)
        elif repeated:
            self.done[REPEATED] += 1
            self._function.call(body)
        self._calls += 1
        return answer


@contextmanager
def short_sleeps() -> Iterator[None]:
    """`time.sleep` of this process ends after a moment, so that retries cost no time."""
    real, over = time.sleep, threading.Event()

    def sleep(seconds: float | SupportsIndex, /) -> None:
        real(seconds if over.is_set() else min(float(seconds), _MOMENT))

    time.sleep = sleep
    try:
        yield
    finally:
        time.sleep = real
        over.set()
