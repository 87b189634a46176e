"""Calls a connector for the model's entities, and checks what must hold after each of them."""

import copy
import os
import random
from collections import Counter
from itertools import permutations
from unittest.mock import patch
from uuid import UUID

from connector import BearerToken, Page, Source, TokenExpired

from .model_forms import INSTANTS, SECOND
from .play import Player, encoded

ORDERS = list(permutations(("insert", "delete", "softDelete")))


def connector(upstream):
    """What a user would declare for these entities; made anew for each call, as a process is."""
    source = Source(base_url="https://api.example.com", auth=BearerToken("apiToken"), workers=1)
    for setting in upstream.settings.values():
        declare(source, setting, upstream.began)
    return source


def declare(source, setting, now):
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
    def step(fetch):
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


class Judge:
    """Lets a player call, and fails where Fivetran or a reader of its tables would complain."""

    def __init__(self, upstream, *, ids=True):
        self.upstream, self.ids = upstream, ids  # whether calls carry a sync id
        self.player = Player(connector(upstream), upstream.send)
        self.over = True  # whether the next call belongs to a new sync
        self.first = True  # whether nothing was complete since the state was empty
        self.stuck = False  # whether the last error advises a re-sync
        self.redeployed = False  # whether a declaration was changed
        self.odd = False  # whether it says that a walk gave no cursor that can be read
        self.marked = set()  # tables whose reading is not finished since
        self.calls = self.syncs = self.empty = 0
        self.schema = None
        # What could be seen at the upstream when a sync began with nothing unfinished.
        self.due = {}

    def resync(self):
        """Forget the state; rows that do not come again will be marked when the sync has ended."""
        self.player.state, self.over, self.first, self.stuck = {}, True, True, False
        self.marked.clear()
        self.upstream.waits.clear()
        self.player.tables.clear()

    def call(self, fate="", order=ORDERS[0], seconds=150, size=2**23, gap=900):
        """One call with these budgets, whose reply is "lost" or applied in an order of its parts.

        A call that is "repeated" must answer the same. Without a sync id a new sync begins after
        `gap` seconds.
        """
        upstream = self.upstream
        if self.over:
            self._begin_sync(gap)
        self.stuck = self.odd = False
        self.calls += 1
        first = None
        if fate == "repeated":
            names = ("tables", "script", "waits")
            before = {name: copy.deepcopy(getattr(upstream, name)) for name in names}
            time = upstream.clock.time
            first = self._ask(seconds, size)
            upstream.__dict__.update(before)
            upstream.clock.time = time
        reply = self._ask(seconds, size)
        assert first in (None, reply), "the same call was answered in another way"
        (self._check_error if "errorMessage" in reply else self._check)(reply)
        if fate == "lost":
            upstream.waits.clear()
        elif "errorMessage" not in reply:
            self._apply(reply, order)
        return reply

    def sync(self, most=300):
        """Calls until a sync ends; an error fails the test, unless it is right for what is read."""
        self.over = True
        for _ in range(most):
            reply = self.call()
            assert "errorMessage" not in reply or self.stuck or self.odd, reply["errorMessage"]
            if self.over:
                return
        raise AssertionError(f"hasMore did not come to an end in {most} calls")

    def settle(self):
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
            elif "_sync" not in self.player.state and not self.odd:
                break
        else:
            raise AssertionError("20 syncs did not end what was begun")
        upstream.clock.advance(3600)
        self.sync()
        assert "_sync" not in self.player.state and not self.odd, "the last sync is not finished"
        everything = {name: list(table.entries.values()) for name, table in upstream.tables.items()}
        assert not self._differences(everything)

    def _begin_sync(self, gap):
        self.over, self.empty, upstream = False, 0, self.upstream
        self.syncs += 1
        self.player.sync_id = str(UUID(int=self.syncs)) if self.ids else None
        upstream.clock.advance(0 if self.ids else gap)
        if "_sync" in self.player.state:
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

    def _ask(self, seconds, size):
        upstream, player = self.upstream, self.player
        random.seed(self.calls)
        upstream.committed = {}
        for name, value in player.state.items() if "_sync" not in player.state else ():
            cursor = value.get("cursor") if isinstance(value, dict) else value
            upstream.committed.update({name: str(cursor)} if cursor is not None else {})
        player.source = connector(upstream)
        budgets = {"CONNECTOR_CALL_SECONDS": str(seconds), "CONNECTOR_CALL_BYTES": str(size)}
        with patch.dict(os.environ, budgets):
            reply = player.ask()
        assert not upstream.broken, upstream.broken
        return reply

    def _check(self, reply):
        assert self.schema in (None, reply.get("schema")), "the schema varies"
        self.schema = reply.get("schema")
        for name in reply.get("softDelete", ()):
            setting, table = self.upstream.settings[name], self.upstream.tables[name]
            shown = setting.deletes == "may_be_empty" or table.listed
            assert shown, f"{name} was marked before a record came"
            assert name not in self.marked, f"{name} was marked twice"
        assert "delete" not in reply or self.schema.keys() >= reply["delete"].keys()

    def _check_error(self, reply):
        """An error leaves the state as it was, has a reason, names its entity and its marks."""
        why = reply["errorMessage"]
        assert reply["state"] == self.player.state, "an error report moved the state"
        self.over = True
        self.stuck = "re-sync" in why and (self.redeployed or bool(self.upstream.expired))
        self.odd = "the cursor 'meta.at'" in why
        names = self.upstream.trouble
        well = self.due.keys() - names
        if self.empty == 9 or self.odd or self.stuck:
            names, well = set(self.upstream.settings), set()
        assert any(name in why for name in names), why
        found = self._differences({name: self.due[name] for name in well})
        assert not found, ("an entity's failure stops others", found)
        assert not any(name in why and "marked" not in why for name in self.marked), why

    def _apply(self, reply, order):
        self.player.apply(reply, order)
        self.marked |= set(reply.get("softDelete", ()))
        self.marked &= self.player.state.get("_sync", {}).get("walks", {}).keys()
        carries = any(reply.get(part) for part in ("insert", "delete", "softDelete"))
        self.empty = 0 if carries else self.empty + 1
        assert self.empty <= 10, "more than ten empty replies in a row"
        if reply["hasMore"]:
            return
        # What could be seen when a complete sync began is there, unless it changed since.
        self.over = True
        paused = "_sync" in self.player.state
        assert not paused or self.empty == 9 or self.upstream.trouble, "a pause without a reason"
        if not paused or not self.first:
            found = self._differences(self.due)
            assert not found, (f"the sync ends incomplete (paused: {paused})", found)
            self.first &= paused

    def _differences(self, due):
        """How the tables differ from what the upstream has, where it did not change since."""
        found = []
        for name, entries in due.items():
            setting, table = self.upstream.settings[name], self.upstream.tables[name]
            still = [entry for entry in entries if table.entries[entry.id] == entry]
            there = self.player.tables.get(name, {})
            if not setting.keyed:
                rows = Counter(map(encoded, there.values()))
                found += [f"{name}: {row!r} is lost" for row in count(setting, still) - rows]
                ever = count(setting, table.events)
                found += [f"{name}: {row!r} is doubled" for row in rows - ever]
                continue
            for entry in still:
                row, expected = there.get((entry.shown,)), setting.row(entry)
                # Where the entity declares no deletions, nobody tells of one.
                if entry.alive and row != expected:
                    found.append(f"{name}: {row} instead of {expected}")
                if not entry.alive and row is not None and setting.deletes != "none":
                    found.append(f"{name}: {row} is still there")
        return found


def count(setting, entries):
    """The live records, as bytes."""
    return Counter(encoded(setting.row(entry)) for entry in entries if entry.alive)
