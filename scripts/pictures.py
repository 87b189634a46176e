"""Makes the README's pictures from a real run: docs/demo.svg and docs/report.png.

Needs Linux or macOS, and Chromium for the report.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / ".demo"
WIDTH = 118
LINES = 36  # of the terminal in the recording
LINE_HEIGHT = 24.4  # of an SVG by Rich
SECONDS = 24.0  # that the recording takes


def main() -> None:
    """Run `make demo` once, draw its output, and photograph the report of its syncs."""
    shown = record([sys.executable, "scripts/demo.py"])
    picture = draw(shown.replace(f"{ROOT}{os.sep}", ""))
    (ROOT / "docs" / "demo.svg").write_text(picture, encoding="utf-8", newline="\n")
    project = DEMO / "acme-connector"
    harness = [sys.executable, "-m", "harness"]
    small = {**os.environ, "CONNECTOR_CALL_BYTES": "60000"}  # so that the sync takes several calls
    subprocess.run([*harness, "sync", "--sample"], cwd=project, env=small, check=True)
    subprocess.run([*harness, "report", "--sample"], cwd=project, check=True)
    report = project / ".fivetran" / "sample" / "report.html"
    page = report.read_text(encoding="utf-8").replace(f"{project}{os.sep}", "")
    report.write_text(page, encoding="utf-8", newline="\n")
    photograph(report, ROOT / "docs" / "report.png")


def record(command: list[str]) -> str:
    """What a command prints on a terminal, colours included."""
    main_end, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(WIDTH), "TERM": "xterm-256color", "LINES": "50"}
    running = subprocess.Popen(command, cwd=ROOT, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    found = io.BytesIO()
    while True:
        try:
            part = os.read(main_end, 65536)
        except OSError:  # the terminal is closed
            break
        if not part:
            break
        found.write(part)
    if running.wait():
        raise SystemExit(found.getvalue().decode("utf-8"))
    text = found.getvalue().decode("utf-8").replace("\r\n", "\n")
    return re.sub(r"\x1b\[\?25[hl]", "", text)


def draw(shown: str) -> str:
    """An SVG of a terminal whose lines appear one after the other and scroll."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for line in shown.splitlines():
        text = Text.from_ansi(line.rpartition("\r")[2])
        if not re.match("[\u2800-\u28ff]", text.plain):  # a progress line
            console.print(text, soft_wrap=True)
    picture = console.export_svg(title="make demo", unique_id="demo")
    lines = 1 + max(int(number) for number in re.findall(r"#demo-line-(\d+)\)", picture))
    surplus = (lines - LINES) * LINE_HEIGHT

    def delayed(match: re.Match[str]) -> str:
        delay = SECONDS * int(match[1]) / lines
        return f'style="animation:appear 0s {delay:.2f}s both" {match[0]}'

    def shorter(match: re.Match[str]) -> str:
        return f"{match[1]}{float(match[2]) - surplus:.1f}"

    picture = re.sub(r'clip-path="url\(#demo-line-(\d+)\)"', delayed, picture)
    for height in (
        r'(viewBox="0 0 [\d.]+ )([\d.]+)',
        r'(id="demo-clip-terminal">\s*<rect[^>]*height=")([\d.]+)',
        r'(<rect fill="[^"]*" stroke=[^>]*height=")([\d.]+)',
    ):
        picture = re.sub(height, shorter, picture, count=1)
    begin = SECONDS * LINES / lines
    styles = (
        "<style>@keyframes appear{from{opacity:0}}"
        f"@keyframes scroll{{to{{transform:translateY(-{surplus:.1f}px)}}}}"
        f".demo-matrix{{animation:scroll {SECONDS - begin:.1f}s {begin:.1f}s "
        f"steps({lines - LINES}) both}}\n"
    )
    return picture.replace("<style>", styles, 1)


def photograph(page: Path, picture: Path) -> None:
    """A picture of a page in Chromium."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("Chromium is not installed: docs/report.png stays as it is")
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1200,1000"]
    subprocess.run([browser, *options, f"--screenshot={picture}", page.as_uri()], check=True)


if __name__ == "__main__":
    main()
