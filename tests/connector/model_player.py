"""A connector for the model's entities, a player that calls it as Fivetran does, what must hold."""

import copy
import json
import os
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any
from unittest.mock import patch
from uuid import UUID

from connector import BearerToken, Fetch, Page, Source, TokenExpired
from connector.sync.handler import handle

from .model import Entry, Setting, Upstream
from .model_forms import INSTANTS, SECOND
from .play import checked

ORDERS = list(permutations(("insert", "delete", "softDelete")))


def connector(upstream: Upstream) -> Source:
    """What a user would declare for these entities; made anew for each call, as a process is."""
    source = Source(base_url="https://api.example.com", auth=BearerToken("apiToken"), workers=1)
    for setting in upstream.settings.values():
        _declare(source, setting, upstream.began)
    return source


def _declare(source: Source, setting: Setting, now: float) -> None:
    start, form = None, setting.form
    if form is not None and setting.start is not None:
        at = round((now - setting.start) * SECOND)
        is_number = form.options.get("cursor_type", "").startswith("epoch")
        start = (INSTANTS[0] if is_number else form).write(at, 0)
    ok = {404} if setting.end == "404" else {409}

    @source.entity(
        setting.name,
        primary_key=["id"] if setting.keyed else [],
        cursor="meta.at" if form else None,
        start=start,
        order=setting.order,
        lookback=setting.lookback,
        window=setting.window,
        soft_delete={"soft": True, "may_be_empty": "may_be_empty"}.get(setting.deletes, False),
        page_size=setting.page_size,
        **(form.options if form else {}),
    )
    def step(fetch: Fetch) -> Page:
        params = {"until": fetch.until, "token": fetch.token, "limit": fetch.page_size}
        if setting.order != "desc" or setting.window:
            params["since"] = fetch.since
        response = fetch.get(f"/{setting.name}", params=params, ok=ok)
        if response.status_code == 404:
            return Page(())
        if response.status_code == 409:
            raise TokenExpired("the token has expired")
        removed = response.rows("deleted")
        deleted = removed if len(removed) else ()
        return Page(response.rows("data"), response.value("next"), deleted=deleted)


class Destination:
    """Tables as Fivetran keeps them: the last record of each key, and whether it is marked."""

    def __init__(self) -> None:
        self.keyed: dict[str, dict[tuple[str, ...], tuple[Any, bool]]] = {}
        self.keyless: dict[str, Counter[str]] = {}
        self.unseen: dict[str, set[tuple[str, ...]]] = {}  # during a re-sync

    def apply(self, reply: Mapping[str, Any], order: Sequence[str]) -> None:
        """Take in the parts of a reply, in this order."""
        for part in order:
            if part == "softDelete":
                for name in reply.get(part, ()):
                    rows = self.keyed.setdefault(name, {})
                    rows.update({key: (row, True) for key, (row, _) in rows.items()})
                continue
            for name, records in reply.get(part, {}).items():
                columns = reply.get("schema", {}).get(name, {}).get("primary_key")
                if columns is None:
                    assert part == "insert", "deleted without a primary key"
                    there = self.keyless.setdefault(name, Counter())
                    there.update(canonical(record) for record in records)
                    continue
                rows = self.keyed.setdefault(name, {})
                for record in records:
                    key = tuple(str(record[column]) for column in columns)
                    self.unseen.get(name, set()).discard(key)
                    if part == "insert" or key in rows:
                        rows[key] = (record, False) if part == "insert" else (rows[key][0], True)

    def begin_resync(self) -> None:
        """What does not come again is marked in the end; appended rows count from now on."""
        self.unseen = {name: set(rows) for name, rows in self.keyed.items()}
        self.keyless.clear()

    def end_resync(self) -> None:
        """The sync is complete."""
        for name, keys in self.unseen.items():
            self.keyed[name].update({key: (self.keyed[name][key][0], True) for key in keys})
        self.unseen = {}

    def alive(self, name: str) -> dict[tuple[str, ...], Any]:
        """Records that are not marked as deleted."""
        return {key: row for key, (row, marked) in self.keyed.get(name, {}).items() if not marked}


