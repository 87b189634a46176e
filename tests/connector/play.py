"""A player that calls as Fivetran does, and holds every reply against the protocol."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import uuid4

import jsonschema
import msgspec
from connector import Page
from connector.sync.handler import handle
from connector.testing import Reply

from .scripted import SECRETS, Upstream, one, source

FIELDS = {"state", "insert", "delete", "schema", "softDelete", "hasMore"}
FRAME = [
    {"type": "string", "pattern": r"^(?!/)(?!\.\.)[^\\:]+\.py$"},
    {"type": "integer", "minimum": 1},
    {"type": "string", "minLength": 1},
    {"type": "string"},
]
REPORT = {
    "type": "object",
    "required": ["state", "hasMore", "errorMessage", "errorType", "stackTrace"],
    "additionalProperties": False,
    "properties": {
        "state": {"type": "object"},
        "hasMore": {"const": False},
        "errorMessage": {"type": "string", "minLength": 10, "maxLength": 17000},
        "errorType": {"type": "string", "pattern": r"^([A-Za-z_]+|\[secret\])$"},
        "stackTrace": {
            "type": "array",
            "items": {"type": "array", "minItems": 4, "maxItems": 4, "prefixItems": FRAME},
        },
    },
}
VALIDATOR = jsonschema.Draft202012Validator(REPORT)


@dataclass
class Sync:
    """What one sync's calls answered: replies that Fivetran applies, and the report at the end."""

    replies: list[dict[str, Any]] = field(default_factory=list)
    report: dict[str, Any] | None = None

    @property
    def error(self):
        """The error message; "" if there was none."""
        return self.report["errorMessage"] if self.report else ""

    def inserted(self, table="thing"):
        return [row for reply in self.replies for row in reply["insert"].get(table, ())]

    def ids(self, table="thing"):
        return [row["id"] for row in self.inserted(table)]

    def deleted(self, table="thing"):
        return [row for reply in self.replies for row in reply.get("delete", {}).get(table, ())]


class Player:
    """Calls until `hasMore` is false, from the last successful reply's state; applies replies.

    Args:
        state: What Fivetran holds.
        sync_ids: Whether calls carry a sync id.
        request: Further fields of the requests.
    """

    def __init__(self, source, upstream, *, state=None, sync_ids=True, **request):
        self.source = source
        self.upstream = upstream
        self.state = dict(state or {})
        self.sync_ids = sync_ids
        self.request = {"agent": "test", "secrets": SECRETS, **request}
        self.sync_id = None
        # The last record of each key (without a key: of each row); None if it is marked.
        self.tables = {}

    def ask(self):
        """The reply to one call, which is not applied."""
        asked = {**self.request, "state": self.state}
        if self.sync_id is not None:
            asked["sync_id"] = self.sync_id
        return checked(*handle(self.source, encoded(asked), self.upstream))

    def call(self):
        """One call; its reply is applied unless it is an error report."""
        reply = self.ask()
        if "errorMessage" not in reply:
            self.apply(reply)
        return reply

    def sync(self, calls=500):
        """A whole sync, or as many calls of it."""
        self.sync_id = str(uuid4()) if self.sync_ids else None
        return self.go_on(calls)

    def go_on(self, calls=500):
        """Further calls of the same sync."""
        sync = Sync()
        for _ in range(calls):
            reply = self.call()
            if "errorMessage" in reply:
                sync.report = reply
                return sync
            sync.replies.append(reply)
            if not reply["hasMore"]:
                return sync
        assert calls < 500, "hasMore never came to an end"
        return sync

    def alive(self, table="thing"):
        """The table's records that are not marked as deleted, by their key."""
        rows = self.tables.get(table, {})
        return {
            key[0] if len(key) == 1 else key: row for key, row in rows.items() if row is not None
        }

    def apply(self, reply, parts=("softDelete", "delete", "insert")):
        """Take in a reply: its state, and its parts in this order."""
        self.state = reply["state"]
        for part in parts:
            if part == "softDelete":
                for name in reply.get(part, ()):
                    self.tables[name] = dict.fromkeys(self.tables.get(name, {}))
                continue
            for name, rows in reply.get(part, {}).items():
                key = reply.get("schema", {}).get(name, {}).get("primary_key")
                table = self.tables.setdefault(name, {})
                for row in rows:
                    at = tuple(row[column] for column in key) if key else (len(table),)
                    table[at] = row if part == "insert" else None


def committed(*cursors, headers=None, **options):
    """What the state holds after one sync of records with these cursors."""
    rows = [{"id": index, "at": cursor} for index, cursor in enumerate(cursors)]
    upstream = Upstream(lambda asked: Reply(json={"data": rows}, headers=headers or {}))
    player = Player(one(**options), upstream)
    sync = player.sync()
    assert (sync.error, sync.inserted()) == ("", rows)
    return player.state.get("thing")


def encoded(request):
    """A request as Fivetran sends it; decimals are written as numbers."""
    return msgspec.json.Encoder(decimal_format="number").encode(request)


def checked(status, body):
    """A reply that follows the protocol, decoded; anything else fails the test."""
    reply = json.loads(body, parse_float=Decimal)
    assert isinstance(reply["state"], dict)
    assert isinstance(reply["hasMore"], bool)
    if "errorMessage" in reply:
        VALIDATOR.validate(json.loads(body))
        return reply
    assert status == 200
    assert reply.keys() <= FIELDS
    schema = reply.get("schema", {})
    for name in reply.get("softDelete", ()):
        assert name not in reply["insert"], "marked and filled in one reply"
        assert name not in reply.get("delete", {}), "marked and deleted from in one reply"
    for name, gone in reply.get("delete", {}).items():
        key = schema[name]["primary_key"]
        inserted, deleted = (
            {tuple(str(row[column]) for column in key) for row in rows}
            for rows in (reply["insert"].get(name, ()), gone)
        )
        assert not inserted & deleted, "a key in insert and delete of one reply"
    return reply


def report(sent, body, status=200):
    """A reply that must be an error report."""
    reply = checked(sent, body)
    assert "errorMessage" in reply and sent == status
    return reply


# ---- calls to a real server


def reading(url, step, entity=None, **options):
    """A source with the entity `thing`: the rows at a path, or what the step makes of its fetch."""
    made = source(base_url=url, **options)

    def page(fetch):
        return step(fetch) if callable(step) else Page(fetch.get(step).rows("data"))

    made.entity("thing", **{"primary_key": ["id"], **(entity or {})})(page)
    return made


def call(source, **request):
    """The reply to one call; `secrets`, `state`, `customPayload` … as in the protocol."""
    body = {"agent": "test", "state": {}, "secrets": SECRETS, **request}
    reply = checked(*handle(source, encoded(body)))
    assert "errorMessage" not in reply or reply["state"] == body["state"], "the state moved"
    return reply


def rows(source, **request):
    """The rows of one call, which must not fail."""
    reply = call(source, **request)
    assert "errorMessage" not in reply, reply["errorMessage"]
    return reply["insert"]["thing"]


def error(source, **request):
    """The error message of one call, which must fail."""
    reply = call(source, **request)
    assert "errorMessage" in reply, reply
    return reply["errorMessage"]


def asked(url, ask, **options):
    """What a step makes of its fetch; `secrets` and the like go into the call's request."""
    request = {name: options.pop(name) for name in ("secrets", "customPayload") if name in options}
    found = []

    def step(fetch):
        found.append(ask(fetch))
        return Page()

    reply = call(reading(url, step, **options), **request)
    assert "errorMessage" not in reply, reply["errorMessage"]
    return found[0]
