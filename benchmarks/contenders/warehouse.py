"""The local Fivetran's warehouse: replies of 20,000 decoded records, applied to DuckDB."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from harness.protocol.messages import Answer, read
from harness.redact import Redactor
from harness.warehouse import Warehouse

from benchmarks import records
from benchmarks.meter import Meter, Task

REPLY = 20_000  # records, about 7 MiB


def run(task: Task, meter: Meter) -> None:
    """One sync into tables that are made anew."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "warehouse.duckdb"
        with Warehouse(path, schema="bench") as warehouse:
            for first in range(0, task.records, REPLY):
                with meter.paused():
                    end = min(first + REPLY, task.records)
                    body = (
                        b'{"state":{"at":%d},"hasMore":true,"schema":{"transaction":'
                        b'{"primary_key":["id"]}},"insert":{"transaction":[%b]}}'
                        % (end, records.page(first, end))
                    )
                    reply = read(Answer(200, "application/json", body, 0.0), Redactor())
                warehouse.apply(reply)
            with meter.paused():
                (table,) = warehouse.tables()
                meter.result.records += table.rows
                if task.check:
                    rows = warehouse.rows("transaction")
                    assert json.loads(rows[0]["customer"])["country"] == "DE"
