"""What one call packs: several pages of several entities, until seconds or bytes are spent."""

from typing import Any

import pytest
from connector.testing import HeldClock, Reply

from .play import Player, encoded
from .scripted import Asked, Upstream, endless, iso, one, script, several


def slow(clock: HeldClock, upstream: Upstream, *seconds: float) -> Upstream:
    """Every request takes so long; the last number goes for all that follow."""
    left = list(seconds)

    def answers(asked: Asked) -> Any:
        clock.advance(left.pop(0) if len(left) > 1 else left[0])
        return upstream.answers(asked)

    return Upstream(answers)


@pytest.mark.usefixtures("clock")
def test_several_pages_of_several_entities_share_one_reply() -> None:
    sync = Player(several("a", "b", "c"), endless(pages=3)).sync()
    assert len(sync.replies) == 1
    assert {name: sync.ids(name) for name in "abc"} == {name: [0, 1, 2] for name in "abc"}


@pytest.mark.parametrize(
    ("setting", "seconds", "pages"),
    [
        (None, [40], 3),
        (None, [60, 10], 4),
        (None, [10, 60, 10], 4),
        ("190", [40], 4),
        ("50", [20], 2),
    ],
    ids=str,
)
def test_a_call_ends_when_a_page_as_slow_as_the_slowest_may_not_fit(
    setting: str | None,
    seconds: list[float],
    pages: int,
    clock: HeldClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """150 seconds by default; a fiftieth is reserved for the reply."""
    if setting:
        monkeypatch.setenv("CONNECTOR_CALL_SECONDS", setting)
    sync = Player(one(), slow(clock, endless(), *seconds)).sync(calls=1)
    assert len(sync.ids()) == pages
    assert sync.replies[0]["hasMore"]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONNECTOR_CALL_SECONDS", "191"),
        ("CONNECTOR_CALL_SECONDS", "0"),
        ("CONNECTOR_CALL_SECONDS", "long"),
        ("CONNECTOR_CALL_SECONDS", "nan"),
        ("CONNECTOR_CALL_BYTES", "-1"),
        ("CONNECTOR_CALL_BYTES", "8 MiB"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    sync = Player(one(), endless()).sync()
    assert name in sync.error and repr(value) in sync.error


@pytest.mark.usefixtures("clock")
def test_a_reply_ends_when_its_bytes_are_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """8 MiB by default."""
    assert len(Player(one(), endless(size=2**20, pages=20)).sync(calls=1).ids()) == 8
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "5000")
    sync = Player(one(), endless(size=1000, pages=20)).sync()
    assert sync.ids() == list(range(20))
    sizes = [sum(len(encoded(row)) for row in reply["insert"]["thing"]) for reply in sync.replies]
    assert all(5000 <= size <= 5000 + 1100 for size in sizes[:-1])


@pytest.mark.usefixtures("clock")
def test_every_reply_carries_the_same_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where only some entities are read."""
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "1")
    player = Player(several("a", "b"), endless(pages=2))
    schemas = [reply["schema"] for reply in player.sync().replies]
    monkeypatch.setenv("CONNECTOR_ENTITIES", "b")
    schemas += [reply["schema"] for reply in player.sync().replies]
    assert schemas == [{"a": {"primary_key": ["id"]}, "b": {"primary_key": ["id"]}}] * 6


@pytest.mark.usefixtures("clock")
def test_pages_of_one_walk_are_delivered_in_the_order_read() -> None:
    """The later version of a key wins."""
    pages = {None: ([{"id": 1, "at": iso(-9), "v": 1}], "b"), "b": [{"id": 1, "at": iso(-8)}]}
    player = Player(one(), script(pages))
    assert [row["at"] for row in player.sync().inserted()] == [iso(-9), iso(-8)]
    assert player.alive() == {1: {"id": 1, "at": iso(-8)}}


def test_what_waited_longest_goes_first(clock: HeldClock) -> None:
    """One page a call, three entities: each has its turn."""
    player = Player(several("a", "b", "c"), slow(clock, endless(), 100))
    player.sync(calls=7)
    assert [ask.path for ask in player.upstream.asked] == [f"/{name}" for name in "abcabca"]


# ---- CONNECTOR_ENTITIES


@pytest.mark.usefixtures("clock", "page_by_page")
def test_a_setting_reads_some_entities_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sync is complete without the others, and leaves what they have in the state."""
    upstream = endless(pages=2)
    player = Player(several("a", "b", "c"), upstream, state={"a": iso(-60)})
    player.sync(calls=1)
    walk = player.state["_sync"]["walks"]["a"]
    monkeypatch.setenv("CONNECTOR_ENTITIES", " c, b ,")
    sync = player.sync()
    assert (sync.error, sync.replies[-1]["hasMore"]) == ("", False)
    assert [ask.path for ask in upstream.asked] == ["/a", "/b", "/c", "/b", "/c"]
    assert player.state["_sync"]["walks"] == {"a": walk}
    assert {name: player.state[name] for name in "abc"} == {
        "a": iso(-60),
        "b": iso(-8999),
        "c": iso(-8999),
    }
    monkeypatch.delenv("CONNECTOR_ENTITIES")
    assert player.sync().ids("a") == [1]
    assert set(player.state) == {"a", "b", "c"}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("setup_test", [True, False])
def test_an_entity_that_is_not_declared_is_an_error_that_names_it(
    setup_test: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_ENTITIES", "b,x")
    player = Player(several("a", "b"), endless(), setup_test=setup_test)
    assert "CONNECTOR_ENTITIES names x; fetch.py declares a, b" in player.sync().error


@pytest.mark.usefixtures("clock")
def test_a_failed_entity_that_is_no_longer_selected_or_declared_is_not_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answers(asked: Asked) -> Any:
        return {"data": []} if asked.path != "/a" else Reply(json={}, status=403)

    player = Player(several("a", "b"), Upstream(answers))
    player.sync(calls=1)
    player.source = several("b")
    assert player.go_on().error == ""
