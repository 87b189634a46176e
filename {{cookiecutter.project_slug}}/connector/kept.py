# Owned by fivetran-azfn-template: updates replace this file.
"""What of a state came from an upstream, and whether a secret stands in it; it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector import codec
from connector.errors import StateError
from connector.secrets import Redactor
from connector.state import RESERVED

# The rest is names and moments of ours, in which a secret that is an ordinary word may well stand.
_OF_A_SYNC = {"version", "at", "empty", "delivered", "done", "failed", "walks"}
_OF_A_WALK = ("since", "until", "token", "high", "gone", "last", "given", "restarted", "seen")


def secrets_in(state: Mapping[str, Any], redactor: Redactor) -> list[str]:
    """The keys under which a secret stands."""
    return [
        name for name, value in _upstreams(state) if redactor.finds(codec.encode(value).decode())
    ]


def refuse_secrets(state: Mapping[str, Any], redactor: Redactor) -> None:
    """Refuse a state that holds a secret; it is never rewritten.

    Raises:
        StateError: It does, and under which keys.
    """
    held = secrets_in(state, redactor)
    if held:
        raise StateError(
            f"a secret stands in the state ({', '.join(held)}), which Fivetran keeps: "
            "commit another cursor, or take it out through Fivetran's state API"
        )


def _upstreams(state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in state.items():
        if name != RESERVED:
            yield name, _cursor(value)
        elif not isinstance(value, Mapping):
            yield name, value
        else:
            yield name, {key: value[key] for key in value if key not in _OF_A_SYNC}
            walks = value.get("walks", {})
            for entity, walk in walks.items() if isinstance(walks, Mapping) else [("", walks)]:
                known = isinstance(walk, Mapping)
                kept = [walk[key] for key in _OF_A_WALK if key in walk] if known else walk
                yield f"{name}.walks.{entity}", kept


def _cursor(value: Any) -> Any:
    if isinstance(value, Mapping) and value.keys() == {"cursor", "seen"}:
        return value["cursor"]
    return None if isinstance(value, Mapping) and value.keys() == {"rows"} else value
