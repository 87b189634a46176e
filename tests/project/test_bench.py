"""`make bench` compares what runs; how long it takes is no test's business."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from benchmarks import __main__ as bench


def test_both_sides_of_every_comparison_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once each, on a few of the benchmark's own records."""
    few = bench.SAMPLE.replace(f"records = {bench.RECORDS}", "records = 500")
    monkeypatch.setattr(bench, "SAMPLE", few)
    monkeypatch.setattr(bench, "RECORDS", 500)
    monkeypatch.setenv("UPSTREAM_BASE_URL", "https://api.example.com")  # put back afterwards
    with contextlib.ExitStack() as stack:
        compared = bench.pairs(tmp_path, stack)
        for _, ours, theirs in compared:
            ours()
            theirs()
    assert len(compared) == 3
    assert {path.name for path in tmp_path.glob("*.duckdb")} == {"ours.duckdb", "theirs.duckdb"}
