"""The page in a real browser, where there is one."""

from __future__ import annotations

import html
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., Path]
Report = Callable[..., Any]
Browser = Callable[..., str]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on this machine")

HOSTILE = """
bad = "<script>document.title = 'owned'</script><img src=x onerror=document.title='owned'>"
rows = [{"id": n, "name": bad, bad: bad, "words": "a long text " * 40} for n in range(8)]
rows[0] |= {f"column_{n}": n for n in range(30)}
return reply({
    "state": {bad: bad, "long": "x" * 900}, "insert": {"thing": rows},
    "schema": {"thing": {"primary_key": ["id"]}}, "hasMore": False, bad: 1,
})
"""
# Tells the page around it how wide the content is. The page's own policy has to make way for it.
PROBE = "<script>parent.postMessage(document.documentElement.scrollWidth, '*')</script>"
FRAME = """<!doctype html><title>waiting</title>
<script>addEventListener("message", (event) => { document.title = event.data })</script>
<iframe style="width:%dpx;height:800px;border:0" srcdoc="%s"></iframe>"""


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """Opens a file in headless Chromium; what it wrote to standard output."""

    def run(file: Path, *options: str) -> str:
        command = [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--virtual-time-budget=2000",
            f"--user-data-dir={tmp_path / 'browser'}",
            *options,
            file.resolve().as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, timeout=120, check=True)
        return done.stdout.decode("utf-8")

    return run


def test_no_data_becomes_an_element_or_runs(
    project: Make, reported: Report, browser: Browser
) -> None:
    folder = project(HOSTILE)
    reported("sync")
    document = browser(folder / ".fivetran/report.html", "--dump-dom")
    assert "<title>acme: local sync</title>" in document
    assert "<script" not in document
    assert "<img" not in document
    assert "&lt;script&gt;" in document


@pytest.mark.parametrize("width", [1200, 390])
def test_the_page_fits_its_width(
    project: Make, reported: Report, browser: Browser, width: int
) -> None:
    """On a desk and on a phone nothing but tables within it has to be scrolled sideways."""
    folder = project(HOSTILE)
    source = reported("sync").source
    policy = source[source.index("<meta http-equiv") : source.index("<meta name")]
    probed = source.replace(policy, "").replace("</body>", f"{PROBE}</body>")
    frame = folder / "frame.html"
    frame.write_text(FRAME % (width, html.escape(probed)), encoding="utf-8")
    document = browser(frame, "--dump-dom")
    assert f"<title>{width}</title>" in document


def test_the_page_has_a_light_and_a_dark_look(
    project: Make, reported: Report, browser: Browser, tmp_path: Path
) -> None:
    folder = project()
    reported("sync")
    shots = []
    for option in ("--window-size=1200,900", "--force-dark-mode"):
        shot = tmp_path / f"{len(shots)}.png"
        browser(folder / ".fivetran/report.html", option, f"--screenshot={shot}")
        shots.append(shot.read_bytes())
    assert all(shot.startswith(b"\x89PNG") for shot in shots)
    assert len(set(shots)) == 2
