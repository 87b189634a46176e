"""Whatever dies and whenever: what the model destination holds is what the model upstream has.

`MODEL_EXAMPLES=2000` tries many more schedules than the default does.
"""

import logging
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
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
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """Log lines are not what is tested here, and writing them takes half of the time."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


# ---- what happens

CHANGES = ["update", "sweep", "insert", "delete", "restore", "undated", "future", "twins"]
CALM = ["", "", "", "sweep", "sweep", "update", "insert", "delete", "restore", "short"]
TROUBLE = [
    *["expire", "expire", "expire", "empty", "slow", "fail", "reset", "busy", "down", "refused"],
    *["wait", "undated", "future", "twins", "forget"],
]
numbers = st.integers(0, 30)


def turns(events: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """A call: what came before it, what happens during its requests, what becomes of its reply."""
    changes = st.tuples(st.sampled_from(CHANGES), st.integers(0, 2), numbers)
    script = st.tuples(st.sampled_from(events), st.integers(0, 2), numbers)
    return st.fixed_dictionaries(
        {
            "pause": st.sampled_from([0, 0, 1, 60, 400, 4000, 90_000]),
            "changes": st.lists(changes, max_size=2),
            "script": st.lists(script, max_size=8),
            "give_up": st.sampled_from([False, False, True]),
            "fate": st.sampled_from(["", "", "", "lost", "repeated", "twice"]),
            "order": st.sampled_from(ORDERS),
            "seconds": st.sampled_from([150, 10, 40]),
            "size": st.sampled_from([2**23, 1, 300]),
            "deploy": st.sampled_from([None, None, None, 1, 3]),
        }
    )


schedules = st.one_of(
    st.lists(turns(CALM), min_size=1, max_size=5), st.lists(turns(CALM + TROUBLE), max_size=8)
)
ages = st.lists(st.integers(0, 40), min_size=1, max_size=9)
latencies = st.sampled_from([0.125, 1.0, 3.0])


@st.composite
def clocks(draw: st.DrawFn) -> dict[str, Any]:
    """The upstream's clock; one that is slow and does not show it cannot be allowed for."""
    date = draw(st.sampled_from(["true", "true", "", "cached"]))
    skew = draw(st.sampled_from([-3600, -40_000, 0, 1, 3600]))
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


# ---- what is read


class Choices:
    """The fields of a setting; what the test has fixed is not drawn."""

    def __init__(self, draw: st.DrawFn, fixed: dict[str, Any]) -> None:
        self.draw = draw
        self.made = fixed

    def __call__(self, field: str, *values: Any) -> Any:
        if field not in self.made:
            self.made[field] = self.draw(st.sampled_from(values))
        return self.made[field]


def shared(choose: Choices) -> None:
    """What does not hang on the cursor."""
    end = choose("end", "null", "empty", "404")
    # A step that takes 404 for the last page cannot tell an expired token by it.
    choose("refusal", 410, 400, 422, *(() if end == "404" else (404, 409)))
    choose("page_size", 2, 1, 3, 7)
    choose("touched", False, True)
    choose.made.setdefault("ages", choose.draw(ages))


@st.composite
def dated(draw: st.DrawFn, **fixed: Any) -> Setting:
    """An entity with a cursor and a key, read in a way in which nothing may be lost.

    A count (sequence, text) is not held back by the walk's start. So the upstream must not slip a
    higher one in before lower ones: it lists by the cursor, or records as of the first page.
    """
    choose = Choices(draw, {"name": "thing", **fixed})
    form = choose("form", *INSTANTS)
    order = choose("order", None)
    if order is not None or not form.step:
        choose("tokens", "cursor", "frozen_rows")
    else:
        choose("tokens", "id", "id", "frozen_ids", "cursor", "frozen_rows")
    none = timedelta(0)
    choose("lookback", *([none, none, none, None, timedelta(hours=1)] if form.step else [None]))
    choose("deletes", "none", "rows", "keys")
    choose("composite", False, True)
    choose("column", "updated_at", "meta.at")
    choose("lines", False, True)
    shared(choose)
    setting = Setting(**choose.made)
    if back(setting) > 20 + form.step / 1e6:
        setting.lag = draw(st.sampled_from([0.0, 20.0]))
        # An exclusive bound at the end of a slice, or where an ordered walk starts over, is final.
        setting.exclusive = not (setting.window or setting.order) and draw(st.booleans())
    return setting


def back(setting: Setting) -> float:
    """How many seconds a new walk looks back."""
    assert setting.form is not None
    if not setting.form.step or not setting.keyed:
        return 0.0
    return 300.0 if setting.lookback is None else setting.lookback.total_seconds()


@pytest.mark.parametrize("form", INSTANTS, ids=repr)
@given(st.data(), clocks(), latencies, st.booleans(), schedules)
@examples(25)
def test_records_that_change_while_they_are_read_in_no_order(
    form: Form, data: st.DataObject, clock: dict[str, Any], latency: float, ids: bool, schedule: Any
) -> None:
    upstream = Upstream(Time(), [data.draw(dated(form=form))], latency=latency, **clock)
    play(upstream, schedule, ids=ids)


