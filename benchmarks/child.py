"""Runs one contender: the first argument is a task as JSON, the output its result as JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from importlib import import_module

from benchmarks.meter import Meter, Result, Task, peak_memory


def measured(task: Task) -> Result:
    """What the task takes in this process."""
    run = import_module(f"benchmarks.contenders.{task.contender}").run
    if task.warm:
        pages = min(2 * task.page_size * task.entities, task.records)
        run(replace(task, records=pages), Meter())
    meter = Meter(task.check)
    meter.result.imported = peak_memory()
    for _ in range(task.repeats):
        with meter.running():
            run(task, meter)
    return meter.finish()


if __name__ == "__main__":
    output, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps(asdict(measured(Task(**json.loads(sys.argv[1]))))), file=output)
