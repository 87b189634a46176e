"""State that came from elsewhere: refused by name or understood, and never a silent full sync."""

import copy
import functools
import json
from datetime import timedelta
from decimal import Decimal

import pytest
from connector import Page, errors, testing
from connector.testing import Reply

from .play import Player, encoded
from .scripted import SECRETS, START, Upstream, dated, iso, one, reading, script, source, stepping

KNOWN_ERRORS = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
STATE = {
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


@functools.cache
def everything():
    """An entity of each kind."""
    made = source()
    for name, options in {
        "plain": {"cursor": "at"},
        "asc": {"cursor": "at", "order": "asc"},
        "desc": {"cursor": "at", "order": "desc"},
        "number": {"cursor": "n", "cursor_type": "sequence"},
        "epoch": {"cursor": "e", "cursor_type": "epoch"},
        "form": {"cursor": "f", "cursor_type": "%d.%m.%Y %H:%M:%S"},
        "keyless": {"cursor": "at", "primary_key": []},
        "sliced": {"cursor": "at", "window": timedelta(days=1), "start": iso(-86400 * 9)},
        "whole": {"soft_delete": True},
    }.items():
        reading(made, name, **{"primary_key": ["id"], **options})

    @made.entity("position", primary_key=["id"])
    def position(fetch):
        response = fetch.get("/position", params={"since": fetch.since, "token": fetch.token})
        return Page(response.rows("data"), response.value("next"), cursor="delta-1")

    return made


def pages(clock):
    """Four pages of each entity, a second each; a token that it never gave is refused."""

    def answers(asked):
        clock.advance(1)
        token = asked.params.get("token", "0")
        if not token.isdecimal() or int(token) > 3:
            return Reply(json={"error": "unknown token"}, status=400)
        page = int(token)
        seconds = -9000 + (page if "desc" not in asked.path else -page)
        row = {"id": page, "at": iso(seconds), "n": page, "e": START - 9000 + page}
        row["f"] = iso(seconds, "%d.%m.%Y %H:%M:%S")
        return {"data": [row], "next": page + 1 if page < 3 else None}

    return Upstream(answers)


def paths(value, at=()):
    """Where anything stands in a JSON value."""
    if at:
        yield at
    inner = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    for key, item in inner:
        yield from paths(item, (*at, key))


ODD = [None, True, "", "0000-00-00", iso(-60), "12", -1, 0, 10**30, 1e300, [], [0], {}, {"a": 1}]


def test_nonsense_at_any_place_of_the_state_is_refused_or_understood():
    """What stands there, in the middle of a sync, is taken out or replaced by one of these. A
    refusal is the connector's own, no accident; no entity that has a cursor is begun without a
    lower bound."""
    with testing.held_clock(START) as clock, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONNECTOR_CALL_BYTES", "1")
        player = Player(everything(), pages(clock), state=STATE)
        player.sync(calls=22)
        assert set(player.state["_sync"]["walks"]) == set(player.source.entities)
    whole = json.loads(encoded(player.state))
    for index, path in enumerate(paths(whole)):
        for replaced in (False, True):
            state = inner = copy.deepcopy(whole)
            for key in path[:-1]:
                inner = inner[key]
            if replaced:
                inner[path[-1]] = ODD[index % len(ODD)]
            else:
                del inner[path[-1]]
            with testing.held_clock(START + 30) as clock:
                upstream = pages(clock)
                reply = Player(everything(), upstream, state=state).call()
            if "errorMessage" in reply:
                assert reply["errorType"] in KNOWN_ERRORS, reply["errorMessage"]
                assert reply["state"] == json.loads(encoded(state), parse_float=Decimal)
            first = [asked for asked in upstream.asked if "token" not in asked.params]
            for asked in first:
                if asked.path[1:] in state and asked.path != "/whole":
                    assert asked.params.get("since") not in (None, "", "0000-00-00", "null")


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
def test_state_of_an_unknown_shape_is_refused_by_name_and_nothing_is_read(state, named):
    upstream = script({None: []})
    sync = Player(one(), upstream, state=state).sync()
    assert sync.report and sync.report["errorType"] == "StateError"
    assert named in sync.error and "re-sync" in sync.error
    assert sync.report["state"] == state
    assert upstream.asked == []


OTHERS = {"order": iso(-999), "basket": {"cursor": 1, "seen": []}, "odd": [None, 1.5, "ü"]}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("options", "stored", "since"),
    [
        ({}, "2020-01-02T00:00:00Z", "2020-01-02T00:00:00Z"),  # as the protocol's example shows
        # What was stored for another kind of reading begins anew.
        ({}, {"rows": 3}, None),
        ({"primary_key": [], "lookback": None}, {"rows": 3}, ...),  # its rows would come twice
        ({"cursor": None, "lookback": None}, {"rows": 5}, None),
        ({"cursor": None, "lookback": None}, {"cursor": iso(-60), "seen": ["0" * 16]}, None),
    ],
    ids=str,
)
def test_state_at_rest_is_one_cursor_per_entity(options, stored, since):
    """Keys of entities that are not declared are left as they are."""
    upstream = script({None: []})
    made = one(**{"lookback": timedelta(), **options})
    player = Player(made, upstream, state={"thing": stored, **OTHERS})
    sync = player.sync()
    assert (sync.report["errorType"] if sync.report else "") == (
        "StateError" if since is ... else ""
    )
    assert upstream.each("since") == ([] if since is ... else [since])
    assert player.state.items() >= OTHERS.items()
    assert since is None or player.state["thing"] == stored


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("how", ["cursor", "position", "token"])
def test_a_secret_in_one_entitys_state_is_refused_and_does_not_stop_the_others(how):
    """Names of entities and of the state's own fields are no leak: a secret may be such a word."""
    leak = f"x-{SECRETS['apiToken']}"
    kind = {"cursor": "at", "cursor_type": "text"} if how == "cursor" else {}
    options = {"cursor": leak} if how == "position" else {}

    def step(fetch):
        return Page([{"id": 1, "at": leak}], leak if how == "token" else None, **options)

    made = stepping(step, "bad", **kind)
    reading(made, "good", primary_key=["id"], cursor="at")
    secrets = {**SECRETS, "other": "walks", "third": "version"}
    sync = Player(made, script({None: dated(iso(-60))}), secrets=secrets).sync()
    assert (len(sync.ids("good")), sync.ids("bad")) == (1, [])
    assert "entity bad" in sync.error and "contains a secret" in sync.error
    assert SECRETS["apiToken"] not in str(sync.report) + str(sync.replies)