class Player:
    """Calls as Fivetran does, from the state that the last successful reply carried.

    Args:
        upstream: The transport.
        ids: Whether calls carry a sync id.
    """

    def __init__(self, upstream: Upstream, *, ids: bool = True) -> None:
        self.upstream, self.ids = upstream, ids
        self.destination = Destination()
        self.state: dict[str, Any] = {}
        self.over = True  # whether the next call belongs to a new sync
        self.first = True  # whether nothing was complete since the state was empty
        self.stuck = False  # whether the last error advises a re-sync
        self.redeployed = False  # whether a declaration was changed
        self.odd = False  # whether it says that a walk gave no cursor that can be read
        self.marked: set[str] = set()  # tables whose reading is not finished since
        self.calls = self.syncs = self.empty = 0
        self.schema: Any = None
        # What could be seen at the upstream when a sync began with nothing unfinished.
        self.due: dict[str, list[Entry]] = {}

    def resync(self) -> None:
        """Forget the state, as the button in Fivetran's dashboard does."""
        self.state, self.over, self.first, self.stuck = {}, True, True, False
        self.marked.clear()
        self.upstream.waits.clear()
        self.destination.begin_resync()

    def call(
        self,
        fate: str = "",
        order: Sequence[str] = ORDERS[0],
        seconds: float = 150,
        size: int = 2**23,
        gap: float = 900,
    ) -> dict[str, Any]:
        """One call.

        Args:
            fate: "lost": the reply never arrives; "repeated": the call is made twice, and must
                answer the same.
            order: In which the parts of the reply are applied.
            seconds, size: The budgets.
            gap: Seconds before a new sync where calls carry no sync id.
        """
        upstream = self.upstream
        if self.over:
            self._begin_sync(gap)
        self.stuck = self.odd = False
        asked: dict[str, Any] = {"state": self.state, "secrets": {"apiToken": "made-up-token-1"}}
        if self.ids:
            asked["sync_id"] = str(UUID(int=self.syncs))
        self.calls += 1
        first = None
        if fate == "repeated":
            names = ("tables", "script", "waits")
            before = {name: copy.deepcopy(getattr(upstream, name)) for name in names}
            time = upstream.clock.time
            first = self._answer(asked, seconds, size)
            upstream.__dict__.update(before)
            upstream.clock.time = time
        reply = self._answer(asked, seconds, size)
        assert first in (None, reply), "the same call was answered in another way"
        if "errorMessage" in reply:
            self._judge_error(reply)
        else:
            self._judge(reply)
        if fate == "lost":
            upstream.waits.clear()
        if fate == "lost" or self.over:
            return reply
        self.state = reply["state"]
        self.marked |= set(reply.get("softDelete", ()))
        self.marked &= self.state.get("_sync", {}).get("walks", {}).keys()
        self.destination.apply(reply, order)
        carries = any(reply.get(part) for part in ("insert", "delete", "softDelete"))
        self.empty = 0 if carries else self.empty + 1
        assert self.empty <= 10, "more than ten empty replies in a row"
        if not reply["hasMore"]:
            self.over = True
            self._end_sync()
        return reply

    def sync(self, most: int = 300) -> None:
        """Calls until a sync ends; an error fails the test, unless it is right for what is read."""
        self.over = True
        for _ in range(most):
            reply = self.call()
            assert "errorMessage" not in reply or self.stuck or self.odd, reply["errorMessage"]
            if self.over:
                return
        raise AssertionError(f"hasMore did not come to an end in {most} calls")

    def settle(self) -> None:
        """The upstream comes to rest; what was begun ends, and one sync more is made."""
        upstream = self.upstream
        upstream.script.clear()
        upstream.latency = 0.25
        for index, setting in enumerate(upstream.settings.values()):
            upstream.tables[setting.name].down = 0
            # Slices end at our time: no record of the future is in them.
            setting.window = None if self.redeployed else setting.window
            if setting.form:  # so that walks from now on read a good cursor
                upstream.change("insert", index, 0)
        upstream.clock.advance(30 * 3600)
        upstream.trouble.clear()
        for _ in range(20):
            self.sync()
            if self.stuck:
                self.resync()
            elif "_sync" not in self.state and not self.odd:
                break
        else:
            raise AssertionError("20 syncs did not end what was begun")
        upstream.clock.advance(3600)
        self.sync()
        assert "_sync" not in self.state and not self.odd, "the last sync is not finished"
        assert not differences(self)

    def _begin_sync(self, gap: float) -> None:
        self.over, self.empty, upstream = False, 0, self.upstream
        self.syncs += 1
        upstream.clock.advance(0 if self.ids else gap)
        if "_sync" in self.state:
            return
        upstream.look()
        # Slices, and walks in order, end at their start, by the later clock that is known.
        skew = max(0, upstream.skew) if upstream.date == "true" else 0
        now = (upstream.clock.now() + skew) * SECOND
        for name, table in upstream.tables.items():
            setting = upstream.settings[name]
            ends = setting.window or setting.order
            self.due[name] = [e for e in table.shown.values() if not ends or e.at <= now]
            table.listed = 0

    def _end_sync(self) -> None:
        """What could be seen when a complete sync began is there, unless it changed since."""
        paused = "_sync" in self.state
        assert not paused or self.empty == 9 or self.upstream.trouble, "a pause without a reason"
        if paused and not self.first:
            return
        self.destination.end_resync()
        found = differences(self, self.due)
        assert not found, (f"the sync ends incomplete (paused: {paused})", found)
        if not paused:
            self.first = False

    def _answer(self, asked: Mapping[str, Any], seconds: float, size: int) -> dict[str, Any]:
        budgets = {"CONNECTOR_CALL_SECONDS": str(seconds), "CONNECTOR_CALL_BYTES": str(size)}
        upstream = self.upstream
        random.seed(self.calls)
        upstream.committed = {}
        for name, value in self.state.items() if "_sync" not in self.state else ():
            cursor = value.get("cursor") if isinstance(value, dict) else value
            upstream.committed.update({name: str(cursor)} if cursor is not None else {})
        with patch.dict(os.environ, budgets):
            body = json.dumps(asked).encode()
            status, body = handle(connector(upstream), body, upstream.send)
        checked(status, body)
        assert not upstream.broken, upstream.broken
        reply: dict[str, Any] = json.loads(body)
        return reply

    def _judge(self, reply: Mapping[str, Any]) -> None:
        assert self.schema in (None, reply.get("schema")), "the schema varies"
        self.schema = reply.get("schema")
        for name in reply.get("softDelete", ()):
            setting, table = self.upstream.settings[name], self.upstream.tables[name]
            shown = setting.deletes == "may_be_empty" or table.listed
            assert shown, f"{name} was marked before a record came"
            assert name not in self.marked, f"{name} was marked twice"

    def _judge_error(self, reply: Mapping[str, Any]) -> None:
        """An error leaves the state as it was, has a reason, names its entity and its marks."""
        why = reply["errorMessage"]
        assert reply["state"] == self.state, "an error report moved the state"
        self.over = True
        self.stuck = "re-sync" in why and (self.redeployed or bool(self.upstream.expired))
        self.odd = "the cursor 'meta.at'" in why
        names = self.upstream.trouble
        well: set[str] = self.due.keys() - names
        if self.empty == 9 or self.odd or self.stuck:
            names, well = set(self.upstream.settings), set()
        assert any(name in why for name in names), why
        found = differences(self, {name: self.due[name] for name in well})
        assert not found, ("an entity's failure stops others", found)
        assert not any(name in why and "marked" not in why for name in self.marked), why


