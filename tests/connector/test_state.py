"""State that came from elsewhere: refused by name or understood, and never a silent full sync."""

import copy
import functools
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from connector import Fetch, Page, Source, errors, testing
from connector.answer import answer
from connector.testing import HeldClock, Reply
from hypothesis import given, settings
from hypothesis import strategies as st

from .play import Player, checked, encoded
from .scripted import SECRETS, START, Asked, Upstream, iso, one, reading, script, source

KNOWN_ERRORS = {name for name, kind in vars(errors).items() if isinstance(kind, type)}


@functools.cache
def everything() -> Source:
    """An entity of each kind."""
    made = source()
    reading(made, "plain", primary_key=["id"], cursor="at")
    reading(made, "asc", primary_key=["id"], cursor="at", order="asc")
    reading(made, "desc", primary_key=["id"], cursor="at", order="desc")
    reading(made, "number", primary_key=["id"], cursor="n", cursor_type="sequence")
    reading(made, "epoch", primary_key=["id"], cursor="e", cursor_type="epoch")
    reading(made, "keyless", cursor="at")
    start = iso(-86400 * 9)
    reading(made, "sliced", primary_key=["id"], cursor="at", window=timedelta(days=1), start=start)
    reading(made, "whole", primary_key=["id"], soft_delete=True)

    @made.entity("position", primary_key=["id"])
    def position(fetch: Fetch) -> Page:
        response = fetch.get("/position", params={"since": fetch.since, "token": fetch.token})
        return Page(response.rows("data"), response.value("next"), cursor=["p", 1])

    return made


class Pages(Upstream):
    """Four pages of each entity, a second each; a token that it never gave is refused."""

    def __init__(self, clock: HeldClock) -> None:
        super().__init__(self._answers)
        self._clock = clock

    def _answers(self, asked: Asked) -> Any:
        self._clock.advance(1)
        token = asked.params.get("token", "0")
        if not token.isdecimal() or int(token) > 3:
            return Reply(json={"error": "unknown token"}, status=400)
        page = int(token)
        seconds = page if "desc" not in asked.path else -page
        row = {"id": page, "at": iso(-9000 + seconds), "n": page, "e": START - 9000 + page}
        return {"data": [row], "next": page + 1 if page < 3 else None}


