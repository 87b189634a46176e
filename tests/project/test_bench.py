"""`make bench` compares what delivers the same records; how fast that is, no test checks."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
from filelock import FileLock

from benchmarks import __main__ as bench
from benchmarks import cold_start, records, sections
from benchmarks.bench import Bench
from benchmarks.environments import OTHERS, OURS, ROOT, RUNTIME
from benchmarks.goals import FLAT, Goal
from benchmarks.meter import Result, Task
from benchmarks.upstream import upstream

COUNT = 2500
CONTENDERS = sorted({(name, size) for _, name, size, _ in sections.CONTENDERS})


@pytest.fixture(scope="module", autouse=True)
def environments() -> None:
    """The contenders' packages, as the Makefile installs them."""
    OURS.parent.mkdir(exist_ok=True)
    with FileLock(OURS.parent / ".lock"):
        targets = [f"{folder.relative_to(ROOT)}/.ready" for folder in (OURS, OTHERS)]
        subprocess.run(["make", *targets], cwd=ROOT, check=True, capture_output=True)


@pytest.fixture(scope="module")
def small() -> Iterator[Bench]:
    """A bench of few records, once."""
    with Bench.opened(RUNTIME, COUNT, 1) as bench:
        yield bench


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of an upstream with these records."""
    with upstream(COUNT, (100, 1000)) as url:
        yield url


@pytest.mark.parametrize(("name", "size"), CONTENDERS)
def test_every_contender_delivers_the_upstreams_records(
    small: Bench, url: str, name: str, size: int
) -> None:
    """All of them, once, in the upstream's order, with the values that it sent."""
    found = small.run(Task(name, url, COUNT, size, check=True))
    assert found.records == COUNT
    assert found.digest == records.expected(COUNT, changed=name == "ours_changed")


def test_the_check_finds_a_contender_that_delivers_other_records(
    small: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sections, "CONTENDERS", (("changed rows", "ours_changed", 1000, None),))
    sections.check(small)
    monkeypatch.setattr(records, "expected", lambda count, changed: "another digest")
    with pytest.raises(RuntimeError, match="changed rows: 2500 records, not the 2500 expected"):
        sections.check(small)


def test_a_run_measures_cpu_waiting_and_memory(small: Bench) -> None:
    """Waiting is no CPU, and the peak includes the reply."""
    with upstream(COUNT, (1000,), delay=0.2) as url:
        found = small.run(Task("ours", url, COUNT, warm=False))
    assert found.wall > 3 * 0.2
    assert 0 < found.cpu < found.wall
    assert found.peak >= found.imported + found.reply


def test_an_error_of_the_function_ends_the_bench(small: Bench) -> None:
    with pytest.raises(RuntimeError, match="CONNECTOR_CALL_BYTES"):
        task = Task("ours", "http://127.0.0.1:9", COUNT, warm=False)
        small.run(task, {"CONNECTOR_CALL_BYTES": "many"})


@pytest.mark.parametrize(
    ("goal", "ratio", "result"),
    [
        (Goal(high=0.30), 0.304, "met"),
        (Goal(high=0.30), 0.33, "missed by 0.03 (10%)"),
        (Goal(low=3.5), 3.5, "met"),
        (Goal(low=3.5), 2.8, "missed by 0.70 (20%)"),
        (FLAT, 1.0, "met"),
        (FLAT, 1.21, "missed by 0.11 (10%)"),
        (FLAT, 0.81, "missed by 0.09 (10%)"),
    ],
)
def test_a_goal_says_by_how_much_it_is_missed(goal: Goal, ratio: float, result: str) -> None:
    assert goal.judge(ratio) == result


@pytest.mark.parametrize("name", ["warehouse", "dlt_duckdb", "dlt_parquet"])
def test_every_destination_loads_all_records(small: Bench, name: str) -> None:
    assert small.run(Task(name, "", COUNT, warm=False)).records == COUNT


def test_a_run_writes_the_page_and_its_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row of the terminal is a row of the page; the page has versions and no times."""
    result = Result(cpu=1, wall=1, imported=1, peak=2, reply=1, records=1)
    monkeypatch.setattr(Bench, "run", lambda *_: result)  # the tests above run each contender
    monkeypatch.setattr(sections, "check", lambda _: None)
    once = partial(cold_start.sections, runs=1)
    monkeypatch.setattr(cold_start, "sections", lambda *given: once(*given[:2]))
    bench.main(["--quick", "--output", str(tmp_path)])
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    rows = [line.split(" | ")[0].removeprefix("| ") for line in page.splitlines() if "| " in line]
    printed = capsys.readouterr().out
    assert len(rows) > 25
    assert not [row for row in rows if row not in printed]
    assert not [name for name, *_ in sections.CONTENDERS if name not in rows]
    assert "Python 3." in page and "dlt 1." in page
    svg = ElementTree.parse(tmp_path / "benchmarks.svg").getroot()
    texts = {element.text for element in svg.iter() if element.tag.endswith("text")}
    assert {name for name, *_ in sections.CONTENDERS} < texts
    imports = page.partition("## Imports of a cold start")[2]
    shares = {
        name: float(share) for name, share in re.findall(r"^\| (.+) \| ([\d.]+)", imports, re.M)
    }
    assert {"the standard library", "azure", "requests", "connector"} < shares.keys()
    assert 0.9 < sum(shares.values()) < 1.1
