"""The floor: requests alone, which parses nothing and delivers the bodies as they came."""

from __future__ import annotations

from benchmarks.contenders.loop import pages
from benchmarks.meter import Meter, Task


def run(task: Task, meter: Meter) -> None:
    """Read every body."""
    cursor = 0
    get = pages(task)
    while cursor < task.records:
        meter.deliver(get(str(cursor)).content)
        cursor += task.page_size
