"""Runs docs/your-api-in-15-minutes.md: writes its files and the output of its commands."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "your-api-in-15-minutes.md"
FENCE = re.compile(
    r"(?:`(?P<file>[\w/]+\.\w+)`[^`]*:\n\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL
)
WIDTH = "100"
LONGEST = 24  # lines of one command's output


def run(page: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Each console block: its text on the page, and its text with the output of this run."""
    environment = {
        **os.environ,
        "COLUMNS": WIDTH,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUTF8": "1",
        "NO_COLOR": "1",
    }
    servers, place = [], folder
    try:
        for block in FENCE.finditer(page):
            if block["file"]:
                (place / block["file"]).write_text(block["text"], encoding="utf-8", newline="\n")
            if block["kind"] != "console":
                continue
            lines = []
            for command in re.findall(r"^\$ (.*)$", block["text"], re.MULTILINE):
                lines.append(f"$ {command}")
                if command.startswith("cd "):
                    place /= command.removeprefix("cd ")
                elif command.endswith("&"):
                    arguments = command.removesuffix("&").split()
                    servers.append(start(arguments, place, environment))
                elif "pip install" not in command:
                    lines += shown(command, place, folder, environment)
            yield block["text"], "\n".join(lines) + "\n"
    finally:
        for server in servers:
            server.terminate()
            server.wait()


def start(
    arguments: list[str], place: Path, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start a server and wait until it listens on its `--port`."""
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(arguments, cwd=place, env=environment, stdout=quiet, stderr=quiet)
    port = int(arguments[arguments.index("--port") + 1])
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit(f"{' '.join(arguments)} does not listen on port {port}")


def shown(command: str, place: Path, folder: Path, environment: dict[str, str]) -> list[str]:
    """The lines that a command prints, without paths of this machine."""
    done = subprocess.run(
        command.replace("TEMPLATE", str(ROOT)),
        cwd=place,
        env=environment,
        shell=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stdout}{done.stderr}")
    text = done.stdout.replace(f"{place}{os.sep}", "").replace(f"{folder}{os.sep}", "")
    lines = [line.rstrip() for line in text.strip().splitlines()]
    return lines if len(lines) <= LONGEST else [*lines[:LONGEST], "..."]


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for before, after in run(page, Path(folder).resolve()):
            page = page.replace(f"```console\n{before}```", f"```console\n{after}```", 1)
    PAGE.write_text(page, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
