"""`peek`: a look at what the next calls bring."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from handmade import calls

Make = Callable[..., Path]
Run = Callable[..., tuple[int, str]]
Result = Callable[..., dict[str, Any]]

# Three entities take turns; a real function logs its pages and obeys CONNECTOR_ENTITIES.
TURNS = """
import os
only = os.environ.get("CONNECTOR_ENTITIES")
turn = state.get("turn", 0)
name = only or ("account", "order", "person")[turn % 3]
log.info(f"event=request entity={name} method=GET url=https://x.test/{name} status=200 ms=12")
log.info(f"event=page entity={name} page=1 rows=2")
log.info(f"reading {name} event=step entity={name} page=1")
logging.getLogger("helpers").info("a helper's line")
logging.getLogger("urllib3").info("a library's line")
return reply({
    "state": {"turn": turn + 1, "_sync": {"walks": {name: {"token": "t-%d" % turn}}}},
    "insert": {name: [{"id": turn, "size": os.environ["CONNECTOR_CALL_BYTES"]}, {"id": 99}]},
    "schema": {n: {"primary_key": ["id"]} for n in ("account", "order", "person")},
    "hasMore": turn < 20,
})
"""


def test_one_entity_is_read_alone_a_page_per_call(project: Make, run: Run) -> None:
    folder = project(TURNS)
    code, written = run("peek", "order", "--pages", "2")
    assert (code, len(calls(folder))) == (0, 2), written
    assert "order: 4 records, the first 3" in written
    for text in ("GET https://x.test/order", "200", "12", "hasMore: true",
                 "log info: reading order", "a helper's line"):  # fmt: skip
        assert text in written
    assert "account" not in written and "a library's line" not in written
    assert not (folder / ".fivetran/warehouse.duckdb").exists()


@pytest.mark.parametrize("obeys", [True, False])
def test_without_an_entity_every_one_is_seen(project: Make, result: Result, obeys: bool) -> None:
    folder = project(TURNS if obeys else TURNS.replace("only or ", ""))
    found = result("peek")
    assert sorted(found["records"]) == ["account", "order", "person"]
    assert all(rows[0]["size"] == "1" for rows in found["records"].values())
    assert len(calls(folder)) == 3


def test_it_goes_on_from_the_state_and_fresh_from_nothing(project: Make, run: Run) -> None:
    folder = project()
    run("sync")
    run("peek")
    run("peek", "--fresh")
    assert [call["state"] for call in calls(folder)[-2:]] == [{"at": 10}, {}]
    assert run("state")[1] == 'state: {"at":10}'


def test_what_does_not_come_is_named(project: Make, run: Run) -> None:
    line = "event=page entity=thing page=1 rows=0"
    project(f"log.info({line!r})\nreturn reply({{'state': {{}}, 'hasMore': False}})")
    written = run("peek", "thing")[1]
    assert "thing: no records" in written and "state after this: {}" in written
    assert "nosuch: nothing came" in run("peek", "nosuch")[1]


def test_an_entity_that_failed_beside_others_is_an_error(project: Make, result: Result) -> None:
    body = "log.warning('event=failed entity=order error=UpstreamError why=\"no data\"')\n"
    body += "log.warning('event=unreadable_cursor entity=order value=Never')\n"
    project(body + TURNS)
    found = result("peek")
    assert (found["exit_code"], found["error"]["message"]) == (1, "order: no data")
    assert "account" in found["records"]
    assert "warning: order: unreadable cursor: Never" in found["log"]


def test_a_real_project_is_peeked_at(baked: Path, run: Run, result: Result) -> None:
    code, written = run("peek", "transaction", "--sample", "--port", "0")
    assert (code, "transaction: 100 records, the first 3" in written) == (0, True), written
    found = result("peek", "--sample", "--port", "0", "--pages", "2")
    assert (found["calls"], found["hasMore"]) == (2, True)
