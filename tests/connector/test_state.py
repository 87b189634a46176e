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
from connector.sync.handler import handle
from connector.testing import HeldClock, Reply

from .play import Player, checked, encoded
from .scripted import SECRETS, START, Asked, Upstream, iso, one, reading, script, source, stepping

KNOWN_ERRORS = {name for name, kind in vars(errors).items() if isinstance(kind, type)}


@functools.cache
def everything() -> Source:
    """An entity of each kind."""
    made = source()
    for name in ("plain", "asc", "desc"):
        order = None if name == "plain" else name
        reading(made, name, primary_key=["id"], cursor="at", order=order)
    reading(made, "number", primary_key=["id"], cursor="n", cursor_type="sequence")
    reading(made, "epoch", primary_key=["id"], cursor="e", cursor_type="epoch")
    reading(made, "form", primary_key=["id"], cursor="f", cursor_type="%d.%m.%Y %H:%M:%S")
    reading(made, "keyless", cursor="at")
    start = iso(-86400 * 9)
    reading(made, "sliced", primary_key=["id"], cursor="at", window=timedelta(days=1), start=start)
    reading(made, "whole", primary_key=["id"], soft_delete=True)

    @made.entity("position", primary_key=["id"])
    def position(fetch: Fetch) -> Page:
        response = fetch.get("/position", params={"since": fetch.since, "token": fetch.token})
        return Page(response.rows("data"), response.value("next"), cursor="delta-1")

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
        row["f"] = iso(-9000 + seconds, "%d.%m.%Y %H:%M:%S")
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
            "form": "31.12.2025 00:00:00",
            "keyless": {"cursor": iso(-9500), "seen": ["0123456789abcdef"]},
            "sliced": iso(-86400),
            "whole": {"rows": 7},
            "position": "delta-0",
            "former": "an entity of last year",
        }
        player = Player(everything(), Pages(clock), state=state)
        player.sync(calls=22)
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


ODD = [None, True, "", "0000-00-00", iso(-60), "12", -1, 0, 10**30, 1e300, [], [0], {}, {"a": 1}]


def test_nonsense_at_any_place_of_the_state_is_refused_or_understood() -> None:
    """What stands there is taken out, or replaced by one of these."""
    whole = json.loads(in_progress())
    for index, path in enumerate(paths(whole)):
        for number in range(2):
            state = copy.deepcopy(whole)
            inner = state
            for key in path[:-1]:
                inner = inner[key]
            if number:
                inner[path[-1]] = ODD[index % len(ODD)]
            else:
                del inner[path[-1]]
            judge(state)


def judge(state: dict[str, Any]) -> None:
    """One call with this state gives a reply of the protocol; a refusal is the connector's own,
    no accident; and no entity that has a cursor is begun without a lower bound."""
    with testing.held_clock(START + 30) as clock:
        upstream = Pages(clock)
        body = encoded({"state": state, "secrets": SECRETS})
        reply = checked(*handle(everything(), body, upstream))
    if "errorMessage" in reply:
        assert reply["errorType"] in KNOWN_ERRORS, reply["errorMessage"]
        assert reply["state"] == json.loads(encoded(state), parse_float=Decimal)
    for asked in upstream.asked:
        if asked.path[1:] in state and asked.path != "/whole" and "token" not in asked.params:
            assert asked.params.get("since") not in (None, "", "0000-00-00", "null"), asked


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("state", "named"),
    [
        *(({"thing": value}, "'thing'") for value in (None, "", "event-17", True, 17, [iso(-60)])),
        *(({"thing": value}, "'thing'") for value in ({"cursor": iso(-60)}, {"page": 3})),
        ({"thing": {"cursor": iso(-60), "seen": "x"}}, "'thing'"),
        *(({"_sync": value}, "_sync") for value in ([], None, "x")),
        ({"_sync": {}}, "version"),
        ({"_sync": {"version": 1}}, "version 1"),
        ({"_sync": {"version": 99}}, "version 99"),
        ({"_sync": {"version": "2"}}, "version '2'"),
        ({"_sync": {"version": 2, "pages": []}}, "pages"),
        ({"_sync": {"version": 2, "done": "thing"}}, "done"),
        ({"_sync": {"version": 2, "walks": {"thing": {}}}}, "walks"),
    ],
    ids=str,
)
def test_state_of_an_unknown_shape_is_refused_by_name_and_nothing_is_read(
    state: dict[str, Any], named: str
) -> None:
    upstream = script({None: []})
    sync = Player(one(), upstream, state=state).sync()
    assert sync.report and sync.report["errorType"] == "StateError"
    assert named in sync.error and "re-sync" in sync.error
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
    player.state["_sync"]["walks"]["thing"].update(changes)
    upstream.asked.clear()
    return player, upstream