@functools.cache
def in_progress() -> str:
    """State in the middle of a second sync of everything, as JSON."""
    with testing.held_clock(START) as clock, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONNECTOR_CALL_BYTES", "1")
        state = {
            **dict.fromkeys(("plain", "asc", "desc"), iso(-9500)),
            "number": 0,
            "epoch": START - 9500,
            "keyless": {"cursor": iso(-9500), "seen": ["0123456789abcdef"]},
            "sliced": iso(-86400),
            "whole": {"rows": 7},
            "position": {"delta": "x"},
            "gone": "an entity of last year",
        }
        player = Player(everything(), Pages(clock), state=state)
        player.sync(calls=20)
        assert set(player.state["_sync"]["walks"]) == set(player.source.entities)
        return encoded(player.state).decode()


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where anything stands in a JSON value."""
    if at:
        yield at
    inner = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    for key, item in inner:
        yield from paths(item, (*at, key))


NONSENSE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["", "0000-00-00", iso(-60), "2026-13-01", "12", "-5", -1, 0, 1, 10**30, 1e300, -1e300]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_nonsense_at_any_place_of_the_state_is_refused_or_understood(data: st.DataObject) -> None:
    state = json.loads(in_progress())
    path = data.draw(st.sampled_from(sorted(paths(state), key=str)), label="where")
    inner = state
    for key in path[:-1]:
        inner = inner[key]
    how = data.draw(st.sampled_from(["replace", "replace", "remove", "add"]), label="how")
    if how == "remove":
        del inner[path[-1]]
    elif how == "replace" or not isinstance(inner, dict):
        inner[path[-1]] = data.draw(NONSENSE, label="what")
    else:
        inner[data.draw(st.text(max_size=8))] = data.draw(NONSENSE, label="what")
    judge(state)


def test_every_field_of_the_state_may_be_missing() -> None:
    whole = json.loads(in_progress())
    for path in paths(whole):
        state = copy.deepcopy(whole)
        inner = state
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]
        judge(state)


def judge(state: dict[str, Any]) -> None:
    """One call with this state gives a reply of the protocol; a refusal is the connector's own,
    no accident; and no entity that has a cursor is read without a lower bound."""
    with testing.held_clock(START + 30) as clock:
        upstream = Pages(clock)
        reply = checked(
            *answer(everything(), encoded({"state": state, "secrets": SECRETS}), upstream)
        )
    if "errorMessage" in reply:
        assert reply["errorType"] in KNOWN_ERRORS, reply["errorMessage"]
        assert reply["state"] == json.loads(encoded(state), parse_float=Decimal)
    for asked in upstream.asked:
        if asked.path[1:] in state and asked.path != "/whole":
            assert asked.params.get("since") not in (None, "", "0000-00-00", "null"), asked


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("state", "named"),
    [
        ({"thing": None}, "'thing'"),
        ({"thing": ""}, "'thing'"),
        ({"thing": "0000-00-00"}, "'thing'"),
        ({"thing": True}, "'thing'"),
        ({"thing": 17}, "'thing'"),
        ({"thing": [iso(-60)]}, "'thing'"),
        ({"thing": {"cursor": iso(-60)}}, "'thing'"),
        ({"thing": {"page": 3}}, "'thing'"),
        ({"thing": {"cursor": iso(-60), "seen": [1]}}, "'thing'"),
        ({"_sync": []}, "_sync"),
        ({"_sync": None}, "_sync"),
        ({"_sync": "x"}, "_sync"),
        ({"_sync": {}}, "version"),
        ({"_sync": {"version": 0}}, "version 0"),
        ({"_sync": {"version": 2}}, "version 2"),
        ({"_sync": {"version": "1"}}, "version '1'"),
        ({"_sync": {"version": 1, "pages": []}}, "pages"),
        ({"_sync": {"version": 1, "done": "thing"}}, "done"),
        ({"_sync": {"version": 1, "walks": {"thing": {}}}}, "walks"),
    ],
)
def test_state_of_an_unknown_shape_is_refused_by_name_and_nothing_is_read(
    state: dict[str, Any], named: str
) -> None:
    upstream = script({None: []})
    sync = Player(one(), upstream, state=state).sync()
    assert sync.report and sync.report["errorType"] == "StateError"
    assert named in sync.error
    assert "re-sync" in sync.error
    assert sync.report["state"] == state
    assert upstream.asked == []


def edited(**changes: Any) -> tuple[Player, Upstream]:
    """A player whose state holds a walk at its second page, with some of its fields edited."""
    pages = {None: ([{"id": 1, "at": iso(-60)}], "b"), "b": [{"id": 2, "at": iso(-50)}]}
    upstream = script(pages)
    player = Player(one(), upstream, state={"thing": iso(-600)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONNECTOR_CALL_BYTES", "1")
        player.sync(calls=1)
    player.state = copy.deepcopy(player.state)
    player.state["_sync"]["walks"]["thing"].update(changes)
    upstream.asked.clear()
    return player, upstream


@pytest.mark.usefixtures("clock")
def test_a_walk_that_nobody_edited_goes_on() -> None:
    player, upstream = edited()
    assert player.go_on().error == ""
    assert upstream.each("token") == ["b"]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    "changes",
    [
        {"since": None},
        {"since": ""},
        {"since": {"at": 1}},
        {"since": 5},
        {"high": 5},
        {"high": [1]},
        {"page_size": 0},
        {"page_size": -100},
        {"page_size": "many"},
        {"page": -1},
        {"rows": -1},
        {"started": 1e300},
        {"started": "yesterday"},
        {"bound": 9e15},
        {"horizon": 1e300},
        {"cycle": {"power": 0}},
        {"cycle": "abc"},
        {"given": 7},
        {"token_": "b"},
    ],
    ids=str,
)
def test_a_walk_edited_to_nonsense_is_refused_by_name(changes: dict[str, Any]) -> None:
    player, upstream = edited(**changes)
    sync = player.go_on()
    assert sync.report and sync.report["errorType"] == "StateError", sync.error or "went on"
    assert next(iter(changes)) in sync.error
    assert upstream.asked == []


@pytest.mark.usefixtures("clock")
def test_a_wait_of_a_hundred_years_is_not_waited_for() -> None:
    player, upstream = edited(wait_until=START + 100 * 365 * 86400.0)
    sync = player.go_on()
    assert upstream.asked or (sync.report and sync.report["errorType"] == "StateError")


@pytest.mark.usefixtures("clock")
def test_keys_of_entities_that_are_no_longer_declared_are_kept_as_they_are() -> None:
    old = {"order": iso(-999), "basket": {"cursor": 1, "seen": []}, "odd": [None, 1.5, "ü"]}
    player = Player(one(), script({None: [{"id": 1, "at": iso(-60)}]}), state=old)
    player.sync()
    assert player.state == {**old, "thing": iso(-60)}


@pytest.mark.usefixtures("clock")
def test_state_at_rest_is_what_the_protocols_example_shows() -> None:
    upstream = script({None: []})
    player = Player(one(lookback=timedelta()), upstream, state={"thing": "2020-01-02T00:00:00Z"})
    player.sync()
    assert upstream.each("since") == ["2020-01-02T00:00:00Z"]
    assert player.state == {"thing": "2020-01-02T00:00:00Z"}


@pytest.mark.usefixtures("clock")
def test_state_in_progress_holds_one_reserved_key_more() -> None:
    player, _ = edited()
    assert set(player.state) == {"thing", "_sync"}


@pytest.mark.usefixtures("clock")
def test_a_secret_in_a_cursor_is_refused_and_not_rewritten() -> None:
    rows = [{"id": 1, "at": SECRETS["apiToken"]}]
    sync = Player(one(), script({None: rows})).sync()
    assert "secret" in sync.error and "cursor" in sync.error
    assert SECRETS["apiToken"] not in json.dumps(sync.report)


@pytest.mark.parametrize("how", ["cursor", "position"])
def test_a_secret_in_one_entitys_cursor_does_not_stop_the_others(how: str) -> None:
    made = source()

    @made.entity("bad", primary_key=["id"], cursor="at" if how == "cursor" else None)
    def bad(fetch: Fetch) -> Page:
        leak = f"x-{SECRETS['apiToken']}"
        return Page([{"id": 1, "at": leak}], **({"cursor": leak} if how == "position" else {}))

    reading(made, "good", primary_key=["id"], cursor="at")
    sync = Player(made, script({None: [{"id": 1, "at": iso(-60)}]})).sync()
    assert sync.ids("good") == [1]
    assert "entity bad" in sync.error and "holds a secret" in sync.error
    assert SECRETS["apiToken"] not in str(sync.report)


@pytest.mark.parametrize("word", ["orders", "version", "cursor", "started", "walks"])
def test_a_secret_that_is_a_word_of_ours_stops_no_sync(word: str, page_by_page: None) -> None:
    """Names of entities and of the state's own fields are no leak, nor do they reset the state."""
    made = source()
    reading(made, "orders", primary_key=["id"], cursor="at")
    rows = {None: ([{"id": 1, "at": iso(-60)}], "b"), "b": [{"id": 2, "at": iso(-50)}]}
    player = Player(made, script(rows), secrets={"apiToken": word})
    sync = player.sync()
    assert (sync.error, sync.ids("orders")) == ("", [1, 2])
    upstream = script({None: Reply(json={}, status=403)})
    failing = Player(made, upstream, state=player.state, secrets={"apiToken": word})
    assert failing.sync().report["state"] == player.state == {"orders": iso(-50)}
