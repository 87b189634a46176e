"""A scripted upstream behind the transport, and a player that calls as Fivetran does."""

import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import msgspec
import requests
import urllib3
from connector import BearerToken, Fetch, Page, Source
from connector.answer import answer
from connector.testing import Reply

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
SECRETS = {"apiToken": "made-up-token-1"}
FIELDS = {"state", "insert", "delete", "schema", "softDelete", "hasMore"}
REPORT = {"state", "hasMore", "errorMessage", "errorType", "stackTrace"}


def iso(seconds: float, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """An instant so many seconds after the clock's start, as an upstream writes it."""
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime(form)


def http_date(seconds: float) -> str:
    """The `Date` header of an upstream whose clock is so many seconds after START."""
    return iso(seconds, "%a, %d %b %Y %H:%M:%S GMT")


@dataclass(frozen=True)
class Asked:
    """A request as the upstream saw it."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Upstream:
    """Answers every request with what a function makes of it, and remembers what was asked.

    The function gives a `Reply`, bytes, or Python values that are sent as JSON.
    """

    most = 10_000  # requests; a walk that never ends fails its test instead of hanging it

    def __init__(self, answers: Callable[[Asked], Any]) -> None:
        self.answers = answers
        self.asked: list[Asked] = []

    def __call__(self, request: requests.PreparedRequest, seconds: float) -> requests.Response:
        parts = urlsplit(request.url or "")
        body = request.body or b""
        asked = Asked(
            request.method or "",
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            dict(request.headers),
            body.encode() if isinstance(body, str) else body,
        )
        self.asked.append(asked)
        if len(self.asked) > self.most:
            raise RuntimeError(f"the connector asked {self.most} times and does not stop")
        said = self.answers(asked)
        if not isinstance(said, Reply):
            said = Reply(body=said) if isinstance(said, bytes) else Reply(json=said)
        content = said.body if said.body is not None else json.dumps(said.json).encode()
        response = requests.Response()
        response.status_code = said.status
        response.headers.update({"Content-Type": "application/json", **said.headers})
        response.url, response.request = request.url or "", request
        response.raw = urllib3.HTTPResponse(io.BytesIO(content), preload_content=False)
        return response

    def each(self, name: str, path: str | None = None) -> list[str | None]:
        """The values of a query parameter, request by request."""
        return [ask.params.get(name) for ask in self.asked if path in (None, ask.path)]


def script(pages: Mapping[str | None, Any]) -> Upstream:
    """An upstream whose pages hang on the token alone: rows, or (rows, the next token)."""

    def answers(asked: Asked) -> Any:
        page = pages[asked.params.get("token")]
        if isinstance(page, Reply):
            return page
        rows, token = page if isinstance(page, tuple) else (page, None)
        return {"data": rows, "next": token}

    return Upstream(answers)


@dataclass
class Listing:
    """Live records of one entity, filtered by `since` (inclusive) and `until`, sorted by a key.

    A token names the last record that was given out, so that no page repeats or skips one.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    sort: str = "id"
    size: int | None = None

    def __call__(self, asked: Asked) -> Any:
        since, until, token = (asked.params.get(name) for name in ("since", "until", "token"))
        rows = sorted(self.records, key=lambda row: (row[self.sort], row["id"]))
        rows = [row for row in rows if not since or row["at"] >= since]
        rows = [row for row in rows if not until or row["at"] < until]
        if token:
            after = json.loads(token)
            rows = [row for row in rows if [row[self.sort], row["id"]] > after]
        size = self.size or int(asked.params["limit"])
        page = rows[:size]
        more = len(rows) > size
        return {
            "data": page,
            "next": json.dumps([page[-1][self.sort], page[-1]["id"]]) if more else None,
        }


def reading(source: Source, name: str = "thing", path: str | None = None, **options: Any) -> None:
    """Declare an entity that pages by token, as the generated step does."""

    @source.entity(name, **options)
    def step(fetch: Fetch) -> Page:
        response = fetch.get(
            path or f"/{name}",
            params={
                "since": fetch.since,
                "until": fetch.until,
                "token": fetch.token,
                "limit": fetch.page_size,
            },
        )
        return Page(response.rows("data"), next_token=response.value("next", default=None))


def source(**options: Any) -> Source:
    """A source without entities; one worker unless said otherwise, for the order of requests."""
    return Source(
        **{
            "base_url": "https://api.example.com",
            "auth": BearerToken("apiToken"),
            "workers": 1,
            **options,
        }
    )


def one(**options: Any) -> Source:
    """A source with the entity `thing`: key `id`, cursor `at`, unless said otherwise."""
    made = source()
    reading(made, **{"primary_key": ["id"], "cursor": "at", **options})
    return made


@dataclass
class Sync:
    """What one sync's calls answered.

    Attributes:
        replies: Those that Fivetran applies.
        report: The error report that ended it, or None.
    """

    replies: list[dict[str, Any]] = field(default_factory=list)
    report: dict[str, Any] | None = None

    @property
    def error(self) -> str:
        """The error message; "" if there was none."""
        return self.report["errorMessage"] if self.report else ""

    def inserted(self, table: str = "thing") -> list[dict[str, Any]]:
        """All records inserted into a table, in the order of their arrival."""
        return [row for reply in self.replies for row in reply["insert"].get(table, ())]

    def ids(self, table: str = "thing") -> list[Any]:
        """The ids of the inserted records, in the order of their arrival."""
        return [row["id"] for row in self.inserted(table)]

    def deleted(self, table: str = "thing") -> list[dict[str, Any]]:
        """All records deleted from a table, in the order of their arrival."""
        return [row for reply in self.replies for row in reply.get("delete", {}).get(table, ())]


class Player:
    """Calls until `hasMore` is false, from the last successful reply's state; applies replies.

    Args:
        source: The connector.
        upstream: The transport.
        state: What Fivetran holds.
        sync_ids: Whether calls carry a sync id.
        request: Further fields of the requests.
    """

    def __init__(
        self,
        source: Source,
        upstream: Callable[..., requests.Response],
        *,
        state: Mapping[str, Any] | None = None,
        sync_ids: bool = True,
        **request: Any,
    ) -> None:
        self.source = source
        self.upstream = upstream
        self.state = dict(state or {})
        self.sync_ids = sync_ids
        self.request = {"agent": "test", "secrets": SECRETS, **request}
        self.sync_id: str | None = None
        self.tables: dict[str, dict[tuple[Any, ...], dict[str, Any] | None]] = {}

    def new_sync(self) -> None:
        """The calls that follow belong to another sync."""
        self.sync_id = str(uuid4()) if self.sync_ids else None

    def call(self) -> dict[str, Any]:
        """One call; its reply is applied unless it is an error report."""
        asked = {**self.request, "state": self.state}
        if self.sync_id is not None:
            asked["sync_id"] = self.sync_id
        status, body = answer(self.source, encoded(asked), self.upstream)
        reply = checked(status, body)
        if "errorMessage" not in reply:
            self.state = reply["state"]
            self._apply(reply)
        return reply

    def sync(self, calls: int = 500) -> Sync:
        """A whole sync, or as many calls of it."""
        self.new_sync()
        return self.go_on(calls)

    def go_on(self, calls: int = 500) -> Sync:
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

    def alive(self, table: str = "thing") -> dict[Any, dict[str, Any]]:
        """The table's records that are not marked as deleted, by their key."""
        rows = self.tables.get(table, {})
        return {
            key[0] if len(key) == 1 else key: row for key, row in rows.items() if row is not None
        }

    def _apply(self, reply: Mapping[str, Any]) -> None:
        for name in reply.get("softDelete", ()):
            self.tables[name] = dict.fromkeys(self.tables.get(name, {}))
        for side in ("delete", "insert"):
            for name, rows in reply.get(side, {}).items():
                key = reply.get("schema", {}).get(name, {}).get("primary_key")
                table = self.tables.setdefault(name, {})
                for row in rows:
                    at = tuple(row[column] for column in key) if key else (len(table),)
                    table[at] = row if side == "insert" else None


def encoded(request: Any) -> bytes:
    """A request as Fivetran sends it; decimals are written as numbers."""
    return msgspec.json.Encoder(decimal_format="number").encode(request)


def checked(status: int, body: bytes) -> dict[str, Any]:
    """A reply that follows the protocol, decoded; anything else fails the test."""
    reply = json.loads(body, parse_float=Decimal)
    assert isinstance(reply["state"], dict)
    assert isinstance(reply["hasMore"], bool)
    if "errorMessage" in reply:
        assert reply.keys() <= REPORT
        assert isinstance(reply["errorMessage"], str) and reply["errorMessage"]
        assert isinstance(reply["errorType"], str) and reply["errorType"]
        assert not reply["hasMore"]
        for file, number, function, code in reply["stackTrace"]:
            assert isinstance(number, int) and isinstance(function, str) and isinstance(code, str)
            assert not file.startswith(("/", "..")) and ":" not in file and "\\" not in file
        return reply
    assert status == 200
    assert reply.keys() <= FIELDS
    schema = reply.get("schema", {})
    for name in reply.get("softDelete", ()):
        assert name not in reply["insert"], "marked and filled in one reply"
        assert name not in reply.get("delete", {}), "marked and deleted from in one reply"
    for name, gone in reply.get("delete", {}).items():
        key = schema[name]["primary_key"]
        both = keys(reply["insert"].get(name, ()), key) & keys(gone, key)
        assert not both, f"in insert and delete of one reply: {both}"
    return reply


def keys(rows: Iterable[Mapping[str, Any]], key: Iterable[str]) -> set[tuple[str, ...]]:
    """The keys of some records, as text."""
    return {tuple(str(row[column]) for column in key) for row in rows}
