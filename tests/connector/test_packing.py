"""What one call packs: several pages of several entities, until seconds or bytes are spent."""

from typing import Any

import pytest
from connector.testing import HeldClock

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
def test_a_small_sync_is_one_reply() -> None:
    upstream = endless(pages=3)
    sync = Player(one(), upstream).sync()
    assert (len(sync.replies), sync.ids()) == (1, [0, 1, 2])


@pytest.mark.usefixtures("clock")
def test_several_entities_share_one_reply() -> None:
    sync = Player(several("a", "b", "c"), endless(pages=2)).sync()
    assert len(sync.replies) == 1
    assert {name: sync.ids(name) for name in "abc"} == {name: [0, 1] for name in "abc"}


def test_a_call_ends_when_another_page_may_not_fit_into_its_150_seconds(clock: HeldClock) -> None:
    sync = Player(one(), slow(clock, endless(), 40)).sync(calls=1)
    assert len(sync.ids()) == 3
    assert sync.replies[0]["hasMore"]


def test_the_slowest_page_so_far_is_what_must_fit(clock: HeldClock) -> None:
    sync = Player(one(), slow(clock, endless(), 60, 10)).sync(calls=1)
    assert len(sync.ids()) == 4


def test_the_seconds_of_a_call_are_a_setting(
    clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "25")
    sync = Player(one(), slow(clock, endless(), 10)).sync(calls=1)
    assert len(sync.ids()) == 2


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONNECTOR_CALL_SECONDS", "191"),
        ("CONNECTOR_CALL_SECONDS", "0"),
        ("CONNECTOR_CALL_SECONDS", "soon"),
        ("CONNECTOR_CALL_SECONDS", "nan"),
        ("CONNECTOR_CALL_BYTES", "-1"),
    ],
)
def test_a_setting_out_of_range_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    error = Player(one(), endless()).sync().error
    assert name in error and value in error


@pytest.mark.usefixtures("clock")
def test_a_reply_ends_when_its_bytes_are_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "5000")
    sync = Player(one(), endless(size=1000, pages=20)).sync()
    assert sync.ids() == list(range(20))
    sizes = [sum(len(encoded(row)) for row in reply["insert"]["thing"]) for reply in sync.replies]
    assert all(5000 <= size <= 5000 + 1100 for size in sizes[:-1])


@pytest.mark.usefixtures("clock")
def test_a_reply_is_8_mebibytes_unless_said_otherwise() -> None:
    sync = Player(one(), endless(size=2**20, pages=20)).sync(calls=1)
    assert len(sync.ids()) == 8


@pytest.mark.usefixtures("clock")
def test_every_reply_carries_the_same_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "1")
    sync = Player(several("a", "b"), endless(pages=2)).sync()
    schemas = [reply["schema"] for reply in sync.replies]
    assert schemas == [{"a": {"primary_key": ["id"]}, "b": {"primary_key": ["id"]}}] * 4


@pytest.mark.usefixtures("clock")
def test_pages_of_one_walk_are_delivered_in_the_order_read() -> None:
    pages = {None: ([{"id": 1, "at": iso(-9), "v": 1}], "b"), "b": [{"id": 1, "at": iso(-8)}]}
    assert [row["at"] for row in Player(one(), script(pages)).sync().inserted()] == [
        iso(-9),
        iso(-8),
    ]


def test_what_waited_longest_goes_first(clock: HeldClock) -> None:
    """One page a call, three entities: each has its turn."""
    upstream = endless()
    player = Player(several("a", "b", "c"), slow(clock, upstream, 100))
    player.sync(calls=7)
    order = [ask.path for ask in player.upstream.asked]
    assert order == [f"/{name}" for name in "abcabca"]
