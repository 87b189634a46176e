"""The look at what the next call would bring."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Make = Callable[..., Path]
Run = Callable[..., tuple[int, str]]
Calls = Callable[[Path], list[dict[str, Any]]]

LOGGING = """
import logging, os
at = state.get("at", 0)
logging.getLogger("connector").info(
    'event=request entity=thing page=1 method=GET url="https://x.test/a?q=\\\\"b c\\\\"" '
    "status=200 ms=12"
)
return reply({
    "state": {"at": at + 1, "_note": os.environ.get("CONNECTOR_CALL_BYTES")},
    "insert": {"thing": [{"id": at, "text": request["secrets"]["apiToken"]}], "other": [{"a": 1}]},
    "hasMore": True,
})
"""


def test_peek_writes_nothing(project: Make, harness: Run) -> None:
    folder = project()
    before = sorted(path.name for path in folder.iterdir())
    code, written = harness("peek")
    assert code == 0
    assert "nothing was written" in written
    after = {path.name for path in folder.iterdir()} - {"requests.jsonl", "__pycache__"}
    assert sorted(after) == before


def test_peek_shows_requests_records_and_the_state(project: Make, harness: Run) -> None:
    project(LOGGING)
    _, written = harness("peek")
    assert 'GET https://x.test/a?q="b c"' in written
    assert "thing: 1 record" in written
    assert "Fivetran would call again at once" in written
    row = next(line for line in written.splitlines() if "at " in line and "│" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["at", "·", "1"]


def test_peek_of_one_entity_shows_that_alone(project: Make, harness: Run) -> None:
    project(LOGGING)
    _, written = harness("peek", "other")
    assert "other: 1 record" in written
    assert "thing: 1 record" not in written
    assert "x.test" not in written


def test_peek_of_an_entity_that_is_not_there_says_what_came(project: Make, harness: Run) -> None:
    project(LOGGING)
    _, written = harness("peek", "nothing")
    assert "nothing came for nothing; this call brought thing, other" in written


def test_peek_makes_as_many_calls_as_pages_each_from_the_last_state(
    project: Make, harness: Run, calls: Calls
) -> None:
    folder = project(LOGGING)
    harness("peek", "--pages", "3")
    assert [call["state"].get("at", 0) for call in calls(folder)] == [0, 1, 2]


def test_peek_asks_for_the_smallest_reply(project: Make, harness: Run) -> None:
    project(LOGGING)
    result = json.loads(harness("peek", "--json")[1])
    assert result["state"]["_note"] == "1"


def test_peek_starts_where_the_next_sync_would_and_fresh_from_nothing(
    project: Make, harness: Run, calls: Calls
) -> None:
    folder = project()
    harness("sync", "--calls", "1")
    harness("peek")
    harness("peek", "--fresh")
    assert [call["state"] for call in calls(folder)][-2:] == [{"at": 3}, {}]


def test_peek_hides_secrets_in_records(project: Make, harness: Run) -> None:
    project(LOGGING)
    _, written = harness("peek")
    assert "[secret]" in written
    assert "s3cret" not in written


def test_peek_shows_the_requests_that_led_to_an_error(project: Make, harness: Run) -> None:
    body = LOGGING.split("return reply")[0] + "return reply({'errorMessage': 'no'})"
    project(body)
    code, written = harness("peek")
    assert code == 1
    assert "https://x.test/a" in written
