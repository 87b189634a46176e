"""Whatever dies and whenever: what the model destination has is what the model upstream has.

`MODEL_EXAMPLES=2000` tries many more schedules than the default does, at random.
"""

import logging
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from connector.testing import held_clock
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from .model import START, Setting, Upstream
from .model_forms import COUNTS, DAY, INSTANTS, SECOND
from .model_rules import ORDERS, Judge

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "0"))
HOUR = 3600


def examples(usual):
    """Few examples, the same at each run; as many as the environment asks for, at random."""
    return settings(
        max_examples=EXAMPLES or usual,
        derandomize=not EXAMPLES,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(autouse=True, scope="module")
def quiet():
    """Log lines are not what is tested here, and writing them takes half of the time."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Choices:
    """The fields of a setting; what the family has fixed is not drawn."""

    def __init__(self, draw, **fixed):
        self.draw = draw
        self.made = {"name": "thing", **fixed}

    def __call__(self, field, *values):
        if field not in self.made:
            self.made[field] = self.draw(st.sampled_from(values))
        return self.made[field]

    def tokens(self, form):
        """How pages are cut so that nothing may be lost.

        A count (sequence, text) is not held back by the walk's start. So the upstream must not
        slip a higher one in before lower ones: it lists by the cursor, or as of the first page.
        """
        if self.made.get("order") is not None or not form.step:
            self("tokens", "cursor", "frozen_rows")
        positions = self.made["deletes"] == "none" and not self.made.get("window")
        more = ["offset"] if positions and self.made.get("keyed", True) else []
        self("tokens", "id", "id", "frozen_ids", "cursor", "frozen_rows", *more)

    def setting(self):
        """The setting, after what does not hang on the cursor has been drawn."""
        end = self("end", "null", "empty", "404")
        # A step that takes 404 for the last page cannot tell an expired token by it.
        self("refusal", 410, 400, 401, 403, 422, *(() if end == "404" else (404, 409)))
        self("page_size", 2, 1, 3, 7)
        if "ages" not in self.made:
            hours = self.draw(st.lists(st.integers(0, 40), min_size=1, max_size=9))
            self.made["ages"] = [hour * HOUR for hour in hours]
        return Setting(**self.made)


def dated(draw, **fixed):
    """An entity with a cursor and a key, read in a way in which nothing may be lost."""
    choose = Choices(draw, **fixed)
    form = choose("form", *INSTANTS, *COUNTS)
    choose("deletes", "none", "rows", "keys")
    choose.tokens(form)
    none, hour = timedelta(0), timedelta(hours=1)
    choose("lookback", *([none, none, None, None, hour] if form.step else [None]))
    if choose.made.get("window"):
        choose("start", 4 * DAY)
    elif form.step:
        choose("start", None, 400 * DAY)
    setting = choose.setting()
    usual = 300.0 if form.step else 0.0
    back = usual if setting.lookback is None else setting.lookback.total_seconds()
    if back > 20 + form.step / 1e6:
        setting.lag = draw(st.sampled_from([20.0, 0.0]))
        # An exclusive bound at the end of a slice, or where an ordered walk starts over, is final.
        setting.exclusive = not (setting.window or setting.order) and draw(st.booleans())
    return setting


def sliced(draw):
    """Windows of hours and days."""
    window = timedelta(hours=draw(st.sampled_from([6, 24, 200])))
    order = draw(st.sampled_from([None, "asc", "desc"]))
    return [dated(draw, form=draw(st.sampled_from(INSTANTS)), order=order, window=window)]


def searched(draw):
    """A search that stops after some records; it goes on where the reading has come to."""
    hours = draw(st.lists(st.integers(1, 40), min_size=6, max_size=25))
    fixed = {
        "form": draw(st.sampled_from([form for form in INSTANTS if form.step < 2e6])),
        "ages": [hour * HOUR for hour in hours],
        "order": "asc",
        "tokens": "cursor",
        "limit": 6,
        "page_size": draw(st.sampled_from([2, 3])),
        "window": draw(st.sampled_from([None, None, timedelta(days=1)])),
        "start": 4 * DAY,
        # Tombstones carry no ascending walk on: a search that gives only these gets nowhere.
        "deletes": "none",
    }
    return [dated(draw, **fixed)]


def whole(draw, name="thing", *deletes):
    """An entity that is read whole at each sync."""
    choose = Choices(draw, name=name)
    kind = choose("deletes", *(deletes or ("none", "soft", "soft", "may_be_empty")))
    choose("tokens", "id", "frozen_ids", "frozen_rows", *(["offset"] if kind == "none" else []))
    return choose.setting()


def keyless(draw, **fixed):
    """Records without a key: none is lost, and none is there twice."""
    choose = Choices(draw, **{"keyed": False, "deletes": "none", **fixed})
    form = choose("form", *INSTANTS, *COUNTS)
    if form.step and choose("window", None, None, timedelta(days=1), timedelta(hours=6)):
        choose("start", 4 * DAY)
    choose.tokens(form)
    choose("page_size", 2, 3, 7)  # two records that are alike make no two pages that are alike
    choose("coarse", 1, 60 * SECOND, 2**80)
    return choose.setting()


def several(draw):
    """Entities of three kinds."""
    kinds = [
        lambda: dated(draw, name="unordered"),
        lambda: dated(draw, name="ordered", order="asc"),
        lambda: whole(draw, "whole", "none", "soft"),
        lambda: keyless(draw, name="log", order="asc"),
    ]
    return [kind() for kind in draw(st.permutations(kinds))[:3]]


FAMILIES = {
    "unordered": (150, lambda draw: [dated(draw)]),
    "asc": (150, lambda draw: [dated(draw, order="asc")]),
    "desc": (100, lambda draw: [dated(draw, order="desc")]),
    "slices": (150, sliced),
    "search": (80, searched),
    "whole": (200, lambda draw: [whole(draw)]),
    "keyless": (100, lambda draw: [keyless(draw)]),
    "keyless asc": (100, lambda draw: [keyless(draw, order="asc")]),
    "keyless desc": (60, lambda draw: [keyless(draw, order="desc")]),
    "several": (80, several),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_tables_end_up_as_the_upstream(family):
    usual, entities = FAMILIES[family]

    @given(st.composite(entities)(), clocks(), st.booleans(), schedules)
    @examples(usual)
    def run(settings, clock, ids, schedule):
        play(settings, schedule, clock, ids)

    run()


@pytest.mark.parametrize("order", ["asc", "desc", "window", "frozen_ids", "frozen_rows", "id"])
def test_a_sync_ends_though_the_upstream_never_rests(order):
    """Each request, and all records change. Only a list that is sorted by the change, read without
    order="asc", can run away from its reader."""
    form = INSTANTS[0]
    setting = Setting("thing", form, ages=range(8), tokens="cursor", lookback=timedelta(0))
    if order == "window":
        setting = replace(setting, window=timedelta(days=1), start=4 * DAY)
    elif order in ("asc", "desc"):
        setting.order = order
    else:
        setting.tokens = order
    with held_clock(START) as held:
        upstream = Upstream(held, [setting])
        upstream.script.extend([("sweep", 0, 0)] * 1000)
        judge = Judge(upstream)
        for _ in range(3):
            judge.sync(most=50)
        judge.settle()


CHANGES = ["update", "sweep", "insert", "delete", "restore", "odd", "future", "twins"]
CALM = ["", "", "", "sweep", "sweep", "update", "insert", "delete", "restore", "short"]
TROUBLE = [
    *["expire", "expire", "expire", "empty", "slow", "fail", "reset", "busy", "down", "refused"],
    *["wait", "quota", "odd", "future", "twins", "broken"],
]


class Turn(msgspec.Struct, repr_omit_defaults=True):
    """A call: what comes before it, what happens during its requests, what becomes of its reply."""

    pause: int = 0
    drift: int = 0
    changes: Sequence[tuple[str, int, int]] = ()
    script: Sequence[tuple[str, int, int]] = ()
    between: str = ""
    deploy: Any = None
    fate: str = ""
    order: Sequence[str] = ORDERS[0]
    seconds: int = 150
    size: int = 2**23
    gap: int = 900


def turns(events):
    """Calls during whose requests these things happen."""
    which, number = st.integers(0, 2), st.integers(0, 30)
    return st.builds(
        Turn,
        pause=st.sampled_from([0, 0, 1, 60, 400, 4000, 90_000]),
        drift=st.sampled_from([0, 0, 0, 2, -2, 30]),
        changes=st.lists(st.tuples(st.sampled_from(CHANGES), which, number), max_size=2),
        script=st.lists(st.tuples(st.sampled_from(events), which, number), max_size=8),
        between=st.sampled_from(["", "", "", "", "new sync", "new sync", "re-sync"]),
        deploy=st.sampled_from([None] * 8 + [1, 3, 1, 3, "order", "window"]),
        fate=st.sampled_from(["", "", "lost", "repeated"]),
        order=st.sampled_from(ORDERS),
        seconds=st.sampled_from([150, 10, 40]),
        size=st.sampled_from([2**23, 1, 300]),
        gap=st.sampled_from([900, 900, 60]),
    )


schedules = st.one_of(
    st.lists(turns(CALM), min_size=1, max_size=5), st.lists(turns(CALM + TROUBLE), max_size=8)
)


@st.composite
def clocks(draw):
    """The upstream's clock; one that is slow and does not show it cannot be allowed for."""
    date = draw(st.sampled_from(["true", "true", "", "cached"]))
    skew = draw(st.sampled_from([-3600, -3600, -40_000, 0, 1, 3600]))
    latency = draw(st.sampled_from([0.125, 1.0, 3.0]))
    return {"date": date, "skew": skew if date == "true" else max(skew, 0), "latency": latency}


def play(entities, schedule, clock, ids=True):
    """Play a schedule, let the upstream come to rest, and compare."""
    with held_clock(START) as held:
        upstream = Upstream(held, entities, **clock)
        judge = Judge(upstream, ids=ids)
        for turn in schedule:
            upstream.clock.advance(turn.pause)
            upstream.drift(turn.drift)
            for change in turn.changes:
                upstream.change(*change)
            upstream.script.extend(turn.script)
            judge.over |= turn.between == "new sync"
            if turn.between == "re-sync":
                judge.resync()
            if turn.deploy and deploy(entities[0], turn.deploy):
                judge.redeployed = True
                upstream.waits.clear()
            judge.call(turn.fate, turn.order, turn.seconds, turn.size, turn.gap)
        judge.settle()


def deploy(setting, what):
    """Change a declaration, and say whether that is more than a page's size."""
    if what in (1, 3) and setting.keyed:
        setting.page_size = what
    if setting.exclusive or setting.form is None:
        return False
    if what == "order" and setting.tokens in ("cursor", "frozen_rows") and not setting.limit:
        setting.order = None if setting.order else "asc"
        return True
    if what == "window" and setting.form.step and setting.tokens != "offset":
        setting.window = None if setting.window else timedelta(days=1)
        setting.start = setting.start or 4 * DAY
        return True
    return False
