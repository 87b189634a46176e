"""A bad network before a function."""

from __future__ import annotations

import time
from collections.abc import Mapping

from harness.protocol.messages import Answer
from harness.target.network import LOST, REPEATED, RESTARTED, Network, short_sleeps


class Function:
    """Counts the calls of all instances."""

    name = "counted"

    def __init__(self, called: list[bytes]) -> None:
        self.called = called

    def call(self, body: bytes) -> Answer:
        self.called.append(body)
        return Answer(200, "application/json", body, 0.0)


class Loads:
    """Loads functions, or gives the same one again and again."""

    def __init__(self, *, same: bool = False) -> None:
        self.settings: list[Mapping[str, str]] = []
        self.called: list[bytes] = []
        self.function = Function(self.called) if same else None

    def __call__(self, settings: Mapping[str, str]) -> Function:
        self.settings.append(settings)
        return self.function or Function(self.called)


def play(seed: int | None, **plan: bool) -> tuple[Network, Loads, list[bool]]:
    loads = Loads()
    network = Network(loads, seed, "100", **plan)
    lost = [network.call(b"%d" % number).lost for number in range(60)]
    return network, loads, lost


def test_the_same_seed_plays_the_same_and_every_kind_happens() -> None:
    network, loads, lost = play(3)
    again, _, lost_again = play(3)
    assert (network.done, lost, network.last) == (again.done, lost_again, again.last)
    assert lost != play(4)[2]
    assert min(network.done[kind] for kind in (LOST, REPEATED, RESTARTED)) > 0
    assert sum(lost) == network.done[LOST]
    assert len(loads.called) == 60 + network.done[REPEATED]
    assert len(loads.settings) == 1 + network.done[RESTARTED]
    assert loads.settings[0] == {"CONNECTOR_CALL_BYTES": "100"}


def test_a_lost_reply_was_called_for() -> None:
    _, loads, lost = play(None, lose_every_second=True)
    assert lost == [True, False] * 30
    assert len(loads.called) == 60


def test_fresh_each_time_is_another_instance_per_call() -> None:
    network, loads, lost = play(None, fresh_each_time=True)
    assert (len(loads.settings), any(lost)) == (61, False)
    assert network.last == f"{RESTARTED} at call 60"


def test_a_function_that_cannot_be_restarted_is_not_counted_as_such() -> None:
    network = Network(Loads(same=True), fresh_each_time=True)
    network.call(b"")
    assert network.done[RESTARTED] == 0


def test_sleeps_are_short_and_long_again() -> None:
    began, sleep = time.monotonic(), time.sleep
    with short_sleeps():
        time.sleep(30)
    assert time.monotonic() - began < 5
    assert time.sleep is sleep
