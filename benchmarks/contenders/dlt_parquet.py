"""The same with Parquet files, which dlt loads faster."""

from __future__ import annotations

from benchmarks.contenders import dlt_duckdb
from benchmarks.meter import Meter, Task


def run(task: Task, meter: Meter) -> None:
    """One load into tables that are made anew."""
    dlt_duckdb.run(task, meter, "parquet")
