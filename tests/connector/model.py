"""An upstream in memory whose records change while they are read, behind the transport."""

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import requests
from connector import testing

from .model_forms import DAY, SECOND, Form

START = 1_600_000_000.0  # a Sunday in September: no zone of these tests changes its offset near it
MOST_REQUESTS = 20_000  # of one schedule
_FIRST = -(2**80)  # where records without a cursor stand


class Setting(msgspec.Struct, repr_omit_defaults=True):
    """One entity: how it is declared, and how the upstream serves it."""

    name: str
    form: Form | None = None  # how cursors are written; None: there is no cursor
    ages: Sequence[float] = ()  # seconds before the start when the first records changed last
    order: Any = None
    window: timedelta | None = None
    lookback: timedelta | None = None
    start: float | None = None  # seconds before the test begins
    page_size: int = 2
    keyed: bool = True
    # "none"; "rows" or "keys": tombstones in the list, with a cursor or without; "soft" or
    # "may_be_empty".
    deletes: str = "none"
    # "id" or "cursor": the key of the last record, over live records; "frozen_ids": a list made at
    # the first page, live records; "frozen_rows": records as of the first page; "offset".
    tokens: str = "id"
    end: str = "null"  # or "empty" (one more page), "404" (the same, refused)
    refusal: int = 410  # status of a token that has expired; 409: the step raises TokenExpired
    lag: float = 0.0  # seconds after which every other change can be seen
    exclusive: bool = False  # whether `since` is
    coarse: int = 1  # `since` is rounded down to a multiple of this; a large number ignores it
    limit: int = 0  # how many records a search gives out before it refuses tokens; 0: all

    def row(self, entry):
        """A record as the upstream shows it."""
        if self.deletes == "keys" and not entry.alive:
            return {"id": entry.shown}
        row = {"id": entry.shown, "v": entry.version, "text": 'é "½"\n'}
        return row if self.form is None else {**row, "meta": {"at": entry.value}}

    def lists(self, entry):
        """Whether a record is listed, or its tombstone."""
        return entry.alive or self.deletes in ("rows", "keys")

    def place(self, entry):
        """Where a record stands in the list."""
        if self.order is None and self.tokens != "cursor":
            return (0, entry.id)
        sign = -1 if self.order == "desc" else 1
        return (_FIRST if entry.rank is None else sign * entry.rank, sign * entry.id)


@dataclass(frozen=True)
class Entry:
    """A version of a record, written at a time; `rank` is None where it has no cursor."""

    id: int
    shown: int  # the id that the row has: twins share it
    version: int
    at: int
    rank: int | None
    value: Any
    alive: bool = True


@dataclass
class Table:
    """What the upstream has of an entity: the records, what can be seen of them, what happened."""

    entries: dict[int, Entry] = field(default_factory=dict)
    shown: dict[int, Entry] = field(default_factory=dict)
    pending: list[tuple[float, Entry]] = field(default_factory=list)
    events: list[Entry] = field(default_factory=list)
    snapshots: list[list[Entry]] = field(default_factory=list)
    generation: int = 0  # of tokens
    down: int = 0  # requests that will fail
    listed: int = 0  # records listed in this sync


