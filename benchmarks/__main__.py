"""Speed beside the alternatives, as ratios: `make bench`.

Each pair does the same work on the same data, one after the other, several times over; the median
of the pairwise ratios is what counts, for single times say more about the machine than the code.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import duckdb
import requests
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "{{cookiecutter.project_slug}}"
sys.path.insert(0, str(GENERATED))

from connector import BearerToken, Fetch, Page, Source  # noqa: E402
from connector.answer import answer  # noqa: E402
from harness.protocol import decode  # noqa: E402
from harness.sample import Sample  # noqa: E402
from harness.warehouse import Warehouse  # noqa: E402

PAIRS = 5
RECORDS = 10_000
SAMPLE = f"""
records = {RECORDS}
[auth]
kind = "bearer"
secrets = ["apiToken"]
[entity.transaction]
path = "/transactions"
pagination = "cursor"
rows = "data"
next = "next_cursor"
token = "cursor"
size = "limit"
since = "updated_since"
primary_key = ["id"]
cursor = "updated_at"
[entity.transaction.record]
id = 1
updated_at = "2026-01-05T08:30:00Z"
amount = 1249.90
customer = {{ name = "Zoë Müller", country = "DE" }}
tags = ["new", "größer als 100"]
note = "paid in two parts"
"""
source = Source(base_url="https://api.example.com", auth=BearerToken("apiToken"))


@source.entity("transaction", primary_key=["id"], cursor="updated_at", page_size=1000)
def transaction(fetch: Fetch) -> Page:
    """One page of transactions changed since the cursor."""
    response = fetch.get(
        "/transactions",
        params={"updated_since": fetch.since, "cursor": fetch.token, "limit": fetch.page_size},
    )
    return Page(response.rows("data"), next_token=response.value("next_cursor"))


def main() -> None:
    """Run every pair and print the ratios."""
    table = Table(title=f"medians of {PAIRS} pairs; below 1: faster than the alternative")
    for head in ("what", "this project", "the alternative", "ratio"):
        table.add_column(head, justify="left" if head == "what" else "right")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for name, ours, theirs in pairs(Path(folder), stack):
            times = [(timed(ours), timed(theirs)) for _ in range(PAIRS + 1)][1:]
            table.add_row(
                name,
                f"{statistics.median(one for one, _ in times) * 1000:,.0f} ms",
                f"{statistics.median(other for _, other in times) * 1000:,.0f} ms",
                f"{statistics.median(one / other for one, other in times):.2f}",
            )
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def pairs(
    folder: Path, stack: contextlib.ExitStack
) -> list[tuple[str, Callable[[], Any], Callable[[], Any]]]:
    """What is compared with what."""
    file = folder / "sample.toml"
    file.write_text(SAMPLE, encoding="utf-8")
    sample = Sample.load(file)
    url, secrets = stack.enter_context(sample.serve()).url, sample.secrets()
    os.environ["UPSTREAM_BASE_URL"] = url
    asked = json.dumps({"agent": "bench", "state": {}, "secrets": secrets}).encode()
    body = answer(source, asked)[1]
    reply, plain = decode(body), json.loads(body)
    assert len(reply["insert"]["transaction"]) == RECORDS
    return [
        (
            f"a call of {RECORDS:,} records, beside requests and json by hand",
            lambda: answer(source, asked),
            lambda: by_hand(url, secrets["apiToken"]),
        ),
        (
            f"a reply of {RECORDS:,} records into DuckDB, beside executemany of {RECORDS // 10:,}",
            lambda: into_warehouse(folder, reply),
            lambda: into_duckdb(folder, plain),
        ),
        (
            "cold start: import of function_app, beside azure.functions with requests",
            lambda: imported("import azure.functions, connector"),
            lambda: imported("import azure.functions, requests, json"),
        ),
    ]


def timed(work: Callable[[], Any]) -> float:
    """Seconds that a piece of work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def by_hand(url: str, token: str) -> bytes:
    """The loop that people write: all pages, decoded and encoded again."""
    rows: list[Any] = []
    session, cursor = requests.Session(), None
    while True:
        response = session.get(
            urljoin(url, "/transactions"),
            params={"cursor": cursor, "limit": 1000},
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        response.raise_for_status()
        page = response.json()
        rows += page["data"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    state = {"transaction": max(row["updated_at"] for row in rows)}
    return json.dumps({"state": state, "insert": {"transaction": rows}, "hasMore": False}).encode()


def into_warehouse(folder: Path, reply: dict[str, Any]) -> None:
    """One reply through the harness: inferred types, upsert, state, one transaction."""
    path = folder / "ours.duckdb"
    path.unlink(missing_ok=True)
    with Warehouse(path, schema="bench") as warehouse:
        warehouse.apply(reply, {})


def into_duckdb(folder: Path, reply: dict[str, Any]) -> None:
    """A tenth of the same records as JSON text, a row at a time; the time is for a tenth."""
    path = folder / "theirs.duckdb"
    path.unlink(missing_ok=True)
    rows = reply["insert"]["transaction"][: RECORDS // 10]
    with duckdb.connect(str(path)) as tables:
        tables.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, record JSON)")
        tables.begin()
        tables.executemany(
            "INSERT OR REPLACE INTO t VALUES (?, ?)", [(row["id"], json.dumps(row)) for row in rows]
        )
        tables.commit()


def imported(code: str) -> None:
    """A new interpreter that imports something."""
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(GENERATED)}
    )


if __name__ == "__main__":
    main()
