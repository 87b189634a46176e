"""The conformance suite passes a sound function and finds what is wrong with others."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from harness.bench import Bench
from harness.errors import HarnessError
from harness.redact import Redactor
from harness.testing import FunctionConformance

SAMPLE = """
records = 250

[auth]
kind = "bearer"
secrets = ["apiToken"]

[entity.thing]
path = "/things"
pagination = "page_number"
rows = "data"
token = "page"
size = "limit"
primary_key = ["id"]
nulls = []

[entity.thing.record]
id = 1
name = "a name"
price = 10.50
"""

SAMPLE_OF_FULL_PAGES = SAMPLE.replace('size = "limit"', 'size = "limit"\nshort_pages = false')

# A function without the template's runtime: one page a call, straight to the sample upstream.
BODY = """
import os
import requests
import traceback

if "apiToken" not in request["secrets"]:
    return reply({"errorMessage": "the secret apiToken is missing"})
page = state.get("page", 1)
answer = requests.get(
    os.environ["UPSTREAM_BASE_URL"] + "/things",
    params={"page": page, "limit": 50},
    headers={"Authorization": "Bearer " + request["secrets"]["apiToken"]},
    timeout=10,
)
if answer.status_code == 401:
    return reply({"errorMessage": "the upstream refused the token"})
if answer.status_code == 500:
    return reply({"errorMessage": "the upstream fails"})
if request.get("setup_test"):
    return reply({"state": state, "hasMore": False})
rows = answer.json()["data"]
return reply({
    "state": {"page": page + 1} if rows else {},
    "insert": {"thing": rows},
    "schema": {"thing": {"primary_key": ["id"]}},
    "hasMore": bool(rows),
})
"""

TESTS = [
    name
    for name, _ in inspect.getmembers(FunctionConformance, inspect.isfunction)
    if name.startswith("test_") and name != "test_any_cut_gives_the_same_tables"
]


@pytest.fixture
def bench(project: Callable[..., Path], tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Opens a bench for the sound function, or one in which a text is replaced."""
    with ExitStack() as stack:

        def make(old: str = "", new: str = "", sample: str = SAMPLE) -> Bench:
            assert old in BODY
            folder = project(BODY.replace(old, new) if old else BODY)
            (folder / "sample.toml").write_text(sample, encoding="utf-8")
            return stack.enter_context(Bench.opened(folder, tmp_path))

        yield make


def run(name: str, bench: Bench) -> None:
    getattr(FunctionConformance(), name)(bench)


@pytest.mark.parametrize("name", TESTS)
def test_a_sound_function_passes(bench: Callable[..., Bench], name: str) -> None:
    run(name, bench())


@pytest.mark.parametrize(
    ("old", "new", "name", "says"),
    [
        pytest.param(
            '"insert": {"thing": rows}',
            '"insert": {"thing": rows[1:]}',
            "test_sync_delivers_every_record",
            r"5 of 250 records are missing or differ(.|\n)*override `expected`",
            id="loses a record of each page",
        ),
        pytest.param(
            '"insert": {"thing": rows}',
            '"insert": {"thing": [{**row, "name": row["name"].upper()} for row in rows]}',
            "test_sync_delivers_every_record",
            "are missing or differ; the first should be .*, there is ",
            id="changes records",
        ),
        pytest.param(
            '"insert": {"thing": rows}',
            '"insert": {"things": rows}',
            "test_sync_delivers_every_record",
            "there is no table thing: the tables are things",
            id="another table",
        ),
        pytest.param(
            '"/things"',
            '"/stuff"',
            "test_sync_delivers_every_record",
            "HTTP 500",
            id="asks for what the sample does not have",
        ),
        pytest.param(
            '"the upstream refused the token"',
            '"the upstream refused " + request["secrets"]["apiToken"]',
            "test_wrong_secrets_are_reported",
            r"the error shows a secret: the upstream refused \[secret\]",
            id="shows a wrong secret",
        ),
        pytest.param(
            "if answer.status_code == 401:",
            "if answer.status_code == 401 and False:",
            "test_wrong_secrets_are_reported",
            "HTTP 500",
            id="raises on a wrong secret",
        ),
        pytest.param(
            '"the secret apiToken is missing"',
            '"no"',
            "test_missing_secrets_are_reported_by_name",
            "the error names none of apiToken: no",
            id="does not say what is missing",
        ),
        pytest.param(
            'rows = answer.json()["data"]',
            'rows = answer.json()["data"]\n'
            'import logging; logging.getLogger("x").debug("%s", answer.request.headers)',
            "test_no_secret_leaves_the_function",
            r"a secret was logged: .*\[secret\]",
            id="logs a secret",
        ),
        pytest.param(
            '{"page": page + 1} if rows',
            '{"page": page + 1, "key": request["secrets"]["apiToken"]} if rows',
            "test_no_secret_leaves_the_function",
            "a secret stands in state: nothing of the reply was applied",
            id="keeps a secret in the state",
        ),
        pytest.param(
            'return reply({"state": state, "hasMore": False})',
            "pass",
            "test_setup_test_passes_and_delivers_nothing",
            "hasMore is true in a setup test",
            id="syncs in a setup test",
        ),
        pytest.param(
            '"hasMore": bool(rows)',
            '"hasMore": len(rows) == 50',
            "test_a_short_page_is_not_the_last",
            r"records are missing(.|\n)*a page without rows(.|\n)*short_pages = false",
            id="ends at a short page",
        ),
        pytest.param(
            'return reply({"errorMessage": "the upstream fails"})',
            'return reply({"state": {}, "hasMore": False})',
            "test_an_upstream_that_fails_is_reported",
            "failed 1 times in the midst of the list, and the function reported no error",
            id="takes an error for the end",
        ),
        pytest.param(
            '"insert": {"thing": rows}',
            '"insert": {"thing": [{**row, "Name": "x"} for row in rows]}',
            "test_no_rule_is_broken",
            r"two names become one in the destination \(names-collide\)\ncall 1, insert.thing",
            id="breaks a rule",
        ),
    ],
)
def test_a_fault_is_found(
    bench: Callable[..., Bench], old: str, new: str, name: str, says: str
) -> None:
    opened = bench(old, new)
    with pytest.raises((AssertionError, HarnessError), match=says) as caught:
        run(name, opened)
    assert not Redactor(opened.secrets.values()).finds(str(caught.value))


