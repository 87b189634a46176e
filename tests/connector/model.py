"""An upstream in memory whose records change while they are read, and a player for Fivetran.

Neither knows how the runtime does its work: the upstream is a transport, the player calls
`connector.answer` with a state and applies what comes back.
"""

import copy
import io
import json
import os
import random
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from email.utils import formatdate
from itertools import permutations
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import requests
from connector import BearerToken, Fetch, Page, Source, StartOver, TokenExpired, clock
from connector.answer import answer
from urllib3 import HTTPResponse

from .play import checked

START = 1_600_000_000.0  # a Sunday in September: no zone of these tests changes its offset near it
DAY = 86_400
SECRET = "made-up-token-1"
ORDERS = list(permutations(("insert", "delete", "softDelete")))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)
_SECOND = 1_000_000


# ---- time


class Time:
    """A clock that moves when its threads sleep, always to the one that wakes up first.

    So threads take turns in the order in which real ones would, and a run can be repeated.
    """

    def __init__(self, time: float = START) -> None:
        self.time = time
        self._owner = threading.current_thread()
        self._others = set(threading.enumerate())
        self._changed = threading.Condition()
        self._asleep: dict[threading.Thread, tuple[float, str]] = {}
        self._place = threading.local()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.time

    def monotonic(self) -> float:
        """The same."""
        return self.time

    def sleep(self, seconds: float, place: str = "") -> None:
        """Wait until all that wake up earlier have had their turn."""
        me = threading.current_thread()
        if me is self._owner:
            self.time += seconds
            return
        self._place.name = place or getattr(self._place, "name", "")
        with self._changed:
            self._asleep[me] = (self.time + seconds, self._place.name)
            while not self._next(me):
                self._changed.wait(0.0005)
            self.time = max(self.time, self._asleep.pop(me)[0])
            self._changed.notify_all()

    def threads(self) -> list[threading.Thread]:
        """Those that were started since and still run."""
        return [thread for thread in threading.enumerate() if thread not in self._others]

    def _next(self, me: threading.Thread) -> bool:
        if any(thread not in self._asleep for thread in self.threads()):
            return False
        return self._owner_waits() and min(self._asleep, key=self._asleep.__getitem__) is me

    def _owner_waits(self) -> bool:
        frame = sys._current_frames().get(self._owner.ident or 0)
        while frame is not None:
            if frame.f_code.co_name == "join" and frame.f_code.co_filename == threading.__file__:
                return True
            frame = frame.f_back
        return False


@contextmanager
def held(time: Time) -> Iterator[None]:
    """The runtime goes by this clock."""
    with patch.object(clock, "current", time):
        yield


# ---- how the time of a change is written


@dataclass(frozen=True)
class Form:
    """How an upstream writes the time of a change.

    Attributes:
        name: For the test's output.
        step: Microseconds between two values; 0 counts changes instead.
        write: The value of a time (microseconds, or a count), in one of several spellings.
        read: The time of a value that came as a query parameter.
        options: What the entity declares beside `cursor`.
        minutes: Offset of the upstream's own time.
    """

    name: str
    step: int
    write: Callable[[int, int], Any]
    read: Callable[[str], int]
    options: Mapping[str, Any] = field(default_factory=dict)
    minutes: int = 0

    def __repr__(self) -> str:
        return self.name

    def floor(self, at: int) -> int:
        """The time as far as it can be written."""
        shift = self.minutes * 60 * _SECOND
        return (at + shift) // self.step * self.step - shift


def _text(at: int, minutes: int, pattern: str, digits: int = 0, colon: bool = True) -> str:
    moment = (_EPOCH + at * _MICRO).astimezone(timezone(timedelta(minutes=minutes)))
    fraction = f".{at % _SECOND:06d}"[: digits + 1] if digits else ""
    zone = moment.strftime("%z")
    zone = "Z" if minutes == 0 else f"{zone[:3]}:{zone[3:]}" if colon else zone
    return moment.strftime(pattern).replace("FRACTION", fraction).replace("ZONE", zone)


def _moment(text: str, minutes: int = 0) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    return (moment - _EPOCH) // _MICRO


def _iso(name: str, step: int, pattern: str, digits: int = 0) -> Form:
    return Form(name, step, lambda at, _: _text(at, 0, pattern, digits), _moment)


