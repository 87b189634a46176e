"""What the generated README says to type, for names that a database knows too."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

NAMES = [
    ("order", "x__y"),
    ("Select", "group"),
    ("temp", "transaction"),
    ("system", "order_"),
    ("warehouse", "table"),
    ("a__b_", "main"),
]


@pytest.mark.parametrize(("function", "entity"), NAMES, ids=str)
def test_the_line_that_shows_a_table_works(
    project: Callable[..., Path],
    run: Callable[..., subprocess.CompletedProcess[str]],
    function: str,
    entity: str,
) -> None:
    """Schema and table stand there as the warehouse names them, whatever word of SQL's they are."""
    folder = project(function_name=function, entity=entity, ci="none")
    sample = folder / "sample.toml"
    few = sample.read_text(encoding="utf-8").replace("records = 2500", "records = 10")
    sample.write_text(few, encoding="utf-8")
    synced = run(folder, "-m", "harness", "sync", "--sample")
    assert synced.returncode == 0, synced.stdout + synced.stderr
    readme = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in readme if line.startswith("python -c")]
    shown = run(folder, *shlex.split(line)[1:])
    assert shown.returncode == 0, shown.stderr
    assert "_fivetran_synced" in shown.stdout and "10 rows" in shown.stdout
