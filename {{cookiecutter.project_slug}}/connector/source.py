# Owned by fivetran-azfn-template: updates replace this file.
"""What the user declares: the upstream, its entities and how each is read; it does nothing yet."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from inspect import signature
from typing import Any, Literal, TypeVar

from connector.auth import Auth, names_of
from connector.cursors import Cursors
from connector.entity import UNSET, Entity, Payload, Step, check
from connector.errors import SourceError
from connector.urls import is_base

S = TypeVar("S", bound=Step)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*")


class Source:
    """An upstream and its entities.

    Args:
        base_url: URL that paths are appended to; https, or http for localhost. It may hold payload
            keys (`https://{subdomain}.example.com`); secrets then come from the request only.
        auth: How requests are signed: BearerToken, ApiKey, BasicAuth, OAuth2ClientCredentials, any
            `def auth(request, secrets)`, or None.
        headers: Headers of every request.
        secrets: Names of further secrets that steps use; the setup test asks for them.
        payload: Names of further payload keys that steps use, for which the setup test asks; or
            Payload with a default, which then counts for `base_url` and `fetch.payload` as well.
        allowed_hosts: Hosts that may be requested besides `base_url`'s; they never get credentials.
        workers: How many entities are read side by side.

    Raises:
        SourceError: A value contradicts another or is out of range.
    """

    def __init__(
        self,
        *,
        base_url: str,
        auth: Auth | None = None,
        headers: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
        payload: Sequence[str | Payload] = (),
        allowed_hosts: Sequence[str] = (),
        workers: int = 4,
    ) -> None:
        if not isinstance(base_url, str) or not is_base(_PLACEHOLDER.sub("x", base_url)):
            raise SourceError(
                f"base_url is {base_url!r}; it starts with https:// (http:// for localhost only), "
                "as https://api.example.com, and has no user name, no ? and no #"
            )
        if isinstance(secrets, str) or isinstance(payload, str) or isinstance(allowed_hosts, str):
            raise SourceError('secrets, payload and allowed_hosts are lists: secrets=["apiToken"]')
        for host in allowed_hosts:
            if not _HOST.fullmatch(host):
                raise SourceError(
                    f"{host!r} in allowed_hosts is no host's name, as files.example.com: leave out "
                    "https://, port and path"
                )
        if not isinstance(workers, int) or workers < 1:
            raise SourceError(f"workers is {workers!r}; it is a number from 1")
        self.base_url = base_url
        self.auth = auth
        self.headers = dict(headers or {})
        self.secrets = tuple(dict.fromkeys((*names_of(auth), *secrets)))
        self.url_keys = tuple(_PLACEHOLDER.findall(base_url))
        named = [Payload(key) if isinstance(key, str) else key for key in payload]
        self.payload = tuple(dict.fromkeys((*self.url_keys, *(each.key for each in named))))
        self.defaults = {each.key: each.default for each in named if each.default is not UNSET}
        self.allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self.workers = workers
        self.entities: dict[str, Entity] = {}

    def __repr__(self) -> str:
        return f"<Source {self.base_url}: {', '.join(self.entities)}>"

    def entity(
        self,
        name: str,
        *,
        primary_key: Sequence[str] = (),
        cursor: str | None = None,
        cursor_type: Literal["sequence", "epoch", "epoch_ms"] | None = None,
        timezone: str | None = None,
        start: str | float | date | datetime | Payload | None = None,
        order: Literal["asc", "desc"] | None = None,
        lookback: timedelta | None = None,
        window: timedelta | None = None,
        soft_delete: bool | Literal["may_be_empty"] = False,
        page_size: int = 100,
        tables: Mapping[str, Sequence[str]] | None = None,
    ) -> Callable[[S], S]:
        """Declare an entity; decorates its fetch step, which stays an ordinary function.

        Args:
            name: The table's name, `[a-z][a-z0-9_]*`.
            primary_key: Columns as the API spells them; none appends (Fivetran then adds
                `_fivetran_batch` and `_fivetran_index`).
            cursor: Column or dotted path whose highest value is where the next sync begins; None
                reads everything at each sync.
            cursor_type: What cursors that are numbers count: "sequence" (ever growing), "epoch"
                (seconds) or "epoch_ms" (milliseconds).
            timezone: IANA name of the zone of cursors without an offset; without it the start of a
                walk counts as twelve hours earlier.
            start: `fetch.since` of the first walk: an ISO text, number, date, or a Payload.
            order: "asc" (the upstream sorts by the cursor, tokens are no positions: commits after
                each page), "desc" (newest first, no filter: ends at the first page below `since`).
            lookback: Subtracted from `since` on each new walk; five minutes unless said otherwise
                for instants with a primary key, else none.
            window: Length of the slices `[since, until)` that the walk is cut into; needs `start`.
            soft_delete: Read everything each time and mark what no longer comes as deleted;
                "may_be_empty" also when the upstream has no records at all.
            page_size: Records to ask for, kept through a walk.
            tables: Further tables that the step's pages fill, with their primary keys.

        Raises:
            SourceError: A value contradicts another or is out of range.
        """

        def declare(step: S) -> S:
            try:
                signature(step).bind(None)
            except TypeError as error:
                raise SourceError(
                    f"entity {name!r}: a step takes one argument, as def {name}(fetch: Fetch) -> "
                    f"Page ({error})"
                ) from None
            entity = Entity(
                name=name,
                step=step,
                primary_key=_columns(name, primary_key),
                cursor=cursor,
                cursors=Cursors(cursor_type, timezone),
                start=_start(start),
                order=order,
                lookback=lookback,
                window=window,
                soft_delete=soft_delete,
                page_size=page_size,
                tables={table: _columns(table, key) for table, key in (tables or {}).items()},
                source=self,
            )
            check(entity, self.entities)
            if isinstance(start, Payload) and start.default is UNSET:
                self.payload = tuple(dict.fromkeys((*self.payload, start.key)))
            self.entities[name] = entity
            step.__dict__["entity"] = entity
            return step

        return declare

    def settings_in_use(self) -> list[str]:
        """Values of app settings that may serve as secrets, to be kept out of texts."""
        return [os.environ[name] for name in self.secrets if name in os.environ]

    def check(self) -> None:
        """Refuse a source without entities.

        Raises:
            SourceError: fetch.py declares none.
        """
        if not self.entities:
            raise SourceError("fetch.py declares no entity: decorate a step with @source.entity")

    @property
    def schema(self) -> dict[str, dict[str, list[str]]]:
        """The reply's `schema`: every declared table with its key, the same in every reply."""
        keys = {entity.name: entity.primary_key for entity in self.entities.values()}
        for entity in self.entities.values():
            keys.update((table, key) for table, key in entity.tables.items() if table not in keys)
        return {table: {"primary_key": list(key)} for table, key in keys.items() if key}

    @property
    def lanes(self) -> list[list[Entity]]:
        """The entities in groups that share a table: read one after the other, as declared."""
        lanes: list[tuple[set[str], list[Entity]]] = []
        for entity in self.entities.values():
            tables = {entity.name, *entity.tables}
            met = [lane for lane in lanes if lane[0] & tables]
            members = [member for lane in met for member in lane[1]]
            lanes = [lane for lane in lanes if lane not in met]
            lanes.append((tables.union(*(lane[0] for lane in met)), [*members, entity]))
        place = {name: index for index, name in enumerate(self.entities)}
        return [sorted(lane[1], key=lambda entity: place[entity.name]) for lane in lanes]


def _columns(name: str, columns: Sequence[str]) -> tuple[str, ...]:
    named = isinstance(columns, (list, tuple)) and all(
        isinstance(column, str) and column for column in columns
    )
    if not named or len(set(columns)) < len(columns):
        raise SourceError(
            f'the primary key of {name} is a list of columns: primary_key=["id"], not {columns!r}'
        )
    return tuple(columns)


def _start(start: Any) -> Any:
    if isinstance(start, datetime) and start.tzinfo is None:
        raise SourceError(f"start {start!r} has no time zone: use an aware datetime or ISO text")
    if isinstance(start, Payload):
        return Payload(start.key, _start(start.default))
    return start.isoformat().replace("+00:00", "Z") if isinstance(start, date) else start
