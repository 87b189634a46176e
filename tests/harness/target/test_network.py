"""A bad network before a function."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from harness.protocol.messages import Answer
from harness.target.network import LOST, REPEATED, RESTARTED, Network, short_sleeps


class Loads:
    """Loads a function anew each time, and counts the calls of all its instances."""

    def __init__(self) -> None:
        self.settings: list[Mapping[str, str]] = []
        self.called: list[bytes] = []

    def __call__(self, settings: Mapping[str, str]) -> Any:
        self.settings.append(settings)
        return Function(self.called)


class Function:
    name = "counted"

    def __init__(self, called: list[bytes]) -> None:
        self.called = called

    def call(self, body: bytes) -> Answer:
        self.called.append(body)
        return Answer(200, "application/json", body, 0.0)


def play(seed: int | None, **plan: bool) -> tuple[Network, Loads, list[bool]]:
    loads = Loads()
    network = Network(loads, seed, "100", **plan)
    return network, loads, [network.call(b"").lost for _ in range(60)]


def test_the_same_seed_plays_the_same_and_every_kind_happens() -> None:
    network, loads, lost = play(3)
    again, _, lost_again = play(3)
    assert (network.done, lost) == (again.done, lost_again)
    assert lost != play(4)[2]
    assert min(network.done[kind] for kind in (LOST, REPEATED, RESTARTED)) > 0
    assert sum(lost) == network.done[LOST]
    assert len(loads.called) == 60 + network.done[REPEATED]
    assert loads.settings == [{"CONNECTOR_CALL_BYTES": "100"}] * (1 + network.done[RESTARTED])


def test_the_fixed_plans_lose_replies_that_were_called_for_and_restart_each_time() -> None:
    _, loads, lost = play(None, lose_every_second=True)
    assert (lost, len(loads.called)) == ([True, False] * 30, 60)
    _, loads, lost = play(None, fresh_each_time=True)
    assert (len(loads.settings), any(lost)) == (61, False)


def test_sleeps_are_short_and_long_again() -> None:
    began, sleep = time.monotonic(), time.sleep
    with short_sleeps():
        time.sleep(30)
    assert time.monotonic() - began < 5
    assert time.sleep is sleep
