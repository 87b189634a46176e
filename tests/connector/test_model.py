"""Whatever dies and whenever: what the model destination holds is what the model upstream has.

`MODEL_EXAMPLES=2000` tries many more schedules than the default does.
"""

import logging
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from .model import COUNTS, INSTANTS, ORDERS, Form, Player, Setting, Time, Upstream, differences

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "0"))


def examples(usual: int) -> settings:
    """Few examples, the same at each run; as many as the environment asks for, at random."""
    return settings(
        max_examples=EXAMPLES or usual,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """Log lines are not what is tested here, and writing them takes half of the time."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


# ---- what happens

CHANGES = ["update", "sweep", "insert", "delete", "restore", "undated", "future", "twin"]
EVENTS = [
    *["", "update", "update", "sweep", "sweep", "sweep", "insert", "insert", "delete", "restore"],
    *["expire", "expire", "short", "empty", "slow", "fail", "reset", "busy"],
    *["down", "refused", "wait", "undated", "future", "twin", "forget"],
]
numbers = st.integers(0, 30)
turns = st.fixed_dictionaries(
    {
        "pause": st.sampled_from([0, 0, 1, 60, 400, 4000, 90_000]),
        "changes": st.lists(
            st.tuples(st.sampled_from(CHANGES), st.integers(0, 2), numbers), max_size=3
        ),
        "script": st.lists(
            st.tuples(st.sampled_from(EVENTS), st.integers(0, 2), numbers), max_size=8
        ),
        "give_up": st.sampled_from([False, False, True]),
        "fate": st.sampled_from(["", "", "", "lost", "repeated", "twice"]),
        "order": st.sampled_from(ORDERS),
        "seconds": st.sampled_from([150, 10, 40]),
        "size": st.sampled_from([2**23, 1, 300]),
        "deploy": st.sampled_from([None, None, None, 1, 3]),
    }
)
ages = st.lists(st.integers(0, 40), min_size=1, max_size=9)
latencies = st.sampled_from([0.125, 1.0, 3.0])


@st.composite
def clocks(draw: st.DrawFn) -> dict[str, Any]:
    """The upstream's clock; one that is slow and does not show it cannot be allowed for."""
    date = draw(st.sampled_from(["", "true", "cached"]))
    skew = draw(st.sampled_from([0, 0, 1, 3600, -3600, -40_000]))
    return {"date": date, "skew": skew if date == "true" else max(skew, 0)}


def play(
    upstream: Upstream, schedule: list[dict[str, Any]], *, ids: bool = True, workers: int = 1
) -> Player:
    """Play a schedule, let the upstream come to rest, and compare."""
    player = Player(upstream, ids=ids)
    for turn in schedule:
        upstream.time.sleep(turn["pause"])
        for change in turn["changes"]:
            upstream.change(*change)
        upstream.script.extend(turn["script"])
        if turn["give_up"]:
            player.give_up()
        if turn["deploy"]:
            next(iter(upstream.settings.values())).page_size = turn["deploy"]
        player.call(
            fate=turn["fate"],
            order=turn["order"],
            seconds=turn["seconds"],
            size=turn["size"],
            workers=workers,
        )
    player.settle()
    event("troubled" if upstream.troubled else "smooth")
    event("expired" if upstream.expired else "tokens held")
    assert not differences(player)
    return player


def seconds(setting: Setting) -> float:
    """How far a new walk looks back."""
    assert setting.form is not None
    if not setting.form.step or not setting.keyed:
        return 0.0
    return 300.0 if setting.lookback is None else setting.lookback.total_seconds()


@st.composite
def cursor_settings(draw: st.DrawFn, name: str = "thing", **fixed: Any) -> Setting:
    """An entity with a cursor and a key, in a form under which nothing may be lost.

    A count (sequence, text) is not held back by the walk's start, so the upstream must not let a
    record with a higher one slip in before those with lower ones: it lists by the cursor, or
    records as they were at the first page.
    """
    made: dict[str, Any] = {"name": name, **fixed}

    def choose(field: str, values: list[Any]) -> None:
        if field not in made:
            made[field] = draw(st.sampled_from(values))

    if "form" not in made:
        made["form"] = draw(st.sampled_from(INSTANTS if made.get("window") else INSTANTS + COUNTS))
    form = made["form"]
    choose("order", [None, "asc", "desc"])
    if made["order"] is not None or not form.step:
        choose("tokens", ["cursor", "frozen_rows"])
    else:
        choose("tokens", ["id", "cursor", "frozen_ids", "frozen_rows"])
    choose(
        "lookback", [timedelta(0), timedelta(0), None, timedelta(hours=1)] if form.step else [None]
    )
    choose("window", [None])
    choose("deletes", ["none", "rows", "keys"])
    choose("end", ["null", "empty", "404"])
    choose("refusal", [410, 400, 422, 409] if made["end"] == "404" else [410, 404, 400, 422, 409])
    if made["end"] == "404" and made["refusal"] == 409:
        made["refusal"] = 410
    choose("page_size", [2, 1, 3, 7])
    choose("composite", [False, True])
    choose("column", ["updated_at", "meta.at"])
    choose("touched", [False, True])
    choose("lines", [False, True])
    made.setdefault("ages", draw(ages))
    setting = Setting(**made)
    if seconds(setting) > 20 + form.step / 1e6 and not fixed.get("exact"):
        setting.lag = draw(st.sampled_from([0.0, 20.0]))
        setting.exclusive = not setting.window and not setting.order and draw(st.booleans())
    return setting


@pytest.mark.parametrize("form", [*INSTANTS, *COUNTS], ids=repr)
@given(st.data(), clocks(), latencies, st.booleans(), st.lists(turns, max_size=8))
@examples(30)
def test_cursor(
    form: Form, data: st.DataObject, clock: dict[str, Any], latency: float, ids: bool, schedule: Any
) -> None:
    setting = data.draw(cursor_settings(form=form))
    upstream = Upstream(Time(), [setting], **clock)
    upstream.latency = latency
    play(upstream, schedule, ids=ids)