class Upstream:
    """Serves entities from memory; a script says what happens during each request.

    Its clock is `skew` seconds ahead of ours, and a request takes `latency` seconds. Responses
    carry a `Date` ("true"), an old one with `Age` ("cached") or none ("").
    """

    def __init__(self, clock, settings, *, skew=0, date="", latency=1.0):
        self.clock, self.skew, self.date, self.latency = clock, skew, date, latency
        self.began, self.requests = clock.time, 0
        self.settings = {setting.name: setting for setting in settings}
        self.script = deque()  # for each request to come
        self.trouble = set()  # entities that were refused, failed or had to wait
        self.expired = set()  # entities whose tokens were refused
        self.committed = {}  # what `since` of a new walk may not be later than
        self.waits = {}  # until when entities do not want to be asked
        self.broken = []  # rules that requests broke
        self.tables = {name: Table() for name in self.settings}
        for setting in self.settings.values():
            for age in sorted(setting.ages, reverse=True):
                self._put(setting, self._new_id(setting), age=age)
        for table in self.tables.values():
            table.shown, table.pending = dict(table.entries), []

    def change(self, kind, index, number):
        """Change a record of an entity; or nothing, where it cannot.

        A sweep updates all of them, one after the other. Twins are two records that are alike.
        """
        setting = list(self.settings.values())[index % len(self.settings)]
        table = self.tables[setting.name]
        alive = [entry for entry in table.entries.values() if entry.alive]
        deleted = [entry for entry in table.entries.values() if not entry.alive]
        if kind == "insert":
            self._put(setting, self._new_id(setting))
        elif kind == "odd" and setting.form and not setting.limit:
            self._put(setting, self._new_id(setting), odd=number)
        elif kind == "future" and setting.form and setting.form.step and not setting.window:
            self._put(setting, self._new_id(setting), age=-70 * 365 * DAY)
        elif kind == "twins" and not setting.keyed:
            first = self._put(setting, self._new_id(setting))
            self._show(setting, replace(first, id=self._new_id(setting)))
        elif kind == "sweep":
            for entry in sorted(alive, key=lambda entry: entry.id):
                self.clock.advance(1)
                self._put(setting, entry.id)
        elif kind == "update" and alive:
            self._put(setting, alive[number % len(alive)].id)
        elif kind == "delete" and len(alive) > (setting.deletes == "soft"):
            if setting.tokens != "offset":  # where neighbours of what is deleted would be lost
                self._put(setting, alive[number % len(alive)].id, alive=False)
        elif kind == "restore" and deleted:
            self._put(setting, deleted[number % len(deleted)].id)

    def drift(self, seconds):
        """Our clock goes back, as another process has another one; the upstream's does not."""
        if self.date == "true" or self.skew + seconds >= 0:
            self.clock.time -= seconds
            self.skew += seconds

    def look(self):
        """What was changed long enough ago can be seen from now on."""
        now = self.clock.now()
        for table in self.tables.values():
            for due, entry in table.pending:
                known = table.shown.get(entry.id, entry)
                if due <= now and known.version <= entry.version:
                    table.shown[entry.id] = entry
            table.pending = [item for item in table.pending if item[0] > now]

    def _new_id(self, setting):
        number = len(self.tables[setting.name].entries)
        return number if setting.tokens == "offset" else (number * 37) % 1009

    def _put(self, setting, id, age=0, alive=True, odd=None):
        table, form = self.tables[setting.name], setting.form
        before = table.entries.get(id)
        version = before.version + 1 if before else 0
        at = round((self.clock.now() + self.skew - age) * SECOND)
        rank, value = None, None
        if form is not None and odd is not None:
            value = form.odd[odd % len(form.odd)]
        elif form is not None:
            if setting.limit:  # such a search is of use only where few records share a cursor
                near = [entry.at for entry in table.events if entry.at < at + DAY * SECOND]
                at = max([at, *(other + 2 * SECOND for other in near)])
            value = form.write(at if form.step else len(table.events) + 1, id + version)
            rank = form.rank(str(value))
        entry = Entry(id, before.shown if before else id, version, at, rank, value, alive)
        self._show(setting, entry)
        return entry

    def _show(self, setting, entry):
        table = self.tables[setting.name]
        table.entries[entry.id] = entry
        table.events.append(entry)
        lag = setting.lag * ((entry.id + entry.version) % 2)
        table.pending.append((self.clock.now() + lag, entry))

    def send(self, request, seconds):
        """Answer a request."""
        self.requests += 1
        if self.requests > MOST_REQUESTS:
            self.broken.append("the requests do not come to an end")
            raise RuntimeError("too many requests")
        parts = urlsplit(request.url or "")
        setting = self.settings[parts.path.strip("/")]
        kind, index, number = self.script.popleft() if self.script else ("", 0, 0)
        began = self.clock.time
        self.clock.advance(self.latency / 2)
        self.change(kind, index, number)
        self.look()
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        status, body, headers = self._serve(setting, params, kind)
        self.clock.advance(self.latency / 2 + number * (kind == "slow"))
        late = self.clock.time - began >= seconds
        if status == 429:  # such a limit is the host's
            self.trouble |= self.settings.keys()
        if late or kind == "reset" or status not in (200, 404 if setting.end == "404" else 200):
            self.trouble.add(setting.name)
        if late or kind == "reset":
            raise requests.ReadTimeout() if late else requests.ConnectionError()
        if headers.get("Retry-After") == "2400":
            self.waits[setting.name] = self.clock.time + 2400
        now = self.clock.now() + self.skew
        if self.date == "true":
            headers["Date"] = formatdate(now // 1, usegmt=True)
        elif self.date == "cached":
            headers.update({"Date": formatdate(now - 7200, usegmt=True), "Age": "7200"})
        return testing._response(testing.Reply(body, None, status, headers), request)

    def _serve(self, setting, params, kind):
        table = self.tables[setting.name]
        if self.clock.time < self.waits.get(setting.name, 0.0):
            self.broken.append(f"{setting.name} was asked before its wait was over")
        self._check_bounds(setting, params)
        table.down += {"down": 5, "broken": 1000}.get(kind, 0)
        if kind == "fail" or table.down:
            table.down -= table.down > 0
            return 500 + 2 * (kind == "fail"), {"error": "down"}, {}
        if kind in ("busy", "wait"):
            return 429, {"error": "busy"}, {"Retry-After": "2" if kind == "busy" else "2400"}
        if kind in ("quota", "refused"):
            return 429 if kind == "quota" else 403, {"error": "not now"}, {}
        table.generation += kind == "expire"
        return self._page(setting, params, kind)

    def _check_bounds(self, setting, params):
        if setting.form is None or "since" not in params:
            return
        rank, since = setting.form.rank, params["since"]
        committed = self.committed.pop(setting.name, None)
        if committed is not None and rank(since) > rank(committed):
            self.broken.append(f"since {since} is later than {committed}")
        if "until" in params and rank(since) >= rank(params["until"]):
            self.broken.append(f"the slice from {since} ends at {params['until']}")

    def _page(self, setting, params, kind):
        table, size = self.tables[setting.name], int(params["limit"])
        bounds = [params.get(name) for name in ("since", "until", "limit")]
        token = params.get("token")
        generation, listed, place, begun = table.generation, 0, None, bounds
        if token:
            generation, listed, place, begun = json.loads(token)
        if generation != table.generation or (setting.limit and listed >= setting.limit):
            self.expired.add(setting.name)
            return setting.refusal, {"error": "the token has expired"}, {}
        if begun != bounds:
            self.broken.append(f"{bounds} in the middle of a slice that began with {begun}")
        listing, which, first = self._listing(setting, params), 0, 0
        if setting.tokens.startswith("frozen"):
            if place is None:
                table.snapshots.append(listing)
            which, first = place or (len(table.snapshots) - 1, 0)
            listing = table.snapshots[which]
        elif setting.tokens == "offset":
            which, first = place or (0, 0)
        elif place:
            first = sum(list(setting.place(entry)) <= place for entry in listing)
        if token and setting.end == "404" and first >= len(listing):
            return 404, {"error": "no such page"}, {}
        # Without a key two pages that are alike are an error, and twins would make them.
        short = (size + 1) // 2 if setting.keyed else size
        size = {"empty": 0, "short": short}.get(kind, size)
        part = listing[first : first + size]
        if setting.tokens not in ("id", "cursor"):
            place = [which, first + len(part)]
        elif part:
            place = list(setting.place(part[-1]))
        following = None
        if len(listing) > first + len(part) or (part and setting.end in ("empty", "404")):
            following = json.dumps([table.generation, listed + len(part), place, bounds])
        if setting.tokens == "frozen_ids":
            shown = table.shown
            part = [shown[entry.id] for entry in part if setting.lists(shown[entry.id])]
        table.listed += len(part)
        rows = [setting.row(entry) for entry in part if entry.alive]
        deleted = [setting.row(entry) for entry in part if not entry.alive]
        return 200, {"data": rows, "deleted": deleted, "next": following}, {}

    def _listing(self, setting, params):
        shown = self.tables[setting.name].shown.values()
        found = [entry for entry in shown if setting.lists(entry)]
        if setting.form is not None and "since" in params:
            low = setting.form.rank(params["since"]) // setting.coarse * setting.coarse
            low += setting.exclusive
            found = [entry for entry in found if entry.rank is None or entry.rank >= low]
        if setting.form is not None and "until" in params:
            end = setting.form.rank(params["until"])
            found = [entry for entry in found if entry.rank is None or entry.rank < end]
        return sorted(found, key=setting.place)
