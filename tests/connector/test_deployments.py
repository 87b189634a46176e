"""A declaration that changes while a walk is unfinished: what starts over, and what goes on."""

from datetime import timedelta

import pytest
from connector.testing import Reply

from .play import Player
from .scripted import Listing, Upstream, iso, paged, reading, source

pytestmark = pytest.mark.usefixtures("clock", "page_by_page")

COMMITTED = {"thing": iso(-7200)}


def row(number):
    at = iso(-3000 + number)
    return {"id": number, "n": number, "at": at, "created": at}


def four():
    """Two pages of two records; the state keeps the second page's token after one call."""
    return paged(lambda page: [row(2 * page), row(2 * page + 1)], 2)


def thing(base_url="https://api.example.com", **options):
    made = source(base_url=base_url)
    reading(made, **{"primary_key": ["id"], "cursor": "at", **options})
    return made


# What a walk began with, changed; and `since` of the walk that begins anew.
CHANGES = {
    "cursor": ({"cursor": "created"}, None),
    "no cursor": ({"cursor": None}, None),
    "cursor_type": ({"cursor_type": "%Y-%m-%dT%H:%M:%SZ"}, None),
    "timezone": ({"timezone": "Europe/Berlin"}, iso(-7500)),
    "window": ({"window": timedelta(days=1), "start": iso(-9000)}, iso(-7500)),
    "order": ({"order": "asc"}, iso(-7500)),
    "primary_key": ({"primary_key": ["id", "n"]}, iso(-7500)),
    "soft_delete": ({"soft_delete": True, "cursor": None}, None),
    "tables": ({"tables": {"line": ["id"]}}, iso(-7500)),
    "base_url": ({"base_url": "https://other.example.com"}, iso(-7500)),
    "payload": ({}, iso(-7500)),
}


def deployed(name, upstream, state, **options):
    """A sync in which the declaration (or the form that it takes a value from) is changed after
    the first call; the player, and what the calls after that answered."""
    if name == "payload":
        options["base_url"] = "https://{region}.example.com"
    player = Player(thing(**options), upstream, state=state, customPayload={"region": "eu"})
    player.sync(calls=1)
    player.source = thing(**{**options, **CHANGES[name][0]})
    player.request["customPayload"] = {"region": "us"}
    return player, player.go_on()


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_declaration_starts_the_walk_over(name, caplog):
    """From what is committed; from the beginning where that is another column's value."""
    upstream = four()
    player, sync = deployed(name, upstream, COMMITTED)
    assert sync.error == ""
    assert (upstream.each("token")[1], upstream.each("since")[1]) == (None, CHANGES[name][1])
    assert "event=start_over" in caplog.text and "declaration was changed" in caplog.text
    assert set(player.alive()) >= ({0, 1, 2, 3} if name != "primary_key" else {(0, 0), (3, 3)})


@pytest.mark.parametrize("delivered", [True, False])
@pytest.mark.parametrize("name", sorted(CHANGES.keys() - {"primary_key", "soft_delete"}))
def test_without_a_key_it_is_an_error_once_records_were_delivered(name, delivered, clock):
    # A call has time for one page, also where it is empty.
    upstream = four() if delivered else paged(lambda page: clock.advance(80) or [], 2)
    _, sync = deployed(name, upstream, COMMITTED if delivered else {}, primary_key=[])
    texts = ("declaration was changed", "re-sync", "primary_key")
    assert [text in sync.error for text in texts] == [delivered] * 3
    assert upstream.each("token")[:2] == ([None] if delivered else [None, None])


@pytest.mark.parametrize("state", [{}, COMMITTED], ids=["by this walk", "before it"])
def test_a_column_that_changes_is_an_error_even_where_all_is_committed(state, clock):
    """From the beginning, all records would be appended once more."""
    wait = Reply(json={}, status=429, headers={"Retry-After": "900"})
    upstream = Upstream(lambda asked: wait) if state else four()
    player = Player(thing(primary_key=[], order="asc"), upstream, state=state)
    player.sync(calls=1)
    clock.advance(901)
    player.source = thing(primary_key=[], order="asc", cursor="created")
    assert "re-sync" in player.go_on().error


@pytest.mark.parametrize("state", [{}, COMMITTED])
def test_whatever_else_changes_a_healthy_walk_goes_on(state):
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


def choosy(wrong):
    """Pages of one record; on the second page such requests get a 502."""
    healthy = paged(lambda page: [row(page)], 4).answers
    refusal = Reply(json={"error": "too many records"}, status=502)
    return Upstream(
        lambda asked: refusal if "token" in asked.params and wrong(asked) else healthy(asked)
    )


SIZES = {"page_size": 100}, {"page_size": 10}
STARTS = {"start": iso(-9000)}, {"start": iso(-8000)}


def too_large(asked):
    return int(asked.params["limit"]) > 10


@pytest.mark.parametrize("key", [["id"], []])
@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [(*SIZES, too_large), (*STARTS, lambda asked: asked.params["since"] < iso(-8000))],
)
def test_a_changed_page_size_or_start_starts_a_failed_walk_over(before, after, wrong, key):
    """The failure leaves in a successful reply first, since an error report moves no state.
    Without a key the error advises a re-sync, and the old value goes on where it was."""
    player = Player(thing(primary_key=key, **before), choosy(wrong))
    assert "502" in player.sync().error
    player.source = thing(primary_key=key, **after)
    sync = player.sync()
    if key:
        assert (sync.error, sorted(player.alive())) == ("", [0, 1, 2, 3])
        assert sync.replies[0]["hasMore"] and not sync.replies[0]["insert"]
        assert player.state == {"thing": row(3)["at"]}
        return
    for error in (sync.error, player.sync().error):
        for text in ("502", "page_size= or start= was changed", "re-sync"):
            assert text in error
    player.source = thing(primary_key=key, **before)
    player.upstream = choosy(lambda asked: False)
    assert (player.sync().ids(), player.state["thing"]["cursor"]) == ([1, 2, 3], row(3)["at"])


def test_a_walk_is_healed_once_in_a_sync():
    """A `start` that is computed with each call heals once; then the error is shown."""
    upstream = choosy(lambda asked: True)
    upstream.most = 200
    player, seconds = Player(thing(), upstream), -9000
    for number in range(1, 4):
        sync = player.sync(calls=1)
        while not sync.error:
            seconds += 1
            player.source = thing(start=iso(seconds))
            sync = player.go_on(calls=1)
        assert "502" in sync.error
        assert upstream.each("token").count(None) == 1 + number
