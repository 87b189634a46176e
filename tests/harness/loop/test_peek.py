"""The look at what the next call would bring."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


# Three entities take turns, a page a call; one of them fails, another is through after two pages.
TURNS = """
import logging
log = logging.getLogger("connector")
turn = state.get("turn", 0)
name, page = ["account", "broken", "thing"][turn % 3], turn // 3 + 1
walks = {"broken": {}, "thing": {"page": page}, **({} if turn > 2 else {"account": {}})}
head = f"sync_id=x entity={name}"
if name == "broken":
    why = 'entity broken, page 1: the reply has no "data"'.replace('"', '\\\\"')
    log.warning(f'event=failed {head} error=UpstreamError why="{why}"')
else:
    log.info(f"event=page {head} page={page} rows=1")
rows = {} if name == "broken" else {name: [{"id": turn}]}
return reply({
    "state": {"turn": turn + 1, "_sync": {"walks": walks}}, "insert": rows, "hasMore": True
})
"""


def test_peek_of_an_entity_that_failed_says_why_and_ends_with_one(
    project: Make, harness: Run
) -> None:
    project(TURNS)
    code, written = harness("peek", "broken")
    assert code == 1
    assert written.count('entity broken, page 1: the reply has no "data"') == 1
    assert "UpstreamError" in written
    assert "goes on" not in written


def test_json_of_a_peek_that_failed_names_entity_and_reason(project: Make, harness: Run) -> None:
    project(TURNS)
    code, written = harness("peek", "broken", "--json")
    result, why = json.loads(written), 'entity broken, page 1: the reply has no "data"'
    assert (code, result["ok"], result["exit_code"]) == (1, False, 1)
    assert result["failed"] == [{"entity": "broken", "error": "UpstreamError", "why": why}]
    assert result["error"] == {"message": why, "errorType": "UpstreamError"}


def test_a_peek_of_all_fails_with_any_of_them(project: Make, harness: Run) -> None:
    project(TURNS)
    assert harness("peek")[0] == 0
    code, written = harness("peek", "--pages", "3")
    assert code == 1
    assert 'the reply has no "data"' in written


def test_what_another_entity_failed_with_is_no_failure_of_the_one_asked_for(
    project: Make, harness: Run
) -> None:
    project(TURNS)
    code, written = harness("peek", "thing")
    assert code == 0
    assert "broken" not in written


def test_pages_with_an_entity_are_pages_of_that_entity(project: Make, harness: Run) -> None:
    project(TURNS)
    result = json.loads(harness("peek", "thing", "--pages", "2", "--json")[1])
    assert result["calls"] == 6
    assert result["records"]["thing"] == [{"id": 2}, {"id": 5}]


def test_peek_ends_with_the_last_page_of_its_entity(project: Make, harness: Run) -> None:
    project(TURNS)
    result = json.loads(harness("peek", "account", "--pages", "9", "--json")[1])
    assert (result["calls"], result["pages"]) == (4, {"account": 2, "thing": 1})


def test_peek_gives_up_waiting_for_an_entity_that_does_not_come(
    project: Make, harness: Run, calls: Calls
) -> None:
    folder = project(TURNS)
    _, written = harness("peek", "nothing")
    assert "nothing came for nothing; 23 calls brought account, thing" in written
    assert len(calls(folder)) == 23, "three that brought something new, and twenty"


def test_an_entity_without_records_is_told(project: Make, harness: Run) -> None:
    project(
        "import logging\n"
        "logging.getLogger('connector').info('event=page entity=thing page=1 rows=0')\n"
        "return reply({'state': {}, 'hasMore': False})"
    )
    assert "thing: no records" in harness("peek", "thing")[1]


def test_a_reason_that_the_reply_only_hints_at_is_shown_beside_it(
    project: Make, harness: Run
) -> None:
    body = TURNS.split("rows = ")[0] + (
        "if turn == 2:\n    return reply({'errorMessage': 'failed before, see the log: broken'})\n"
    )
    project(body + "rows = " + TURNS.split("rows = ", 1)[1])
    code, written = harness("peek", "--pages", "3")
    assert code == 1
    assert "see the log: broken" in written
    assert 'the reply has no "data"' in written


def test_a_walk_that_has_read_nothing_yet_goes_on_from_its_first_page(
    project: Make, harness: Run
) -> None:
    project("return reply({'state': {'_sync': {'walks': {'thing': {}}}}, 'hasMore': True})")
    assert "thing goes on: from its first page" in harness("peek")[1]


def test_peek_of_an_entity_that_the_schema_does_not_name_lists_those_it_names(
    project: Make, harness: Run
) -> None:
    project()
    code, written = harness("peek", "nosuch")
    assert code == 3
    assert "schema does not name it; there are thing" in written


PRIVATE = """
rows = [{"id": n, "note": "in-the-clear", "eMail": "ann@x.test"} for n in range(2)]
return reply({
    "state": {},
    "insert": {"thing": rows, "person": [{"id": 1, "name": "Ann"}]},
    "delete": {"thing": [{"id": 9, "eMail": "ann@x.test"}]},
    "schema": {"thing": {"primary_key": ["id"]}, "person": {"primary_key": ["id"]}},
    "hasMore": False,
})
"""


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_peek_hides_what_the_destination_would_not_have(
    project: Make, harness: Run, how: tuple[str, ...]
) -> None:
    project(PRIVATE, blocked=["thing.Note", "person"], hashed=["thing.e_mail"])
    code, written = harness("peek", *how)
    assert code == 0, written
    for clear in ("in-the-clear", "ann@x.test", "Ann"):
        assert clear not in written


def test_peek_shows_hashed_columns_as_the_destination_would_and_says_what_is_hidden(
    project: Make, harness: Run
) -> None:
    project(PRIVATE, blocked=["thing.note", "person"], hashed=["thing.e_mail"])
    records = json.loads(harness("peek", "--json")[1])["records"]
    hashes = {row["eMail"] for row in records["thing"]}
    assert [re.fullmatch("[0-9a-f]{64}", value) is not None for value in hashes] == [True]
    assert [list(row) for row in records["thing"]] == [["id", "eMail"], ["id", "eMail"]]
    assert records["person"] == []
    written = harness("peek")[1]
    assert "thing: 2 records (note is blocked, eMail is hashed)" in written
    assert "person: 0 records (all of it is blocked)" in written
