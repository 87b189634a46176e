"""`make bench` says what a cold start is made of; how long it takes, no test checks."""

from __future__ import annotations

import sys

import pytest

from benchmarks import cold_start


def test_the_imports_of_the_function_are_compared_and_shared_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With and without bytecode, beside requests; then the packages that they consist of."""
    cold_start.main(["--runs", "1", "--environment", sys.prefix])
    ratios, shares = capsys.readouterr().out.split("Imports of a cold start")
    (_, compiled, *_), (_, source), (_, alone) = cells(ratios)
    assert min(float(source), float(compiled), float(alone)) > 0
    packages = {name: float(share) for name, share in cells(shares)}
    assert {"the standard library", "azure", "requests", "connector"} < packages.keys()
    assert 0.9 < sum(packages.values()) < 1.1


def cells(table: str) -> list[list[str]]:
    """The rows of a table that was printed, without empty cells."""
    lines = [line for line in table.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.split("│") if cell.strip()] for line in lines]