NONSENSE: dict[str, Any] = {
    "since": {"at": 1},
    "high": 5,
    "page_size": 0,
    "page": -1,
    "started": "yesterday",
    "horizon": 1e300,
    "cycle": {"power": 0},
    "position": 7,
    "shape": "",
    "token_": "b",
}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("name", NONSENSE)
def test_a_walk_edited_to_nonsense_is_refused_by_name(name: str) -> None:
    player, upstream = edited(**{name: NONSENSE[name]})
    sync = player.go_on()
    assert sync.report and sync.report["errorType"] == "StateError", sync.error or "went on"
    assert name in sync.error and upstream.asked == []


@pytest.mark.usefixtures("clock")
def test_a_wait_of_a_hundred_years_is_not_waited_for() -> None:
    player, upstream = edited(wait_until=START + 100 * 365 * 86400.0)
    sync = player.go_on()
    assert upstream.asked or (sync.report and sync.report["errorType"] == "StateError")


@pytest.mark.usefixtures("clock")
def test_state_at_rest_is_what_the_protocols_example_shows() -> None:
    """One cursor per entity; keys of entities that are not declared are left as they are."""
    old = {"order": iso(-999), "basket": {"cursor": 1, "seen": []}, "odd": [None, 1.5, "ü"]}
    upstream = script({None: []})
    state = {"thing": "2020-01-02T00:00:00Z", **old}
    player = Player(one(lookback=timedelta()), upstream, state=state)
    player.sync()
    assert upstream.each("since") == ["2020-01-02T00:00:00Z"]
    assert player.state == state


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("how", ["cursor", "position", "token"])
def test_a_secret_in_one_entitys_state_is_refused_and_does_not_stop_the_others(how: str) -> None:
    """Names of entities and of the state's own fields are no leak: a secret may be such a word."""
    leak = f"x-{SECRETS['apiToken']}"
    kind = {"cursor": "at", "cursor_type": "text"} if how == "cursor" else {}
    options = {"cursor": leak} if how == "position" else {}

    def step(fetch: Fetch) -> Page:
        return Page([{"id": 1, "at": leak}], leak if how == "token" else None, **options)

    made = stepping(step, "bad", **kind)
    reading(made, "good", primary_key=["id"], cursor="at")
    secrets = {**SECRETS, "other": "walks", "third": "version"}
    sync = Player(made, script({None: [{"id": 1, "at": iso(-60)}]}), secrets=secrets).sync()
    assert (sync.ids("good"), sync.ids("bad")) == ([1], [])
    assert "entity bad" in sync.error and "contains a secret" in sync.error
    assert SECRETS["apiToken"] not in str(sync.report) + str(sync.replies)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("key", "reads"), [(["id"], True), ([], False)])
def test_an_entity_that_was_read_with_soft_delete_gets_a_cursor(
    key: list[str], reads: bool
) -> None:
    """It is read from the beginning, unless its rows would come twice without a primary key."""
    made = source()
    made.entity("thing", primary_key=key, cursor="at")(
        lambda fetch: Page(fetch.get("/thing", params={"since": fetch.since}).rows("data"))
    )
    upstream = Upstream(lambda asked: {"data": [{"id": 1, "at": iso(-60)}]})
    body = encoded({"state": {"thing": {"rows": 3}}, "secrets": SECRETS})
    reply = checked(*handle(made, body, upstream))
    if reads:
        assert reply["state"] == {"thing": iso(-60)}
        assert "since" not in upstream.asked[0].params
    else:
        assert reply["errorType"] == "StateError" and upstream.asked == []
