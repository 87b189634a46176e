"""What the user declares in fetch.py: the source, its entities, and how each is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from inspect import signature
from typing import Any, Literal, TypeVar

import msgspec

from connector import clock, urls
from connector.auth import Auth, identifying_names, names_of
from connector.cursors import Cursors
from connector.errors import SourceError
from connector.step import Fetch, Page

Step = Callable[[Fetch], Page]
S = TypeVar("S", bound=Step)
UNSET: Any = msgspec.UNSET

# The types of options, and examples; mypy finds others, but a fetch.py is tried before.
_OPTIONS: dict[str, tuple[type, str]] = {
    "cursor": (str, '"updated_at"'),
    "cursor_type": (str, '"epoch"'),
    "timezone": (str, '"America/Denver"'),
    "lookback": (timedelta, "timedelta(minutes=5)"),
    "window": (timedelta, "timedelta(days=1)"),
    "page_size": (int, "100"),
    "tables": (Mapping, '{"order_line": ["id"]}'),
    "headers": (Mapping, '{"Accept": "application/json"}'),
    "workers": (int, "4"),
}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Payload(msgspec.Struct, frozen=True):
    """A value typed in Fivetran's form as custom payload: a start date, or a part of `base_url`.

    Args:
        key: The key as it is typed.
        default: Used when the key is missing; without a default a missing key is an error.
    """

    key: str
    default: Any = UNSET

    def of(self, payload: Mapping[str, Any]) -> Any:
        """The value in this call's payload.

        Raises:
            MissingSetting: It is missing or blank and has no default.
        """
        return payload[self.key] if self.default is UNSET else payload.get(self.key, self.default)


class Entity(msgspec.Struct, frozen=True, eq=False):
    """One entity as declared; `Source.entity` documents each field."""

    name: str
    step: Step
    primary_key: tuple[str, ...]
    cursor: str | None
    cursors: Cursors
    start: Any
    order: str | None
    lookback: timedelta | None
    window: timedelta | None
    soft_delete: bool | str
    page_size: int
    tables: Mapping[str, tuple[str, ...]]
    source: Source
    keys: Mapping[str, tuple[str, ...]]  # the primary key of every table that the entity fills
    appends: bool  # whether one of them has no primary key


class Source:
    """An upstream and its entities.

    Args:
        base_url: URL that paths are appended to; https, or http for localhost. It may have payload
            keys (`https://{subdomain}.example.com`); secrets then come from the request only.
        auth: How requests are authorized: BearerToken, ApiKey, BasicAuth, OAuth2ClientCredentials,
            any `def auth(request, secrets)`, or None.
        headers: Headers of every request.
        secrets: Names of further secrets that steps use; the setup test checks that they are there.
        payload: Names of further payload keys that steps use, which the setup test checks too; or
            Payload with a default, which then counts for `base_url` and `fetch.payload` as well.
        allowed_hosts: Hosts that may be requested besides `base_url`'s; they never get credentials.
        workers: How many entities are read at the same time.

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
        if not urls.is_base(_PLACEHOLDER.sub("x", base_url)):
            raise SourceError(
                f"base_url is {base_url!r}; it must start with https:// (http:// for localhost "
                "only), such as https://api.example.com, without a user name, ? or #"
            )
        if isinstance(secrets, str) or isinstance(payload, str) or isinstance(allowed_hosts, str):
            raise SourceError('secrets, payload and allowed_hosts are lists: secrets=["apiToken"]')
        for host in allowed_hosts:
            if not re.fullmatch(r"[\w-]+(\.[\w-]+)*", host):
                raise SourceError(
                    f"{host!r} in allowed_hosts is not a host name such as files.example.com: "
                    "leave out https://, port and path"
                )
        _check_types("", headers=headers, workers=workers)
        if auth is not None and (isinstance(auth, type) or not callable(auth)):
            raise SourceError('auth must be like auth=BearerToken("apiToken"), or a function')
        if workers < 1:
            raise SourceError(f"workers is {workers!r}; it must be at least 1")
        self.base_url = base_url
        self.auth = auth
        self.headers = dict(headers or {})
        self.secrets = tuple(dict.fromkeys((*names_of(auth), *secrets)))
        self.identifying = frozenset(identifying_names(auth))
        self.url_keys = tuple(_PLACEHOLDER.findall(base_url))
        named = [Payload(key) if isinstance(key, str) else key for key in payload]
        self.payload = tuple(dict.fromkeys((*self.url_keys, *(each.key for each in named))))
        self.defaults = {each.key: each.default for each in named if each.default is not UNSET}
        self.allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self.workers = workers
        self.entities: dict[str, Entity] = {}
        self.lanes: list[list[Entity]] = []  # entities that share a table, as declared

    def __repr__(self) -> str:
        return f"<Source {self.base_url}: {', '.join(self.entities)}>"

    def entity(
        self,
        name: str,
        *,
        primary_key: Sequence[str] = (),
        cursor: str | None = None,
        cursor_type: str | None = None,
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
            cursor_type: What cursors are, if they are not ISO 8601: "sequence" (ever growing
                numbers), "epoch", "epoch_ms", "epoch_us", "epoch_ns", "text" (alphabetical), or
                a strptime form such as "%d.%m.%Y %H:%M".
            timezone: IANA name of the zone of cursors without an offset; without it the start of a
                walk counts as twelve hours earlier.
            start: `fetch.since` of the first walk: ISO text, a number, a date, or a Payload. One
                that is later than the committed cursor replaces it.
            order: "asc" (the upstream sorts by the cursor and its tokens are not positions: the
                cursor is committed after each page), "desc" (newest first, no filter: ends at the
                first page below `since`).
            lookback: Subtracted from `since` on each new walk; by default five minutes for
                instants with a primary key, else none.
            window: Length of the slices `[since, until)` that the walk is cut into; needs `start`.
            soft_delete: Read everything each time and mark what no longer comes as deleted;
                "may_be_empty" also when the upstream has no records at all.
            page_size: Records to ask for, the same through a walk.
            tables: Further tables that the step's pages fill, with their primary keys.

        Raises:
            SourceError: A value contradicts another or is out of range.
        """

        def declare(step: S) -> S:
            try:
                signature(step).bind(None)
            except TypeError as error:
                raise SourceError(
                    f"entity {name!r}: a step takes one argument, such as def {name}(fetch: "
                    f"Fetch) -> Page ({error})"
                ) from None
            _check_types(
                f"entity {name!r}: ",
                cursor=cursor,
                cursor_type=cursor_type,
                timezone=timezone,
                lookback=lookback,
                window=window,
                page_size=page_size,
                tables=tables,
            )
            key = _columns(name, primary_key)
            others = {table: _columns(table, columns) for table, columns in (tables or {}).items()}
            keys = {name: key, **others}
            entity = Entity(
                name=name,
                step=step,
                primary_key=key,
                cursor=cursor,
                cursors=Cursors(cursor_type, timezone),
                start=_start(start),
                order=order,
                lookback=lookback,
                window=window,
                soft_delete=soft_delete,
                page_size=page_size,
                tables=others,
                source=self,
                keys=keys,
                appends=not all(keys.values()),
            )
            for why in _contradictions(entity, self.entities.values()):
                raise SourceError(f"entity {name!r}: {why}")
            if isinstance(start, Payload) and start.default is UNSET:
                self.payload = tuple(dict.fromkeys((*self.payload, start.key)))
            self.entities[name] = entity
            self._add_to_lanes(entity)
            step.__dict__["entity"] = entity
            return step

        return declare

    @property
    def schema(self) -> dict[str, dict[str, list[str]]]:
        """The reply's `schema`: every declared table with its key, the same in every reply."""
        keys: dict[str, tuple[str, ...]] = {}
        for entity in self.entities.values():
            keys.update(entity.keys)
        return {table: {"primary_key": list(key)} for table, key in keys.items() if key}

    def _add_to_lanes(self, entity: Entity) -> None:
        shared = [
            lane
            for lane in self.lanes
            if any(entity.keys.keys() & other.keys.keys() for other in lane)
        ]
        joined = [other for lane in shared for other in lane]
        joined.sort(key=list(self.entities.values()).index)
        self.lanes = [lane for lane in self.lanes if lane not in shared]
        self.lanes.append([*joined, entity])


def _check_types(where: str, **options: Any) -> None:
    for name, value in options.items():
        kind, example = _OPTIONS[name]
        optional = value is None and kind is not int
        if not optional and (not isinstance(value, kind) or isinstance(value, bool)):
            raise SourceError(f"{where}{name} is {value!r}; it must be like {name}={example}")


def _contradictions(entity: Entity, others: Collection[Entity]) -> Iterator[str]:
    """What in a declaration contradicts itself or another one, as rules."""
    name, cursor, soft_delete = entity.name, entity.cursor, entity.soft_delete
    window, lookback = entity.window, entity.lookback
    for table in entity.keys:
        if not _NAME.fullmatch(table):
            yield f"{table!r} is not a table name; one matches [a-z][a-z0-9_]*, such as sales_order"
    if any(name == other.name for other in others):
        yield "it is declared twice"
    if entity.order not in (None, "asc", "desc"):
        yield f'order is {entity.order!r}; it must be "asc" or "desc"'
    if cursor == "":
        yield "cursor is blank; it must name a column, or be left out"
    if name in entity.tables:
        yield f"tables has {name!r}, whose key is primary_key: leave it out"
    if soft_delete not in (True, False, "may_be_empty"):
        yield f'soft_delete is {soft_delete!r}; it must be True, False or "may_be_empty"'
    if entity.page_size < 1:
        yield f"page_size is {entity.page_size}; it must be at least 1"
    if soft_delete and cursor:
        yield "soft_delete reads everything: leave out cursor"
    if soft_delete and not entity.primary_key:
        yield "soft_delete needs a primary_key"
    if window is not None and window <= timedelta():
        yield f"window is {window}; it must be longer than zero"
    if window is not None and entity.start is None:
        yield "window needs start, where it begins"
    if lookback is not None and lookback < timedelta():
        yield f"lookback is {lookback}; it must not be negative"
    if lookback and not entity.primary_key:
        yield "lookback without a primary_key would append records twice"
    for option in ("order", "lookback", "window"):
        if getattr(entity, option) is not None and not cursor:
            yield f"{option} needs cursor=, the column that it is for"
    for option in ("window", "lookback"):
        if getattr(entity, option) and not entity.cursors.is_time:
            kind = entity.cursors.cursor_type
            yield f'{option} is a duration; cursor_type="{kind}" has no time'
    for table, key in entity.tables.items():
        if not key and cursor is not None:
            yield (
                f"table {table!r} needs a primary key: its records come again with those of "
                f"{name!r}"
            )
    for other in others:
        for table in other.keys.keys() & entity.keys.keys():
            if other.keys[table] != entity.keys[table]:
                yield (
                    f"table {table!r} has the primary key {list(other.keys[table])} at entity "
                    f"{other.name!r} and {list(entity.keys[table])} here; it must be the same"
                )
            if (soft_delete and table == name) or (other.soft_delete and table == other.name):
                yield f"table {table!r} has soft_delete and {other.name!r} fills it too"


def _columns(name: str, columns: Sequence[str]) -> tuple[str, ...]:
    is_list = isinstance(columns, Iterable) and not isinstance(columns, str)
    if not is_list or not all(columns) or len(set(columns)) < len(columns):
        raise SourceError(
            f'the primary key of {name} is a list of columns: primary_key=["id"], not {columns!r}'
        )
    return tuple(columns)


def _start(start: Any) -> Any:
    if isinstance(start, datetime) and start.tzinfo is None:
        raise SourceError(f"start {start!r} has no time zone: use an aware datetime or ISO text")
    if isinstance(start, Payload):
        return Payload(start.key, _start(start.default))
    return clock.iso_text(start) if isinstance(start, date) else start
