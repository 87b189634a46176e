# Owned by fivetran-azfn-template: updates replace this file.
"""Notices a state that comes back, however long the circle, and keeps two digests of them.

Brent's algorithm: the state that others are held against is renewed after 1, 2, 4, 8, … replies.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from harness.errors import ProtocolBroken
from harness.jsontext import dump


class Circle:
    """The states of one run of calls.

    Args:
        state: What the first call is sent.
    """

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._held = self._last = _digest(state)
        self._since = 0
        self._room = 1

    def take(self, state: Mapping[str, Any]) -> None:
        """The next reply has `hasMore: true` and carries this state.

        Raises:
            ProtocolBroken: The same calls would be made again, without end.
        """
        found = _digest(state)
        self._since += 1
        if found == self._last:
            raise ProtocolBroken(
                "hasMore is true and the state is the one that was sent: the next call would be "
                "the same again, without end",
                rule="state-stuck",
            )
        if found == self._held:
            raise ProtocolBroken(
                f"hasMore is true and the state is the one of {self._since} replies before: "
                "these calls would be made again, without end",
                rule="state-stuck",
            )
        self._last = found
        if self._since == self._room:
            self._held, self._since, self._room = found, 0, self._room * 2


def _digest(state: Mapping[str, Any]) -> bytes:
    return blake2b(dump(_sorted(state)).encode("utf-8"), digest_size=16).digest()


def _sorted(value: Any) -> Any:
    """Objects with their keys in order, for which JSON has none."""
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
