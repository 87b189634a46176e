"""dlt's pipeline into its duckdb destination: pages of 1,000 decoded records, upserted by key."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt

from benchmarks import records
from benchmarks.meter import Meter, Task

FILES: Any = "insert_values"  # dlt's default for duckdb


def run(task: Task, meter: Meter, files: Any = FILES) -> None:
    """One load into tables that are made anew."""
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=str(Path(folder) / "dlt"),
            destination=dlt.destinations.duckdb(str(Path(folder) / "tables.duckdb")),
            dataset_name="bench",
        )
        pipeline.run(_pages(task, meter), loader_file_format=files)
        with meter.paused(), pipeline.sql_client() as client:
            ((count,),) = client.execute_sql("SELECT count(*) FROM transaction")
            meter.result.records += count


@dlt.resource(name="transaction", primary_key="id", write_disposition="merge", max_table_nesting=0)
def _pages(task: Task, meter: Meter) -> Iterator[list[dict[str, Any]]]:
    for first in range(0, task.records, 1000):
        with meter.paused():
            page = json.loads(b"[%b]" % records.page(first, min(first + 1000, task.records)))
        yield page
