"""A state that comes back is noticed, however long the circle and the way into it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from harness.circle import Circle
from harness.errors import ProtocolBroken

Make = Callable[..., Path]
Run = Callable[..., tuple[int, str]]


@pytest.mark.parametrize("length", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("way", [0, 1, 5, 64])
def test_every_circle_is_noticed_soon(way: int, length: int) -> None:
    circle = Circle({"at": 0})
    with pytest.raises(ProtocolBroken, match="without end"):
        for number in count(1):
            assert number <= 4 * (way + length)
            circle.take({"at": number if number < way else way + (number - way) % length})


def test_states_that_move_on_are_no_circle() -> None:
    circle = Circle({})
    for number in range(1000):
        circle.take({"at": number, "seen": [number % 3]})


def test_the_order_of_keys_is_no_move() -> None:
    circle = Circle({"a": {"x": 1, "y": 2}, "b": [1]})
    with pytest.raises(ProtocolBroken, match="is the one that was sent"):
        circle.take({"b": [1], "a": {"y": 2, "x": 1}})


ROUND = """
n = 1 - state.get("n", 1)
return reply({"state": {"n": n}, "insert": {"thing": [{"id": n}]}, "hasMore": True})
"""


@pytest.mark.parametrize("command", [("sync", "--calls", "20"), ("peek", "--pages", "5")])
def test_a_sync_and_a_peek_that_go_round_end(
    project: Make, harness: Run, command: tuple[str, ...]
) -> None:
    project(ROUND)
    code, written = harness(*command)
    assert code == 2
    assert "the state is the one of 2 replies before" in written
    assert "state-stuck" in written


def test_a_peek_of_a_state_that_stands_still_says_so(project: Make, harness: Run) -> None:
    project("return reply({'state': state, 'insert': {'thing': [{'id': 1}]}, 'hasMore': True})")
    code, written = harness("peek", "--pages", "3")
    assert code == 2
    assert "the state is the one that was sent" in written
    assert "thing: 1 record" in written