@pytest.mark.parametrize("order", [None, "asc", "desc"])
@given(st.data(), st.sampled_from(INSTANTS + COUNTS), clocks(), latencies, st.booleans(), schedules)
@examples(60)
def test_records_that_change_while_they_are_read_in_order(
    order: Any,
    data: st.DataObject,
    form: Form,
    clock: dict[str, Any],
    latency: float,
    ids: bool,
    schedule: Any,
) -> None:
    tokens = data.draw(st.sampled_from(["cursor", "frozen_rows"]))
    setting = data.draw(dated(form=form, order=order, tokens=tokens))
    play(Upstream(Time(), [setting], latency=latency, **clock), schedule, ids=ids)


@pytest.mark.parametrize("order", [None, "asc", "desc"])
@given(st.data(), clocks(), latencies, st.booleans(), schedules)
@examples(50)
def test_slices(
    order: Any, data: st.DataObject, clock: dict[str, Any], latency: float, ids: bool, schedule: Any
) -> None:
    window = data.draw(st.sampled_from([timedelta(hours=6), timedelta(days=1), timedelta(days=9)]))
    setting = data.draw(dated(order=order, window=window))
    play(Upstream(Time(), [setting], latency=latency, **clock), schedule, ids=ids)


@given(st.data(), clocks(), latencies, st.booleans(), schedules)
@examples(60)
def test_a_search_that_stops_after_some_records(
    data: st.DataObject, clock: dict[str, Any], latency: float, ids: bool, schedule: Any
) -> None:
    """It goes on where the commits have come to, so fewer records than that may be held back."""
    many = data.draw(st.lists(st.integers(0, 40), min_size=6, max_size=25))
    prompt = [form for form in INSTANTS if form.step < 2e6 and not form.name.endswith("None")]
    form = data.draw(st.sampled_from(prompt))
    setting = data.draw(dated(form=form, order="asc", tokens="cursor", limit=6, ages=many))
    setting.page_size = min(setting.page_size, 3)
    play(Upstream(Time(), [setting], latency=latency, **clock), schedule, ids=ids)


@given(st.data(), latencies, st.booleans(), schedules)
@examples(60)
def test_everything_at_each_sync(
    data: st.DataObject, latency: float, ids: bool, schedule: Any
) -> None:
    """Positions are promised only where nothing is deleted: a list that moves loses records."""
    choose = Choices(data.draw, {"name": "thing"})
    deletes = choose("deletes", "none", "soft", "soft", "may_be_empty")
    choose("tokens", "id", "frozen_ids", "frozen_rows", *(["offset"] if deletes == "none" else []))
    choose("composite", False, True)
    shared(choose)
    setting = Setting(**choose.made)
    if setting.tokens == "offset":
        schedule = [without(turn, "delete") for turn in schedule]
    play(Upstream(Time(), [setting], latency=latency), schedule, ids=ids)


def without(turn: dict[str, Any], *kinds: str) -> dict[str, Any]:
    """A turn in which some things do not happen."""
    kept = {
        name: [one for one in turn[name] if one[0] not in kinds] for name in ("changes", "script")
    }
    return {**turn, **kept}


@pytest.mark.parametrize("order", [None, "asc", "desc"])
@given(st.data(), st.sampled_from(INSTANTS + COUNTS), clocks(), latencies, st.booleans(), schedules)
@examples(60)
def test_records_without_a_key(
    order: Any,
    data: st.DataObject,
    form: Form,
    clock: dict[str, Any],
    latency: float,
    ids: bool,
    schedule: Any,
) -> None:
    """No record is lost; none is there twice, unless a walk without order="asc" started over."""
    choose = Choices(data.draw, {"name": "thing", "keyed": False, "order": order, "form": form})
    if order is not None or not form.step:
        choose("tokens", "cursor", "frozen_rows")
    else:
        choose("tokens", "id", "frozen_ids", "cursor", "frozen_rows")
    if form.step:
        choose("window", None, None, timedelta(days=1))
    shared(choose)
    setting = Setting(**choose.made)
    # Two records that are alike may not make two pages that are alike.
    setting.page_size = max(setting.page_size, 2)
    schedule = [{**turn, "deploy": None} for turn in schedule]
    play(Upstream(Time(), [setting], latency=latency, **clock), schedule, ids=ids)


@given(st.data(), latencies, st.booleans(), schedules)
@examples(60)
def test_an_event_feed(data: st.DataObject, latency: float, ids: bool, schedule: Any) -> None:
    """What was deleted while the feed had forgotten its position is not promised."""
    choose = Choices(
        data.draw,
        {"name": "thing", "deletes": "feed", "end": data.draw(st.sampled_from(["null", "empty"]))},
    )
    choose("tokens", "id", "frozen_ids", "frozen_rows")
    choose("refusal", 400, 404)
    choose("composite", False, True)
    choose("lines", False, True)
    shared(choose)
    play(Upstream(Time(), [Setting(**choose.made)], latency=latency), schedule, ids=ids)


@given(st.data(), clocks(), latencies, st.booleans(), schedules)
@examples(60)
def test_a_feed_of_deletes_beside_a_feed_of_records(
    data: st.DataObject, clock: dict[str, Any], latency: float, ids: bool, schedule: Any
) -> None:
    form = data.draw(st.sampled_from(INSTANTS))
    common = {"form": form, "composite": False}
    gone = data.draw(dated(name="gone", deletes="thing", lines=False, ages=(), **common))
    things = data.draw(dated(name="thing", deletes="elsewhere", **common))
    play(Upstream(Time(), [gone, things], latency=latency, **clock), schedule, ids=ids)
