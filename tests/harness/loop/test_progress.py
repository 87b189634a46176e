"""What a sync shows while it runs."""

from __future__ import annotations

import io
import logging

import pytest
from harness.errors import FunctionFailed, LostReply
from harness.loop import Summary
from harness.progress import Progress
from harness.protocol import Reply
from harness.redact import Redactor
from harness.screen import Screen, counted, duration, size
from harness.target import Answer

PAGE = "event=page sync_id=x entity=thing page=3 rows=100 count=1 bytes=900 ms=3 more=true"


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def plain() -> io.StringIO:
    return io.StringIO()


def reply(rows: int, more: bool) -> tuple[Summary, Reply, Answer]:
    records = [{"id": number} for number in range(rows)]
    body = {"state": {}, "insert": {"thing": records}, "hasMore": more}
    summary = Summary("id", {}, {}, calls=1, size=2048)
    summary.inserted["thing"] = rows
    return summary, Reply(body, 2048), Answer(200, "application/json", b"", 1.25)


def test_a_terminal_shows_calls_rows_pace_pages_and_entity() -> None:
    file = Terminal()
    with Progress(Screen(file=file)) as progress:
        progress.calling(2)
        progress.heard(logging.INFO, "connector", PAGE)
    for part in ("call 2", "100 rows", "rows/s", "1 page", "thing page 3"):
        assert part in file.getvalue()


def test_without_a_terminal_a_call_is_one_line(plain: io.StringIO) -> None:
    with Progress(Screen(file=plain)) as progress:
        progress.calling(1)
        progress.heard(logging.INFO, "connector", PAGE)
        progress.replied(*reply(1200, more=True))
    line = " ".join(plain.getvalue().split())
    assert line == "call 1 1,200 rows 2.0 KiB 1.2 s hasMore"


def test_json_stays_silent(plain: io.StringIO) -> None:
    with Progress(Screen(file=plain, as_json=True)) as progress:
        progress.calling(1)
        progress.heard(logging.WARNING, "x", "careful")
        progress.replied(*reply(1, more=False))
    assert plain.getvalue() == ""


def test_warnings_of_the_function_are_shown_without_secrets(plain: io.StringIO) -> None:
    with Progress(Screen(Redactor(["sesame-open"]), file=plain)) as progress:
        progress.heard(logging.WARNING, "urllib3", "retrying with sesame-open")
        progress.heard(logging.INFO, "x", "nothing to see")
    assert plain.getvalue() == "warning: retrying with [secret] (urllib3)\n"


def test_a_reason_that_is_reported_is_not_said_twice(plain: io.StringIO) -> None:
    lines = ['event=failed why="the \\"upstream\\" is down"', 'event=failed why="something else"']
    with pytest.raises(FunctionFailed), Progress(Screen(file=plain)) as progress:
        for line in lines:
            progress.heard(logging.WARNING, "connector", line)
        raise FunctionFailed('thing, page 1: the "upstream" is down')
    assert plain.getvalue() == f"warning: {lines[1]} (connector)\n"


def test_many_warnings_are_counted(plain: io.StringIO) -> None:
    with Progress(Screen(file=plain)) as progress:
        for _ in range(25):
            progress.heard(logging.ERROR, "x", "again")
    lines = plain.getvalue().splitlines()
    assert (len(lines), lines[-1]) == (21, "… and 5 warnings more")


def test_a_lost_reply_is_told(plain: io.StringIO) -> None:
    progress = Progress(Screen(file=plain))
    progress.calling(4)
    progress.lost(LostReply("no reply within 240 s"), 2.0)
    assert plain.getvalue() == "call 4 lost: no reply within 240 s; again in 2 s\n"


def test_numbers_are_written_for_people() -> None:
    assert [size(812), size(1434), size(8 << 20)] == ["812 B", "1.4 KiB", "8.0 MiB"]
    assert [duration(0.42), duration(1.44), duration(125)] == ["420 ms", "1.4 s", "2 min 05 s"]
    assert duration(3720) == "1 h 02 min"
    assert [counted(1, "row"), counted(2500, "row")] == ["1 row", "2,500 rows"]