def canonical(value: Any) -> str:
    """A record as text, the same for equal ones."""
    return json.dumps(value, sort_keys=True)


def differences(player: Player, due: Mapping[str, Sequence[Entry]] | None = None) -> list[str]:
    """How the destination differs from what the upstream has.

    Args:
        player: After a sync.
        due: What to look at, where it did not change since; None: everything.
    """
    found: list[str] = []
    for name, setting in player.upstream.settings.items():
        table = player.upstream.tables[name]
        entries = table.entries.values() if due is None else due.get(name, ())
        still = [entry for entry in entries if table.entries[entry.id] == entry]
        found += (_keyed if setting.keyed else _keyless)(player, setting, still)
    return found


def _keyed(player: Player, setting: Setting, entries: Sequence[Entry]) -> list[str]:
    name, found = setting.name, []
    there = player.destination.alive(name)
    for entry in entries:
        row = there.get((str(entry.shown),))
        if not entry.alive:
            if row is not None and setting.deletes != "none":  # else nobody tells
                found.append(f"{name}: {row} is still there")
        elif row != setting.row(entry):
            found.append(f"{name}: {row} instead of {setting.row(entry)}")
    return found


def _keyless(player: Player, setting: Setting, entries: Sequence[Entry]) -> list[str]:
    there = player.destination.keyless.get(setting.name, Counter())
    live = Counter(canonical(setting.row(entry)) for entry in entries if entry.alive)
    events = player.upstream.tables[setting.name].events
    ever = Counter(canonical(setting.row(entry)) for entry in events if entry.alive)
    found = [f"{setting.name}: {row} is lost" for row in (live - there)]
    return [*found, *(f"{setting.name}: {row} is doubled" for row in (there - ever))]