def _naive(minutes: int, zone: str | None, *, days: bool = False) -> Form:
    pattern = "%Y-%m-%d" if days else "%Y-%m-%d %H:%M:%S"
    return Form(
        f"{'date' if days else 'naive'}{minutes:+d} {zone}",
        DAY * _SECOND if days else _SECOND,
        lambda at, _: _text(at, minutes, pattern),
        lambda text: _moment(text, minutes),
        {"timezone": zone} if zone else {},
        minutes,
    )


def _epoch(name: str, step: int, kind: str, write: Callable[[int], Any]) -> Form:
    factor = _SECOND if kind == "epoch" else 1000
    return Form(
        name,
        step,
        lambda at, _: write(at),
        lambda text: int(Decimal(text) * factor),
        {"cursor_type": kind},
    )


def _mixed(at: int, spelling: int) -> str:
    pattern = ("%Y-%m-%dT%H:%M:%SFRACTIONZONE", "%Y-%m-%d %H:%M:%SFRACTIONZONE")[spelling % 2]
    digits = (0 if at % _SECOND == 0 else 3, 3, 6)[spelling % 3]
    return _text(at, (0, 330, -480, 840)[spelling % 4], pattern, digits, spelling % 5 > 1)


SECONDS = _iso("seconds", _SECOND, "%Y-%m-%dT%H:%M:%SZONE")
INSTANTS = [
    SECONDS,
    Form("mixed", 1000, _mixed, _moment),
    _iso("microseconds", 1, "%Y-%m-%dT%H:%M:%SFRACTION+00:00", 6),
    _iso("minutes", 60 * _SECOND, "%Y-%m-%d %H:%MZONE"),
    _naive(-360, "America/Denver"),
    _naive(330, "Asia/Kolkata"),
    _naive(-660, None),
    _naive(780, None),
    _naive(-360, "America/Denver", days=True),
    _naive(540, None, days=True),
    _epoch("epoch", _SECOND, "epoch", lambda at: at // _SECOND),
    _epoch("epoch with a fraction", 1000, "epoch", lambda at: at / _SECOND),
    _epoch("epoch as text", _SECOND, "epoch", lambda at: str(at // _SECOND)),
    _epoch("epoch_ms", 1000, "epoch_ms", lambda at: at // 1000),
]
COUNTS = [
    Form("sequence", 0, lambda at, _: at, int, {"cursor_type": "sequence"}),
    Form("text", 0, lambda at, _: f"v{at:08d}", lambda text: int(text[1:])),
]


# ---- the upstream


@dataclass
class Setting:
    """One entity: how it is declared, and how the upstream serves it.

    Attributes:
        name: Of the entity and of its path.
        form: How cursors are written; None: there is no cursor.
        ages: How many hours before the start each record of the beginning changed last.
        keyed: Whether it has a primary key.
        composite: Whether that has two columns.
        deletes: "none"; "rows" or "keys" (tombstones in the list, with a cursor or without);
            "soft" or "may_be_empty" (soft_delete); "feed" (an event feed); "elsewhere" (told by
            another entity), or the name of the entity of which this one tells the deletes.
        tokens: "id" or "cursor" (the key of the last record, over live records), "frozen_ids" (a
            list made at the first page, live records), "frozen_rows" (records as they were at the
            first page), "offset" (a position).
        end: What follows the last page: "null" (no token), "empty" (a page), "404".
        refusal: Status of a token that has expired; 409: the step raises TokenExpired.
        lag: Seconds after which a change can be seen.
        exclusive: Whether `since` is taken for an exclusive bound.
        limit: How many records a search gives out before it refuses tokens; 0: all.
        pads: Further bytes of a record, by its id.
        touched: Whether the step decodes the records.
        lines: Whether each record comes with a record of another table.
    """

    name: str
    form: Form | None = None
    ages: Sequence[int] = ()
    order: Any = None
    window: timedelta | None = None
    lookback: timedelta | None = None
    page_size: int = 2
    keyed: bool = True
    composite: bool = False
    column: str = "updated_at"
    deletes: str = "none"
    tokens: str = "id"
    end: str = "null"
    refusal: int = 410
    lag: float = 0.0
    exclusive: bool = False
    limit: int = 0
    pads: Sequence[int] = (0,)
    touched: bool = False
    lines: bool = False

    @property
    def store(self) -> str:
        """The entity whose records are listed."""
        kinds = ("none", "rows", "keys", "soft", "may_be_empty", "feed", "elsewhere")
        return self.name if self.deletes in kinds else self.deletes

    @property
    def key(self) -> list[str]:
        """The primary key's columns."""
        return ["region", "id"] if self.composite else ["id"] if self.keyed else []

    def row(self, entry: "Entry") -> dict[str, Any]:
        """A record as the upstream shows it."""
        row: dict[str, Any] = {"id": entry.shown_id, "v": entry.version, "text": 'é "½"\n'}
        if pad := self.pads[entry.shown_id % len(self.pads)]:
            row["pad"] = "x" * pad
        if self.composite:
            row["region"] = entry.shown_id % 3
        if self.form is not None:
            outer, _, inner = self.column.partition(".")
            row[outer] = {inner: entry.value} if inner else entry.value
        return row if entry.alive or self.deletes != "keys" else {k: row[k] for k in self.key}

    def line(self, entry: "Entry") -> dict[str, Any]:
        """The record of another table that comes with a record."""
        return {"parent": entry.shown_id, "n": 0, "v": entry.version}


@dataclass(frozen=True)
class Entry:
    """A version of a record; `at` is None where its cursor is empty, `alive` False: a tombstone."""

    id: int
    shown_id: int
    version: int
    at: int | None
    value: Any
    alive: bool = True

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands in a list sorted by the cursor."""
        return (-1 if self.at is None else self.at, self.id)


@dataclass
class Table:
    """What the upstream holds of an entity."""

    entries: dict[int, Entry] = field(default_factory=dict)
    shown: dict[int, Entry] = field(default_factory=dict)
    pending: list[tuple[float, Entry]] = field(default_factory=list)
    ever: list[Entry] = field(default_factory=list)
    events: list[Entry] = field(default_factory=list)
    forgotten: int = 0
    snapshots: list[list[Entry]] = field(default_factory=list)
    count: int = 0
    generation: int = 0
    down: int = 0


class Upstream:
    """Serves entities from memory; a script says what happens during each request.

    Args:
        time: The clock, ours.
        settings: The entities.
        skew: Seconds that the upstream's clock is ahead of ours.
        date: "true": replies carry `Date`; "cached": an old one, with `Age`; "": none.
        latency: Seconds that a request takes.

    Attributes:
        script: One action for each request to come: a change, or what becomes of the request.
        patient: Whether requests go on after their deadline, as a slow drip does.
        troubled: Whether anything was refused, failed or empty so far.
        expired: Names of entities whose tokens were refused.
    """

    def __init__(
        self,
        time: Time,
        settings: Iterable[Setting],
        *,
        skew: int = 0,
        date: str = "",
        latency: float = 1.0,
    ) -> None:
        self.time = time
        self.settings = {setting.name: setting for setting in settings}
        self.skew = skew
        self.date = date
        self.script: deque[tuple[str, int, int]] = deque()
        self.latency = latency
        self.patient = False
        self.troubled = False
        self.expired: set[str] = set()
        self.tables = {name: Table() for name in self.settings}
        for setting in self.settings.values():
            for age in sorted(setting.ages, reverse=True):
                self._put(setting, self._new_id(setting), hours=age)
        for table in self.tables.values():
            table.shown, table.pending = dict(table.entries), []

    # -- changes

    def change(self, kind: str, index: int, number: int) -> None:
        """Insert, update, delete or restore a record of an entity; or nothing, where it cannot.

        A sweep updates all of them, one after the other: those that a walk has passed first. Twins
        are two records that are alike.
        """
        setting = list(self.settings.values())[index % len(self.settings)]
        setting = self.settings[setting.store]
        table = self.tables[setting.name]
        alive = [entry for entry in table.entries.values() if entry.alive]
        gone = [entry for entry in table.entries.values() if not entry.alive]
        if kind == "insert":
            self._put(setting, self._new_id(setting))
        elif kind == "undated" and setting.form and setting.keyed and setting.order != "desc":
            self._put(setting, self._new_id(setting), undated=number)
        elif kind == "future" and setting.form and setting.form.step and not setting.window:
            self._put(setting, self._new_id(setting), hours=-80 * 365 * 24)
        elif kind == "twins" and not setting.keyed:
            first = self._put(setting, self._new_id(setting))
            self._show(setting, replace(first, id=self._new_id(setting)))
        elif kind == "sweep":
            for entry in sorted(alive, key=lambda entry: entry.id):
                self.time.sleep(1)
                self._put(setting, entry.id)
        elif kind == "update" and alive:
            self._put(setting, alive[number % len(alive)].id)
        elif kind == "delete" and len(alive) > (setting.deletes == "soft"):
            self._put(setting, alive[number % len(alive)].id, alive=False)
        elif kind == "restore" and gone:
            self._put(setting, gone[number % len(gone)].id)

    def _new_id(self, setting: Setting) -> int:
        number = len(self.tables[setting.name].entries)
        return number if setting.tokens == "offset" else (number * 37) % 1009

    def _put(
        self,
        setting: Setting,
        number: int,
        *,
        hours: int = 0,
        alive: bool = True,
        undated: int | None = None,
    ) -> Entry:
        table = self.tables[setting.name]
        before = table.entries.get(number)
        version = before.version + 1 if before else 0
        at: int | None = None
        value: Any = None
        if setting.form is not None and undated is not None:
            value = (None, "", "0000-00-00 00:00:00")[undated % 3]
            if setting.form.options.get("cursor_type"):
                value = None
        elif setting.form is not None:
            table.count += 1
            at = self._at(setting, hours) if setting.form.step else table.count
            value = setting.form.write(at, number + version)
        entry = Entry(number, number, version, at, value, alive)
        self._show(setting, entry)
        return entry

    def _at(self, setting: Setting, hours: int) -> int:
        assert setting.form is not None
        at = setting.form.floor(int((self.time.now() + self.skew - hours * 3600) * _SECOND))
        if not setting.limit:
            return at
        # A search that stops at a limit is of use only where fewer records share a cursor.
        taken = [entry.at for entry in self.tables[setting.name].ever if entry.at is not None]
        return max(
            [at, *(other + setting.form.step for other in taken if other < at + DAY * _SECOND)]
        )

    def _show(self, setting: Setting, entry: Entry) -> None:
        table = self.tables[setting.name]
        table.entries[entry.id] = entry
        table.ever.append(entry)
        table.events.append(entry)
        table.pending.append((self.time.now() + setting.lag, entry))

    # -- the transport

    def send(self, request: requests.PreparedRequest, seconds: float) -> requests.Response:
        """Answer a request."""
        parts = urlsplit(request.url or "")
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        setting = self.settings[parts.path.strip("/")]
        assert request.headers["Authorization"] == f"Bearer {SECRET}"
        began = self.time.monotonic()
        self._pass(self.latency / 2, began, seconds, setting)
        kind, index, number = self.script.popleft() if self.script else ("", 0, 0)
        self.change(kind, index, number)
        status, body, headers = self._serve(setting, params, kind)
        if status != 200:
            self.troubled = True
        self._pass(self.latency / 2 + number * (kind == "slow"), began, seconds, setting)
        if kind == "reset":
            self.troubled = True
            raise requests.ConnectionError("the connection was reset")
        now = self.time.now() + self.skew
        if self.date == "true":
            headers["Date"] = formatdate(now // 1, usegmt=True)
        elif self.date == "cached":
            headers.update({"Date": formatdate(now - 7200, usegmt=True), "Age": "7200"})
        return response(request, json.dumps(body).encode(), status, **headers)

    def _pass(self, took: float, began: float, seconds: float, setting: Setting) -> None:
        left = began + seconds - self.time.monotonic()
        if took >= left and not self.patient:
            self.time.sleep(max(left, 0.0), setting.name)
            self.troubled = True
            raise requests.ReadTimeout("timed out")
        self.time.sleep(took, setting.name)

    def _serve(
        self, setting: Setting, params: dict[str, str], kind: str
    ) -> tuple[int, Any, dict[str, str]]:
        table = self.tables[setting.name]
        for seen in self.tables.values():
            due = [entry for at, entry in seen.pending if at <= self.time.now()]
            seen.shown.update((entry.id, entry) for entry in due)
            seen.pending = [item for item in seen.pending if item[0] > self.time.now()]
        table.down += 5 * (kind == "down")
        if kind == "fail" or table.down:
            table.down -= table.down > 0
            return 500 + 2 * (kind == "fail"), {"error": "down"}, {}
        if kind == "busy":
            return 429, {"error": "busy"}, {"Retry-After": "2"}
        if kind == "wait":
            return 429, {"error": "busy"}, {"Retry-After": "2400"}
        if kind == "refused":
            return 403, {"error": "not yours"}, {}
        if kind == "expire":
            table.generation += 1
        self.troubled = self.troubled or kind == "empty"
        if setting.deletes == "feed":
            return self._events(setting, params, kind)
        return self._page(setting, params, kind)

    def _page(
        self, setting: Setting, params: dict[str, str], kind: str
    ) -> tuple[int, Any, dict[str, str]]:
        table, token = self.tables[setting.name], params.get("token")
        generation, number, given, place = (token or f"{table.generation} 0 0 ").split(" ", 3)
        spent = setting.limit and int(given) >= setting.limit
        if int(generation) != table.generation or spent:
            self.expired.add(setting.name)
            return setting.refusal, {"error": "the token has expired"}, {}
        listing = self._listing(setting, params)
        if setting.tokens.startswith("frozen"):
            if token is None:
                table.snapshots.append(listing)
                place = f"{len(table.snapshots) - 1} 0"
            which, _, place = place.partition(" ")
            listing = table.snapshots[int(which)]
            first, prefix = int(place), f"{which} "
        elif setting.tokens == "offset":
            first, prefix = int(place or 0), ""
        else:
            after = tuple(map(int, place.split())) if place else None
            ahead = [self._sorted(setting, entry) <= after for entry in listing] if after else []
            first, prefix = sum(ahead), ""
        size = int(params["limit"])
        size = {"empty": 0, "short": (size + 1) // 2}.get(kind, size)
        part = listing[first : first + size]
        more = len(listing) > first + len(part)
        if token is not None and setting.end == "404" and first >= len(listing):
            return 404, {"error": "no such page"}, {}
        if setting.tokens in ("id", "cursor"):
            last = self._sorted(setting, part[-1]) if part else after
            place = " ".join(map(str, last)) if last else ""
        else:
            place = f"{prefix}{first + len(part)}"
        following = None
        if more or (setting.end != "null" and part):
            given = str(int(given) + len(part))
            following = f"{table.generation} {int(number) + 1} {given} {place}"
        if setting.tokens == "frozen_ids":
            shown = self.tables[setting.store].shown
            part = [shown[entry.id] for entry in part]
            part = [entry for entry in part if self._listed(setting, entry)]
        return 200, self._body(setting, part, following), {}

    def _body(self, setting: Setting, part: Sequence[Entry], following: Any) -> dict[str, Any]:
        return {
            "data": [setting.row(entry) for entry in part if entry.alive],
            "gone": [setting.row(entry) for entry in part if not entry.alive],
            "lines": [setting.line(entry) for entry in part if entry.alive],
            "next": following,
        }

    def _listed(self, setting: Setting, entry: Entry) -> bool:
        if setting.store != setting.name:
            return not entry.alive
        return entry.alive or setting.deletes in ("rows", "keys")

    def _listing(self, setting: Setting, params: dict[str, str]) -> list[Entry]:
        listing = self.tables[setting.store].shown.values()
        found = [entry for entry in listing if self._listed(setting, entry)]
        for bound in ("since", "until"):
            if setting.form is None or bound not in params:
                continue
            limit = setting.form.read(params[bound]) + (bound == "since" and setting.exclusive)
            found = [
                entry
                for entry in found
                if entry.at is None or (entry.at >= limit) == (bound == "since")
            ]
        return sorted(found, key=lambda entry: self._sorted(setting, entry))

    def _sorted(self, setting: Setting, entry: Entry) -> tuple[int, ...]:
        if setting.order == "desc":
            return tuple(-part for part in entry.place)
        by_cursor = setting.tokens == "cursor" or setting.order == "asc"
        return entry.place if by_cursor else (entry.id,)

    def _events(
        self, setting: Setting, params: dict[str, str], kind: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Changes after a position; without one all records, and the position before them."""
        table = self.tables[setting.name]
        if kind == "forget":
            table.forgotten = len(table.events)
        if "since" not in params:
            token = params.get("token")
            base = int(token.split(" ")[0]) if token else len(table.events)
            inner = {**params, "token": token.split(" ", 1)[1]} if token else params
            status, body, headers = self._page(replace(setting, deletes="none"), inner, kind)
            if status == 200:
                body["next"] = body["next"] and f"{base} {body['next']}"
                body["position"] = base
            return status, body, headers
        after = int(params.get("token") or params["since"])
        if after < table.forgotten:
            self.expired.add(setting.name)
            return 410, {"error": "too long ago"}, {}
        size = {"empty": 1, "short": 1}.get(kind, int(params["limit"]))
        part = table.events[after : after + size]
        place = after + len(part)
        net = list({entry.id: entry for entry in part}.values())
        more = place < len(table.events) or (part and setting.end != "null")
        body = self._body(setting, net, str(place) if more else None)
        return 200, {**body, "position": place}, {}


def response(
    request: requests.PreparedRequest, body: bytes, status: int = 200, **headers: str
) -> requests.Response:
    """A reply of an upstream, its body not read yet."""
    made = requests.Response()
    made.status_code = status
    made.url, made.request = request.url or "", request
    made.headers.update({"Content-Type": "application/json", **headers})
    made.raw = HTTPResponse(io.BytesIO(body), preload_content=False)
    return made


# ---- the connector


def connector(settings: Iterable[Setting], workers: int) -> Source:
    """What a user would declare for these entities; made anew for each call, as a process is."""
    source = Source(
        base_url="https://api.example.com", auth=BearerToken("apiToken"), workers=workers
    )
    for setting in settings:
        _declare(source, setting)
    return source


def _declare(source: Source, setting: Setting) -> None:
    start: Any = None
    if setting.form is not None and setting.window is not None:
        start = setting.form.write(setting.form.floor(int((START - 4 * DAY) * _SECOND)), 0)
    tables = {setting.store: ["id"]} if setting.store != setting.name else {}
    if setting.lines:
        tables[f"{setting.name}_line"] = ["parent", "n"]

    @source.entity(
        setting.name,
        primary_key=setting.key,
        cursor=setting.column if setting.form else None,
        start=start,
        order=setting.order,
        lookback=setting.lookback,
        window=setting.window,
        soft_delete={"soft": True, "may_be_empty": "may_be_empty"}.get(setting.deletes, False),
        page_size=setting.page_size,
        tables=tables,
        **(setting.form.options if setting.form else {}),
    )
    def step(fetch: Fetch) -> Page:
        response = fetch.get(
            f"/{setting.name}",
            params={
                "since": fetch.since if setting.order != "desc" or setting.window else None,
                "until": fetch.until,
                "token": fetch.token,
                "limit": fetch.page_size,
            },
            ok={404}
            if setting.end == "404"
            else {409, 410}
            if setting.deletes == "feed"
            else {409},
        )
        if response.status_code == 404:
            return Page()
        if response.status_code == 409:
            raise TokenExpired("the token has expired")
        if response.status_code == 410:
            raise StartOver("the feed does not go back so far")
        rows: Any = response.rows("data")
        gone: Any = response.rows("gone")
        if setting.touched:
            rows = [dict(row) for row in rows]
        following = response.value("next")
        if setting.store != setting.name:
            return Page((), following, deleted={setting.store: gone})
        more = {f"{setting.name}_line": response.rows("lines")} if setting.lines else None
        if setting.deletes == "feed":
            position = response.value("position")
            return Page(rows, following, deleted=gone, tables=more, cursor=position)
        return Page(rows, following, deleted=gone if len(gone) else (), tables=more)


# ---- the destination


class Destination:
    """Tables as Fivetran keeps them: the last record of each key, and whether it is marked."""

    def __init__(self) -> None:
        self.keyed: dict[str, dict[tuple[str, ...], tuple[Any, bool]]] = {}
        self.keyless: dict[str, Counter[str]] = {}

    def apply(
        self, reply: Mapping[str, Any], order: Sequence[str], *, appends: bool = True
    ) -> None:
        """Take in the parts of a reply, in this order."""
        schema = reply.get("schema", {})
        for part in order:
            if part == "softDelete":
                for name in reply.get(part, ()):
                    rows = self.keyed.setdefault(name, {})
                    self.keyed[name] = {key: (row, True) for key, (row, _) in rows.items()}
                continue
            for name, records in reply.get(part, {}).items():
                columns = schema.get(name, {}).get("primary_key")
                for record in records:
                    if columns is None:
                        assert part == "insert", "deleted without a primary key"
                        self.keyless.setdefault(name, Counter())[canonical(record)] += appends
                        continue
                    rows = self.keyed.setdefault(name, {})
                    key = tuple(str(record[column]) for column in columns)
                    if part == "insert":
                        rows[key] = (record, False)
                    elif key in rows:
                        rows[key] = (rows[key][0], True)

    def alive(self, name: str) -> dict[tuple[str, ...], Any]:
        """Records that are not marked as deleted."""
        return {key: row for key, (row, gone) in self.keyed.get(name, {}).items() if not gone}


def canonical(value: Any) -> str:
    """A record as text, the same for equal ones."""
    return json.dumps(value, sort_keys=True, default=str)


# ---- Fivetran


class Player:
    """Calls as Fivetran does, from the state that the last successful reply carried.

    Args:
        upstream: The transport.
        ids: Whether calls carry a sync id.

    Attributes:
        reports: Error messages so far.
        over: Whether the next call belongs to a new sync.
        took, bytes: Seconds of the last call and length of its reply.
    """

    def __init__(self, upstream: Upstream, *, ids: bool = True) -> None:
        self.upstream = upstream
        self.ids = ids
        self.destination = Destination()
        self.state: dict[str, Any] = {}
        self.reports: list[str] = []
        self.over = True
        self.calls = 0
        self.syncs = 0
        self.empty = 0
        self.schema: Any = None
        self.took = 0.0
        self.bytes = 0

    def give_up(self) -> None:
        """The next call belongs to a new sync."""
        self.over = True

    def call(
        self,
        *,
        fate: str = "",
        order: Sequence[str] = ORDERS[0],
        seconds: float = 150,
        size: int = 2**23,
        workers: int = 1,
    ) -> dict[str, Any]:
        """One call.

        Args:
            fate: "lost": the reply never arrives; "repeated": the call is made twice, and must
                answer the same; "twice": the reply is applied two times.
            order: In which the parts of the reply are applied.
            seconds, size: The budgets.
            workers: Threads.
        """
        if self.over:
            self.over, self.empty = False, 0
            self.syncs += 1
            if not self.ids:
                self.upstream.time.sleep(900)
        asked: dict[str, Any] = {"state": self.state, "secrets": {"apiToken": SECRET}}
        if self.ids:
            asked["sync_id"] = str(UUID(int=self.syncs))
        self.calls += 1
        if fate == "repeated":
            upstream, time = self.upstream, self.upstream.time.time
            kept = copy.deepcopy((upstream.tables, upstream.script))
            first = self._answer(asked, seconds, size, workers)
            upstream.tables, upstream.script = kept
            upstream.time.time = time
        reply = self._answer(asked, seconds, size, workers)
        if fate == "repeated":
            assert reply == first, "the same call was answered in another way"
        self._judge(reply)
        if fate == "lost":
            return reply
        if "errorMessage" in reply:
            self.reports.append(reply["errorMessage"])
            return reply
        self._count(reply)
        self.state = reply["state"]
        self.over = not reply["hasMore"]
        self.destination.apply(reply, order)
        if fate == "twice":
            before = copy.deepcopy(self.destination.keyed)
            self.destination.apply(reply, order, appends=False)
            assert self.destination.keyed == before, "a reply that is applied twice does more"
        return reply

    def sync(self, most: int = 300, **options: Any) -> dict[str, Any]:
        """Calls until a sync ends; an error fails the test."""
        self.give_up()
        for _ in range(most):
            reply = self.call(**options)
            assert "errorMessage" not in reply, reply["errorMessage"]
            if not reply["hasMore"]:
                return reply
        raise AssertionError(f"hasMore did not come to an end in {most} calls")

    def settle(self) -> None:
        """The upstream comes to rest; what was begun ends, and one sync more is made."""
        upstream, time = self.upstream, self.upstream.time
        upstream.script.clear()
        upstream.latency, upstream.patient = 0.25, False
        for table in upstream.tables.values():
            table.down = 0
        time.sleep(3600 + 2 * DAY * any(s.window for s in upstream.settings.values()))
        for _ in range(20):
            self.sync()
            if "_sync" not in self.state:
                break
        else:
            raise AssertionError("20 syncs did not end what was begun")
        time.sleep(3600)
        self.sync()
        assert "_sync" not in self.state, "the last sync is not through"

    def _answer(
        self, asked: Mapping[str, Any], seconds: float, size: int, workers: int
    ) -> dict[str, Any]:
        budgets = {"CONNECTOR_CALL_SECONDS": str(seconds), "CONNECTOR_CALL_BYTES": str(size)}
        random.seed(self.calls)
        with held(self.upstream.time), patch.dict(os.environ, budgets):
            source = connector(self.upstream.settings.values(), workers)
            began = self.upstream.time.time
            status, body = answer(source, json.dumps(asked).encode(), self.upstream.send)
            self.took, self.bytes = self.upstream.time.time - began, len(body)
            for thread in self.upstream.time.threads():
                thread.join()
        checked(status, body)
        reply: dict[str, Any] = json.loads(body)
        return reply

    def _judge(self, reply: Mapping[str, Any]) -> None:
        if "errorMessage" in reply:
            assert reply["state"] == self.state, "an error report moved the state"
            pause = "replies in a row were empty" in reply["errorMessage"]
            assert self.upstream.troubled or pause, reply["errorMessage"]
            return
        assert self.schema in (None, reply.get("schema")), "the schema varies"
        self.schema = reply.get("schema")
        if reply["hasMore"] and not carries(reply):
            assert stripped(reply["state"]) != stripped(self.state), "nothing moved"

    def _count(self, reply: Mapping[str, Any]) -> None:
        self.empty = 0 if carries(reply) else self.empty + 1
        assert self.empty <= 10, "more than ten empty replies in a row"


def carries(reply: Mapping[str, Any]) -> bool:
    """Whether a reply changes anything at the destination."""
    rows = [*reply.get("insert", {}).values(), *reply.get("delete", {}).values()]
    return any(rows) or bool(reply.get("softDelete"))


def stripped(state: Mapping[str, Any]) -> Any:
    """A state without clock stamps and without the count of empty replies.

    How long the upstream wants not to be asked is no stamp: the next call waits for it.
    """

    def bare(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {name: bare(item, name) for name, item in value.items() if name != "empty"}
        if isinstance(value, list):
            return [bare(item) for item in value]
        return 0.0 if isinstance(value, float) and name != "wait_until" else value

    return {**state, "_sync": bare(state.get("_sync"))}


# ---- the comparison


def differences(player: Player) -> list[str]:
    """What the destination has too much, too little or otherwise, after the upstream's rest."""
    found: list[str] = []
    for setting in player.upstream.settings.values():
        if setting.store != setting.name:
            continue
        table = player.upstream.tables[setting.name]
        if setting.keyed:
            found += _keyed(player, setting, table)
        else:
            found += _keyless(player, setting, table)
    return found


def _keyed(player: Player, setting: Setting, table: Table) -> list[str]:
    name = setting.name

    def key(entry: Entry) -> tuple[str, ...]:
        row = setting.row(entry)
        return tuple(str(row[column]) for column in setting.key)

    live = {key(e): setting.row(e) for e in table.entries.values() if e.alive}
    once = {key(e) for e in table.ever}
    there = player.destination.alive(name)
    found = [
        f"{name} {at}: {there.get(at, 'nothing')} instead of {row}"
        for at, row in live.items()
        if there.get(at) != row
    ]
    # Where nobody tells what was deleted, it stays; so it does after a feed forgot it.
    promised = setting.deletes != "none" and not (
        setting.deletes == "feed" and name in player.upstream.expired
    )
    allowed = live.keys() if promised else once
    found += [f"{name} {at}: is still there" for at in there.keys() - allowed]
    if setting.lines:
        lines = player.destination.alive(f"{name}_line")
        for entry in table.entries.values():
            row = lines.get((str(entry.shown_id), "0"))
            if entry.alive and row != setting.line(entry):
                found.append(f"{name}_line of {entry.shown_id}: {row}")
    return found


def _keyless(player: Player, setting: Setting, table: Table) -> list[str]:
    there = player.destination.keyless.get(setting.name, Counter())
    live = Counter(canonical(setting.row(e)) for e in table.entries.values() if e.alive)
    ever = Counter(canonical(setting.row(e)) for e in table.ever if e.alive)
    found = [f"{setting.name}: {row} is lost" for row in live - there]
    # Without an order a walk that starts over appends again what it had read.
    if setting.order == "asc" or setting.name not in player.upstream.expired:
        found += [f"{setting.name}: {row} is doubled" for row in there - ever]
    return found
