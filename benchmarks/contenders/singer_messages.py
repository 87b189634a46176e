"""singer-sdk's RESTStream as a tap runs it: records checked and written as Singer messages."""

from __future__ import annotations

import json
import tempfile
from contextlib import redirect_stdout

from benchmarks.contenders.singer_stream import tap
from benchmarks.meter import Meter, Task


def run(task: Task, meter: Meter) -> None:
    """One sync into a file."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        with redirect_stdout(file):
            tap(task).sync_all()
        with meter.paused():
            file.seek(0)
            messages = map(json.loads, file)
            found = [message["record"] for message in messages if message["type"] == "RECORD"]
        meter.deliver(found)
