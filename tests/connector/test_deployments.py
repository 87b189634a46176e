"""A declaration that changes while a walk is unfinished: what starts over, and what goes on."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from connector import Source
from connector.testing import HeldClock, Reply

from .play import Player
from .scripted import Asked, Listing, Upstream, iso, reading, script, source

pytestmark = pytest.mark.usefixtures("clock", "page_by_page")

COMMITTED = {"thing": iso(-7200)}
FORM = "%Y-%m-%dT%H:%M:%SZ"


def row(number: int) -> dict[str, Any]:
    at = iso(-3000 + number)
    return {"id": number, "n": number, "at": at, "created": at}


def two_pages() -> Upstream:
    """Two pages of two records; the state keeps the second page's token after one call."""
    return script({None: ([row(0), row(1)], "b"), "b": [row(2), row(3)]})


def thing(base_url: str = "https://api.example.com", **options: Any) -> Source:
    made = source(base_url=base_url)
    reading(made, **{"primary_key": ["id"], "cursor": "at", **options})
    return made


# What a walk began with, changed; and `since` of the walk that begins anew.
CHANGES: dict[str, tuple[dict[str, Any], str | None]] = {
    "cursor": ({"cursor": "created"}, None),
    "no cursor": ({"cursor": None}, None),
    "cursor_type": ({"cursor_type": FORM}, None),
    "timezone": ({"timezone": "Europe/Berlin"}, iso(-7500)),
    "window": ({"window": timedelta(days=1), "start": iso(-9000)}, iso(-7500)),
    "order": ({"order": "asc"}, iso(-7500)),
    "primary_key": ({"primary_key": ["id", "n"]}, iso(-7500)),
    "soft_delete": ({"soft_delete": True, "cursor": None}, None),
    "tables": ({"tables": {"line": ["id"]}}, iso(-7500)),
    "base_url": ({"base_url": "https://other.example.com"}, iso(-7500)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_declaration_starts_the_walk_over(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """From what is committed; from the beginning where that is another column's value."""
    changed, since = CHANGES[name]
    upstream = two_pages()
    player = Player(thing(), upstream, state=COMMITTED)
    player.sync(calls=1)
    player.source = thing(**changed)
    sync = player.go_on()
    assert sync.error == ""
    assert (upstream.each("token")[1], upstream.each("since")[1]) == (None, since)
    assert "event=start_over" in caplog.text and "declaration was changed" in caplog.text
    assert set(player.alive()) >= ({0, 1, 2, 3} if name != "primary_key" else {(0, 0), (3, 3)})


@pytest.mark.parametrize(
    "name", [*sorted(CHANGES.keys() - {"primary_key", "soft_delete"}), "payload"]
)
@pytest.mark.parametrize("delivered", [True, False])
def test_without_a_key_it_is_an_error_once_records_were_delivered(
    name: str, delivered: bool, clock: HeldClock
) -> None:
    """Where the first page was empty, the walk starts over as any other."""

    def answers(asked: Asked) -> Any:
        clock.advance(80)  # so that a call reads one page, also where it is empty
        second = "token" in asked.params
        return {"data": [row(0)] if delivered else [], "next": None if second else "b"}

    upstream = Upstream(answers)
    url = "https://{region}.example.com" if name == "payload" else "https://api.example.com"
    made = thing(url, primary_key=[])
    state = COMMITTED if delivered else {}
    player = Player(made, upstream, state=state, customPayload={"region": "eu"})
    player.sync(calls=1)
    if name == "payload":
        player.request["customPayload"] = {"region": "us"}
    else:
        player.source = thing(**{"primary_key": [], **CHANGES[name][0]})
    sync = player.go_on(calls=1)
    if delivered:
        for text in ("declaration was changed", "re-sync", "primary_key"):
            assert text in sync.error
        assert len(upstream.asked) == 1
    else:
        assert (sync.error, upstream.each("token")) == ("", [None, None])


@pytest.mark.parametrize("committed", [{}, COMMITTED], ids=["by this walk", "before it"])
def test_a_column_that_changes_is_an_error_even_where_all_is_committed(
    committed: dict[str, Any], clock: HeldClock
) -> None:
    """From the beginning, all records would be appended once more."""
    wait = Reply(json={}, status=429, headers={"Retry-After": "900"})
    upstream = Upstream(lambda asked: wait) if committed else two_pages()
    player = Player(thing(primary_key=[], order="asc"), upstream, state=committed)
    player.sync(calls=1)
    clock.advance(901)
    player.source = thing(primary_key=[], order="asc", cursor="created")
    assert "re-sync" in player.go_on().error


@pytest.mark.parametrize("state", [{}, COMMITTED])
def test_whatever_else_changes_a_healthy_walk_goes_on(state: dict[str, Any]) -> None:
    """Page 2 of pages of 100 is not page 2 of pages of 7, and `start` may be computed with each
    cold start: a reading of days must not begin anew for it."""
    upstream = Upstream(Listing([row(i) for i in range(12)], size=1))
    player = Player(thing(start=iso(-86400)), upstream, state=state)
    for day in range(12):
        player.sync(calls=1)
        hours = timedelta(hours=day % 3)
        player.source = thing(start=iso(-86400 + 60 * day), page_size=day + 1, lookback=hours)
    assert (len(upstream.asked), player.state) == (12, {"thing": row(11)["at"]})
    assert len(set(upstream.each("limit"))) == 1


# ---- page_size and start are healed after a failure


def choosy(wrong: Callable[[Asked], bool]) -> Upstream:
    """Pages of one record; on the second page some requests get a 502."""

    def answers(asked: Asked) -> Any:
        page = int(asked.params.get("token", 0))
        if page and wrong(asked):
            return Reply(json={"error": "too many records"}, status=502)
        return {"data": [row(page)], "next": page + 1 if page < 3 else None}

    return Upstream(answers)


BY_SIZE = ({"page_size": 100}, {"page_size": 10}, lambda asked: int(asked.params["limit"]) > 10)
BY_START = (
    {"start": iso(-9000)},
    {"start": iso(-8000)},
    lambda asked: asked.params["since"] < iso(-8000),
)


@pytest.mark.parametrize(("before", "after", "wrong"), [BY_SIZE, BY_START])
def test_a_changed_page_size_or_start_starts_a_failed_walk_over(
    before: dict[str, Any], after: dict[str, Any], wrong: Callable[[Asked], bool]
) -> None:
    """The failure leaves in a successful reply first, since an error report moves no state."""
    upstream = choosy(wrong)
    player = Player(thing(**before), upstream)
    assert "502" in player.sync().error
    player.source = thing(**after)
    sync = player.sync()
    assert (sync.error, sorted(player.alive())) == ("", [0, 1, 2, 3])
    assert sync.replies[0]["hasMore"] and not sync.replies[0]["insert"]
    assert player.state == {"thing": row(3)["at"]}


def test_a_walk_is_healed_once_in_a_sync() -> None:
    """A `start` that is computed with each call heals once; then the error is shown."""
    calls = iter(range(10**6))
    upstream = choosy(lambda asked: True)
    upstream.most = 200

    class Computed(Player):
        def call(self) -> dict[str, Any]:
            self.source = thing(start=iso(-9000 + next(calls)))
            return super().call()

    player = Computed(thing(), upstream)
    for number in range(1, 4):
        assert "502" in player.sync().error
        assert upstream.each("token").count(None) == 1 + number


def test_without_a_key_a_changed_page_size_advises_a_resync() -> None:
    before, after, wrong = BY_SIZE
    upstream = choosy(wrong)
    player = Player(thing(primary_key=[], **before), upstream)
    player.sync()
    player.source = thing(primary_key=[], **after)
    for _ in range(2):
        sync = player.sync()
        for text in ("502", "page_size= or start= was changed", "re-sync"):
            assert text in sync.error
        assert sync.ids() == []
    player.source = thing(primary_key=[], **before)
    upstream.answers = choosy(lambda asked: False).answers
    assert (player.sync().ids(), player.state["thing"]["cursor"]) == ([1, 2, 3], row(3)["at"])


# ---- entities that come and go
