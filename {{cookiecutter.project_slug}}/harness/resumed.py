# Owned by fivetran-azfn-template: updates replace this file.
"""Whether a second sync went on from where the first ended, as the upstream saw it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.history import stamps
from harness.sample import Asked, Server
from harness.sample.paths import value_at
from harness.sample.spec import Entity
from harness.spelling import SAMPLE

_FEW = 100  # records, of which most may have changed within one lookback


def assert_went_on(
    server: Server, entities: Sequence[Entity], asked: Sequence[Asked], state: Mapping[str, Any]
) -> None:
    """What can be read from a moment on was, from one of the column that the upstream filters by.

    Args:
        server: The upstream.
        entities: What it has.
        asked: What the second sync asked for.
        state: Where the first ended.
    """
    readable = [entity for entity in entities if entity.since and entity.cursor]
    held = set(stamps(state))
    for entity in readable:
        held -= {value_at(record, str(entity.cursor)) for record in server.records(entity.name)}
    for entity in readable if held else ():
        for name, value in _values(server.records(entity.name)):
            assert value not in held, (
                f"the state after the first sync holds {value}, which is {name} of a record of "
                f"{entity.name}; the upstream filters by {entity.cursor}, so changes would be "
                f"missed: is cursor in fetch.py the right column? ({_place(entity)} has the other)"
            )
    for entity in entities:
        sent = [request for request in asked if request.entity == entity.name]
        # An entity without records gives no moment to go on from.
        if entity.since and sent and server.records(entity.name):
            _assert_since(server, entity, sent)


def _assert_since(server: Server, entity: Entity, sent: Sequence[Asked]) -> None:
    bounded = [request for request in sent if entity.since in request.parameters]
    whole = f"If {entity.name} is to be read as a whole, take since out of {_place(entity)}"
    assert bounded, (
        f"no request for {entity.name} in the second sync carried {entity.since}: it reads "
        "everything again each time. Does the step send fetch.since, and does its entity "
        f"in fetch.py name a cursor? {whole}"
    )
    count = len(server.records(entity.name))
    # The keys of a log stand close together: a lookback of minutes reaches over many.
    if count < _FEW or entity.cursor in entity.primary_key:
        return
    widest = max(bounded, key=server.chosen)
    again = server.chosen(widest)
    assert again <= count // 2, (
        f"the second sync asked for {entity.name} with {entity.since}="
        f"{widest.parameters[entity.since or '']}, by which {again} of {count} records are read "
        f"again, though none has changed: is cursor in fetch.py the column that the upstream "
        f"filters by ({entity.cursor} in {_place(entity)}), and is it sent as it came? {whole}"
    )


def _place(entity: Entity) -> str:
    return f"[entity.{entity.name}] of {SAMPLE}"


def _values(records: Sequence[Mapping[str, Any]], path: str = "") -> Iterator[tuple[str, Any]]:
    """Texts and numbers of records, with their dotted places."""
    for record in records:
        for key, value in record.items():
            if isinstance(value, dict):
                yield from _values([value], f"{path}{key}.")
            elif isinstance(value, str | int):
                yield f"{path}{key}", value
