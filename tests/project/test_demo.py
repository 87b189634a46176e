"""The demo goes the whole way and says what it did."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_demo_syncs_in_several_calls_and_again_after_changes(tmp_path: Path) -> None:
    """The first sync takes several calls, the second brings what changed; both show their state.

    What an earlier demo left is removed first.
    """
    left = tmp_path / "acme-connector" / "left-over.txt"
    left.parent.mkdir()
    left.write_text("from an earlier demo", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "demo.py"), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = done.stdout
    assert "passed in" in shown
    first, second = shown.split("4. in the API: 25 new records, 40 changed")
    assert len(re.findall(r"^call \d+ .* hasMore$", first, re.MULTILINE)) >= 2
    assert "2,500 rows, the latest" in first
    assert "2,525 rows, the latest" in second
    assert len(re.findall(r'^state: \{"transaction":"[^"]+Z"\}$', shown, re.MULTILINE)) == 2
    assert "pages requested: 25" in first
    assert "What to do next" in second
    assert not left.exists()
