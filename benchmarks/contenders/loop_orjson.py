"""The hand-written loop with orjson in place of json."""

from __future__ import annotations

import orjson

from benchmarks.contenders.loop import walk
from benchmarks.meter import Meter, Task


def run(task: Task, meter: Meter) -> None:
    """Read page after page."""
    walk(task, meter, lambda response: orjson.loads(response.content), orjson.dumps)
