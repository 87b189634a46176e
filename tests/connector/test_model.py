"""Whatever dies and whenever: what the model destination holds is what the model upstream has.

`MODEL_EXAMPLES=2000` tries many more schedules than the default does.
"""

import copy
import gc
import json
import logging
import os
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from connector import Fetch, Page, Source
from connector.answer import answer
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from .model import (
    COUNTS,
    INSTANTS,
    ORDERS,
    Form,
    Player,
    Setting,
    Time,
    Upstream,
    differences,
    held,
    response,
    stripped,
)

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
    # Tombstones carry no ascending walk on: a search that gives nothing else gets nowhere.
    fixed = {"order": "asc", "tokens": "cursor", "limit": 6, "deletes": "none"}
    setting = data.draw(dated(form=form, ages=many, **fixed))
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


# ---- several entities


@given(st.data(), clocks(), latencies, st.booleans(), st.sampled_from([1, 3, 3]), schedules)
@examples(60)
def test_several_entities_side_by_side(
    data: st.DataObject,
    clock: dict[str, Any],
    latency: float,
    ids: bool,
    workers: int,
    schedule: Any,
) -> None:
    form = data.draw(st.sampled_from(INSTANTS))
    everything = Choices(data.draw, {"name": "all"})
    everything("deletes", "none", "soft", "soft")
    everything("tokens", "id", "frozen_ids", "frozen_rows")
    shared(everything)
    kinds = {
        "unordered": [data.draw(dated(name="unordered"))],
        "ordered": [data.draw(dated(name="ordered", order="asc", tokens="cursor"))],
        "everything": [Setting(**everything.made)],
        "log": [
            Setting(name="log", form=form, keyed=False, order="asc", tokens="cursor", ages=[3, 1])
        ],
        "pair": [
            data.draw(dated(name="gone", deletes="thing", lines=False, form=form, composite=False)),
            data.draw(dated(name="thing", deletes="elsewhere", form=form, composite=False)),
        ],
    }
    chosen = data.draw(st.permutations(sorted(kinds)))[:3]
    entities = [setting for kind in chosen for setting in kinds[kind]]
    schedule = [{**turn, "deploy": None} for turn in schedule]
    play(Upstream(Time(), entities, latency=latency, **clock), schedule, ids=ids, workers=workers)


# ---- the same call again


@given(dated(), clocks(), latencies, schedules)
@examples(60)
def test_a_call_that_is_made_later_does_the_same(
    setting: Setting, clock: dict[str, Any], latency: float, schedule: Any
) -> None:
    """It hangs on nothing but its request and the upstream; clock stamps aside."""
    upstream = Upstream(Time(), [setting], latency=latency, **clock)
    player = Player(upstream)
    for turn in schedule:
        upstream.script.extend(turn["script"])
        player.call(seconds=turn["seconds"], size=turn["size"])
        upstream.script.clear()
    upstream.time.sleep(3 * 86_400)  # no cursor is held back any more
    budgets = {"seconds": 40, "size": 300}
    tables = copy.deepcopy(upstream.tables)
    first = player.call(fate="lost", **budgets)
    upstream.tables, upstream.time.time = tables, upstream.time.time + 5
    again = player.call(fate="lost", **budgets)
    assert bare(first) == bare(again)


def bare(reply: dict[str, Any]) -> dict[str, Any]:
    """A reply without clock stamps."""
    return {**reply, "state": stripped(reply["state"])}


# ---- progress


@given(
    st.integers(0, 150),
    st.sampled_from([0.5, 2.0, 3.0, 6.0]),
    st.booleans(),
    st.sampled_from(["none", "soft"]),
)
@examples(40)
def test_quiet_pages_pause_a_sync_before_fivetran_gives_it_up(
    quiet: int, latency: float, first: bool, deletes: str
) -> None:
    """Nine empty replies, then a pause; a first reading that pauses must not look complete."""
    upstream = Upstream(Time(), [Setting("thing", ages=[1] * 6, deletes=deletes)], latency=latency)
    player = Player(upstream)
    if not first:
        player.sync()
    upstream.change("insert", 0, 0)
    before = {str(number) for number in upstream.tables["thing"].entries}
    upstream.script.extend([("", 0, 0), *[("empty", 0, 0)] * quiet])
    for _ in range(quiet + 30):
        reply = player.call(seconds=10)
        if reply["hasMore"]:
            continue
        if "errorMessage" not in reply and "_sync" not in reply["state"]:
            break
        if first and "errorMessage" not in reply:
            raise AssertionError("a first reading that is not through looks complete")
        player.give_up()
    else:
        raise AssertionError("it was never through")
    assert before == {key for (key,) in player.destination.alive("thing")}


