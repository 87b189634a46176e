"""`make bench` says what a cold start is made of; how long it takes is no test's business."""

from __future__ import annotations

import pytest

from benchmarks import cold_start


def test_every_import_of_the_function_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Its steps, with and without bytecode, and the packages that take their time in it."""
    cold_start.main(["--runs", "1"])
    steps, packages = capsys.readouterr().out.split("own time by package")
    assert "medians of 1 fresh processes" in steps
    rows = cells(steps)
    assert [row[0].split()[0] for row in rows] == [*cold_start.STEPS, "all"]
    assert all(len(row) == 3 and row[1].isdigit() and row[2].isdigit() for row in rows)
    assert len(cells(packages)) == 15


def cells(table: str) -> list[list[str]]:
    """The rows of a table that was printed."""
    lines = [line for line in table.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]
