"""A correct function survives chaos; the usual mistakes are found, with the record named."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from harness.bench import Bench
from harness.chaos import Differs, Outcome
from harness.errors import FunctionFailed, ProtocolBroken

Opened = Callable[..., Bench]
Found = Callable[[dict[str, str]], Outcome]

SEEDS = range(20)
KEYLESS = {
    'primary_key = ["id"]': "primary_key = []",
    '{"thing": {"primary_key": ["id"]}}': "{}",
}
SAME_SYNC = 'state.get("sync", request["sync_id"]) == request["sync_id"]'
LOSSES = {
    "commits before the last page": {
        'state.get("since"), state.get("page", 1)': '(state["low"], state["page"]) '
        f'if {SAME_SYNC} and "low" in state else (state.get("since"), 1)',
        "since, page, started": "(since, page), started",
        '{"since": since, "page"': '{"sync": request["sync_id"], "low": since, '
        '"since": max([row["updated_at"] for row in rows or []] + [since or ""]), "page"',
    },
    "loses a page on retry": {
        "            continue\n        rows": '            page = params["page"] = page + 1\n'
        "            continue\n        rows",
    },
    "takes an error for the last page": {
        "if answer.status_code != 200:": "if answer.status_code == 500:",
        'answer.json()["data"]': 'answer.json().get("data", [])',
    },
    "commits the end of the walk": {'{"since": started}': '{"since": now}'},
    "remembers the page by itself": {
        'state.get("page", 1)': '(getattr(app, "page", 0) + 1) if "page" in state else 1',
        "rows = None\n": "rows = None\napp.page = page\n",
        '"page": page + 1': '"page": state.get("page", 1) + 1',
    },
    "takes a sync that was given up for done": {
        'state.get("page", 1)': f'(state.get("page", 1) if {SAME_SYNC} else 10**6)',
        '{"since": since, "page"': '{"sync": request["sync_id"], "since": since, "page"',
    },
    "counts positions in a list sorted by change": {"nulls = []": "nulls = []\nby_change = true"},
}


@pytest.fixture
def found(opened: Opened) -> Found:
    """Plays seeds until the tables differ."""

    def find(changes: dict[str, str]) -> Outcome:
        bench = opened(changes)
        runs = (bench.chaos(seed) for seed in SEEDS)
        return next(run for run in runs if run.difference)

    return find


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sound_function_survives(opened: Opened, seed: int) -> None:
    opened().chaos(seed).check()


@pytest.mark.parametrize("mistake", LOSSES)
def test_a_mistake_that_loses_records_is_found(found: Found, mistake: str) -> None:
    run = found(LOSSES[mistake])
    difference = run.difference
    assert difference is not None
    assert (difference.table, list(difference.key)) == ("thing", ["id"])
    assert difference.what == "missing" or difference.column in ("updated_at", "name", "price")
    with pytest.raises(Differs, match=rf"chaos {run.seed}: .*the record id=\d+ ") as caught:
        run.check()
    assert caught.value.todo == f"play it again: python -m harness sync --chaos {run.seed}"


def test_rows_that_are_doubled_without_a_key_are_found(found: Found) -> None:
    difference = found(KEYLESS).difference
    assert difference is not None
    assert re.fullmatch(r"there \d times instead of 1", difference.what)
    assert list(difference.key) == ["id", "name", "price", "updated_at"]


def test_the_same_seed_plays_the_same(opened: Opened) -> None:
    bench = opened()
    first, second = bench.chaos(7), bench.chaos(7)
    assert first.done == second.done
    assert (first.calls, first.syncs) == (second.calls, second.syncs)


def test_other_seeds_play_otherwise(opened: Opened) -> None:
    bench = opened()
    assert bench.chaos(1).done != bench.chaos(2).done


def test_an_error_on_good_days_is_the_functions_own(opened: Opened) -> None:
    bench = opened({"for _ in range(6):": "for _ in ():"})
    with pytest.raises(FunctionFailed, match="does not answer") as caught:
        bench.chaos(4)
    assert "in chaos 4" in caught.value.__notes__


def test_a_state_that_does_not_move_ends_the_run(opened: Opened) -> None:
    stuck = 'return reply({"state": state, "hasMore": True})'
    given_up = 'return reply({"errorMessage": "the upstream does not answer"})'
    bench = opened({given_up: stuck, "range(6)": "range(1)"})
    with pytest.raises(ProtocolBroken, match="the state is the one that was sent") as caught:
        bench.chaos(5)
    assert caught.value.__notes__[-1] == "in chaos 5"


def test_nobody_waits_for_the_retries_of_a_function(opened: Opened) -> None:
    """An hour per retry: the test would not end."""
    sleep = "            import time\n            time.sleep(3600)\n            continue\n"
    bench = opened({"            continue\n        rows": f"{sleep}        rows"})
    before = time.sleep
    run = bench.chaos(5)
    run.check()
    assert run.done["429"]
    assert time.sleep is before