@pytest.mark.parametrize("order", ["asc", "desc", "window", "frozen_ids", "frozen_rows", "id"])
def test_a_sync_ends_though_the_upstream_never_rests(order: str) -> None:
    """Each request, and all records change. Only a list that is sorted by the change, read without
    order="asc", can run away from its reader."""
    setting = Setting("thing", INSTANTS[0], ages=range(8), tokens="cursor", lookback=timedelta(0))
    if order == "window":
        setting.window = timedelta(days=1)
    elif order in ("asc", "desc"):
        setting.order = order
    else:
        setting.tokens = order
    upstream = Upstream(Time(), [setting])
    upstream.script.extend([("sweep", 0, 0)] * 1000)
    player = Player(upstream)
    for _ in range(3):
        player.sync(most=50)
    player.settle()
    assert not differences(player)


# ---- budgets

pages = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 8)), min_size=1, max_size=30)


@given(
    st.lists(pages, min_size=1, max_size=3),
    st.sampled_from([1, 3]),
    st.sampled_from([10, 30, 190]),
    st.sampled_from([1, 500, 5000, 2**20]),
)
@examples(60)
def test_no_call_goes_far_beyond_its_budgets(
    entities: list[list[tuple[int, int]]], workers: int, seconds: int, size: int
) -> None:
    """Beyond its seconds by one page at most, though the upstream heeds no deadline; beyond its
    bytes by the pages in flight; and it stops before neither is spent."""
    settings = [
        Setting(f"e{index}", ages=[1] * len(each), page_size=1, pads=[pad for pad, _ in each])
        for index, each in enumerate(entities)
    ]
    upstream = Upstream(Time(), settings, latency=0.5)
    upstream.patient = True
    upstream.script.extend(("slow", 0, slow) for each in entities for _, slow in each)
    player = Player(upstream)
    slowest = 0.5 + max(slow for each in entities for _, slow in each)
    largest = 120 + max(pad for each in entities for pad, _ in each)
    for _ in range(100):
        reply = player.call(seconds=seconds, size=size, workers=workers)
        rest = len(json.dumps([reply["state"], reply.get("schema")])) + 200
        assert player.took < seconds + slowest
        assert player.bytes < size + workers * largest + rest
        if not reply["hasMore"]:
            break
        if len(entities) == 1:
            assert player.took + slowest >= seconds or player.bytes >= size
    assert "errorMessage" not in reply
    assert not differences(player)


@pytest.mark.parametrize("kind", ["keyed", "keyless", "deletes", "soft"])
def test_memory_does_not_grow_with_the_number_of_pages(kind: str) -> None:
    """A soft_delete's first reading takes all pages in one call and delivers none of them."""
    tracemalloc.start()
    try:
        long_sync(kind, 200)  # fills what is cached within bounds
        assert peak(kind, 500) < peak(kind, 50) * 1.2
    finally:
        tracemalloc.stop()


def peak(kind: str, count: int) -> int:
    """Bytes that a sync of so many pages takes at most."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    long_sync(kind, count)
    return tracemalloc.get_traced_memory()[1] - before


def long_sync(kind: str, count: int) -> None:
    """A sync of so many pages, a few of which fit into a reply."""
    time = Time()

    def send(request: requests.PreparedRequest, _: float) -> requests.Response:
        time.sleep(0.125)
        number = int(parse_qs(urlsplit(request.url or "").query)["page"][0])
        rows = [
            {"id": f"{number}.{n}", "at": number * 10 + n, "pad": "x" * 2000} for n in range(10)
        ]
        return response(request, json.dumps(rows).encode())

    source = Source(base_url="https://api.example.com", workers=1)
    counted: dict[str, Any] = {"cursor": "at", "cursor_type": "sequence"}
    options = {
        "keyed": {"primary_key": ["id"], **counted},
        "keyless": {"order": "asc", **counted},
        "deletes": {"primary_key": ["id"]},
        "soft": {"primary_key": ["id"], "soft_delete": True},
    }[kind]

    @source.entity("thing", **options)
    def thing(fetch: Fetch) -> Page:
        page = fetch.token or 0
        rows = fetch.get("/thing", params={"page": page}).rows()
        following = page + 1 if page + 1 < count else None
        return Page((), following, deleted=rows) if kind == "deletes" else Page(rows, following)

    state: dict[str, Any] = {}
    more, calls = True, 0
    with held(time), patch.dict(os.environ, {"CONNECTOR_CALL_BYTES": "50000"}):
        while more:
            body = answer(source, json.dumps({"state": state}).encode(), send)[1]
            assert len(body) < 100_000
            reply = json.loads(body)
            assert "errorMessage" not in reply, reply["errorMessage"]
            state, more, calls = reply["state"], reply["hasMore"], calls + 1
            del body, reply
            gc.collect(1)
    assert calls > count / 4
