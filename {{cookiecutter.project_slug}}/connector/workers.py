# Owned by fivetran-azfn-template: updates replace this file.
"""Work side by side, each piece in a copy of the caller's context; it knows nothing of the work."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from connector import clock

T = TypeVar("T")


def side_by_side(
    work: Iterable[T], workers: int, run: Callable[[T], None], end: float
) -> list[BaseException]:
    """Run each piece of work, as many at a time as there are workers, until all are through.

    Args:
        work: In the order in which it is begun.
        workers: 1 runs everything in the calling thread, which cannot be left behind.
        run: Does one piece; must notice by itself that the time is over. It sees the caller's
            context variables (the worker's log records keep the invocation's id), and what it sets
            reaches neither the caller nor another piece.
        end: When to stop waiting, on `clock.monotonic`; what still runs then is left behind.

    Returns:
        What `run` raised, which it should not.
    """
    queue, context = deque(work), contextvars.copy_context()
    raised: list[BaseException] = []

    def drain() -> None:
        while True:
            try:
                piece = queue.popleft()
            except IndexError:
                return
            try:
                context.copy().run(run, piece)
            except Exception as error:
                raised.append(error)

    if workers == 1:
        drain()
        return raised
    threads = [threading.Thread(target=drain, daemon=True) for _ in range(min(workers, len(queue)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - clock.monotonic()))
    return raised
