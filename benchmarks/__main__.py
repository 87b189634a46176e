"""CPU, waiting, memory and cold start beside the alternatives, as ratios: `make bench`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks import cold_start, plot, report, sections
from benchmarks.bench import Bench
from benchmarks.environments import OURS, ROOT, RUNTIME, versions


def main(arguments: Sequence[str] | None = None) -> None:
    """Check that all contenders deliver the same records, then measure and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--runtime", type=Path, default=RUNTIME, help="folder that holds connector/")
    add("--output", type=Path, help="folder for the page (default: docs, or none if quick)")
    add("--quick", action="store_true", help="a few records, once: shows that everything runs")
    given = parser.parse_args(arguments)
    count, rounds = (2000, 1) if given.quick else (100_000, 5)
    with Bench.opened(given.runtime, count, rounds) as bench:
        sections.check(bench)
        parts = (
            sections.cpu,
            sections.waiting,
            sections.memory,
            sections.growth,
            sections.loading,
        )
        found = [part(bench) for part in parts]
        found += cold_start.sections(OURS, given.runtime, 3 * rounds)
    used = versions()
    report.terminal(found, used)
    if folder := given.output or (None if given.quick else ROOT / "docs"):
        bars = plot.plot("CPU per record; the hand-written loop is 1", found[0].rows)
        report.write(folder, report.markdown(found, rounds, used), bars)


if __name__ == "__main__":
    main()
