"""What is compared: CPU, waiting time, memory, and how they grow."""

from __future__ import annotations

import statistics
from dataclasses import replace

from benchmarks import records
from benchmarks.bench import Bench
from benchmarks.goals import FLAT, Goal, Row, Section
from benchmarks.meter import Result, Task
from benchmarks.upstream import upstream

# What it is called, the contender, records per page, goal.
CONTENDERS: tuple[tuple[str, str, int, Goal | None], ...] = (
    ("requests without parsing, 1,000 a page", "floor", 1000, None),
    ("requests without parsing, 100 a page", "floor", 100, None),
    ("this project, rows untouched, 1,000 a page", "ours", 1000, Goal(high=0.30)),
    ("this project, rows untouched, 100 a page", "ours", 100, Goal(high=0.50)),
    ("this project, every row changed, 1,000 a page", "ours_changed", 1000, Goal(high=0.60)),
    ("hand-written loop with orjson", "loop_orjson", 1000, None),
    ("hand-written loop", "loop", 1000, None),
    ("dlt, RESTClient.paginate", "dlt_client", 1000, None),
    ("singer-sdk, RESTStream.get_records", "singer_stream", 1000, None),
    ("singer-sdk, RESTStream.sync (writes messages)", "singer_messages", 1000, None),
)
ONE_REPLY = {"CONNECTOR_CALL_BYTES": str(2**30)}


def check(bench: Bench) -> None:
    """Compare the records of every contender with what the upstream has.

    Raises:
        RuntimeError: A contender delivers other records.
    """
    count = 2500
    with upstream(count, (100, 1000)) as url:
        for what, contender, size, _ in CONTENDERS:
            found = bench.run(Task(contender, url, count, size, warm=False, check=True))
            changed = contender == "ours_changed"
            if found.digest != records.expected(count, changed=changed):
                raise RuntimeError(f"{what}: {found.records} records, not the {count} expected")


def cpu(bench: Bench) -> Section:
    """CPU per record of every contender, beside the hand-written loop."""
    sizes = {size for _, _, size, _ in CONTENDERS}
    with upstream(bench.records, sorted(sizes)) as url:
        pairs = {
            what: (Task(name, url, bench.records, size), Task("loop", url, bench.records, size))
            for what, name, size, _ in CONTENDERS
            if name != "loop"
        }
        ratios = {"hand-written loop": 1.0, **bench.compare(pairs, _cpu)}
    return Section(
        "CPU per record",
        f"{bench.records:,} records of {records.SIZE} bytes. The hand-written loop is 1: "
        "`requests.Session`, `response.json()` and `json.dumps` of one reply a page, at the same "
        "page size (1,000 where none is named). dlt and get_records decode records and write no "
        "reply. Lower is better.",
        tuple(
            Row(what, ratios[what], goal, name.startswith("ours"))
            for what, name, _, goal in CONTENDERS
        ),
    )


def waiting(bench: Bench) -> Section:
    """Four entities of an API that takes its time, one after the other and side by side."""
    count = max(4, bench.records * 2 // 25)
    with upstream(count, (100,), delay=0.05) as url:
        four = Task("ours", url, count, 100, entities=4, workers=4)
        found = bench.compare({"": (replace(four, workers=1), four)}, lambda result: result.wall)
    return Section(
        "Waiting",
        "How many times as fast four entities are with `workers=4` as with `workers=1`, from an "
        "API that answers after 50 ms. Higher is better.",
        (Row("four entities side by side", found[""], Goal(low=3.5)),),
    )


def memory(bench: Bench) -> Section:
    """Peak memory of a call, and of syncs of different sizes."""
    small, large = bench.records // 10, bench.records * 10
    with upstream(large, (1000,)) as url:
        task = Task("ours", url, bench.records, warm=False)
        calls = [bench.run(task, ONE_REPLY) for _ in range(bench.rounds)]
        sizes = (replace(task, records=large), replace(task, records=small))
        flat = bench.compare({"": sizes}, _memory)
    return Section(
        "Memory",
        "Peak memory, relative to the interpreter with its imports plus the largest reply. "
        "Lower is better.",
        (
            Row(
                f"one call that replies with {bench.records:,} records",
                statistics.median(map(_memory, calls)),
                Goal(high=1.5),
            ),
            Row(
                f"a sync of {large:,} records in replies of 8 MiB, beside one of {small:,}",
                flat[""],
                FLAT,
            ),
        ),
    )


def growth(bench: Bench) -> Section:
    """CPU per record for more records, and for the same number over more entities."""
    small, large = bench.records // 10, bench.records * 10
    with upstream(large, (1000,)) as url:
        task = Task("ours", url, bench.records, repeats=3)
        few = replace(task, records=small, repeats=30)
        pairs = {
            f"{bench.records:,} records, beside {small:,}": (task, few),
            f"{large:,} records, beside {small:,}": (replace(task, records=large, repeats=1), few),
            "10 entities, beside 1": (replace(task, entities=10), task),
            "50 entities, beside 1": (replace(task, entities=50), task),
        }
        found = bench.compare(pairs, _cpu)
    return Section(
        "Growth",
        "CPU per record of this project, relative to a smaller sync, or to the same records in "
        "one entity. 1 is flat.",
        tuple(Row(what, ratio, FLAT) for what, ratio in found.items()),
    )


def loading(bench: Bench) -> Section:
    """The local Fivetran's warehouse beside dlt's duckdb destination."""
    ours = Task("warehouse", "", bench.records, warm=False)
    pairs = {
        f"dlt, {name}": (replace(ours, contender=contender), ours)
        for name, contender in (("its default", "dlt_duckdb"), ("Parquet files", "dlt_parquet"))
    }
    found = bench.compare(pairs, _cpu)
    return Section(
        "Loading into DuckDB",
        f"How many times the CPU per record of the local Fivetran dlt takes to load "
        f"{bench.records:,} decoded records of {records.SIZE} bytes, upserted by key. "
        "Higher is better.",
        tuple(Row(what, ratio, Goal(low=5.0)) for what, ratio in found.items()),
    )


def _cpu(result: Result) -> float:
    return result.cpu / result.records


def _memory(result: Result) -> float:
    return result.peak / (result.imported + result.reply)