def test_what_fetch_changes_on_purpose_is_said_in_expected(bench: Callable[..., Bench]) -> None:
    class Shouting(FunctionConformance):
        def expected(self, entity: str, record: dict[str, Any]) -> dict[str, Any] | None:
            return {**record, "name": record["name"].upper()} if record["id"] % 2 else None

    made = '[{**row, "name": row["name"].upper()} for row in rows if row["id"] % 2]'
    opened = bench('"insert": {"thing": rows}', '"insert": {"thing": ' + made + "}")
    Shouting().test_sync_delivers_every_record(opened)


def test_expected_may_change_a_record_in_place(bench: Callable[..., Bench]) -> None:
    """Nested values too: what the upstream has stays as it is."""

    class Moving(FunctionConformance):
        def expected(self, entity: str, record: dict[str, Any]) -> dict[str, Any] | None:
            record["tags"].append("seen")
            return record

    opened = bench(
        '"insert": {"thing": rows}',
        '"insert": {"thing": [{**row, "tags": [*row["tags"], "seen"]} for row in rows]}',
        sample=SAMPLE + 'tags = ["new"]\n',
    )
    before = copy.deepcopy(opened.server.records("thing"))
    Moving().test_sync_delivers_every_record(opened)
    assert opened.server.records("thing") == before


def test_lost_replies_that_move_the_function_are_found(bench: Callable[..., Bench]) -> None:
    """A function that remembers the page by itself loses records when a reply is lost."""
    opened = bench(
        'page = state.get("page", 1)',
        'app.page = page = getattr(app, "page", 0) + 1 if state else 1',
    )
    with pytest.raises((AssertionError, HarnessError)):
        run("test_lost_replies_change_nothing", opened)


def test_an_api_whose_pages_are_full_says_so(bench: Callable[..., Bench]) -> None:
    opened = bench('"hasMore": bool(rows)', '"hasMore": len(rows) == 50', SAMPLE_OF_FULL_PAGES)
    with pytest.raises(pytest.skip.Exception, match=r"sample\.toml has no pages"):
        run("test_a_short_page_is_not_the_last", opened)


def test_an_error_that_moves_the_state_is_found(bench: Callable[..., Bench]) -> None:
    """It skips the page that failed, and says so only afterwards."""
    opened = bench(
        'return reply({"errorMessage": "the upstream fails"})',
        'if page < 4:\n        return reply({"state": {"page": page + 1}, "hasMore": True})\n'
        '    return reply({"errorMessage": "the upstream fails"})',
    )
    with pytest.raises(AssertionError, match=r"records are missing(.|\n)*must not move past"):
        run("test_an_upstream_that_fails_is_reported", opened)
