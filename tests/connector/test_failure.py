"""What fails, waits or is refused: the others go on, nothing fetched is lost, all is reported."""

from typing import Any

import pytest
import requests
from connector import Fetch, Page, RetryLater, UpstreamError
from connector.testing import HeldClock, Reply

from .play import Player
from .scripted import Asked, Upstream, iso, one, reading, script, several, source

FORBIDDEN = Reply(json={"error": "wrong password"}, status=403)


def broken(*names: str, pages: int = 1, reply: Any = FORBIDDEN) -> Upstream:
    """An upstream that refuses these entities and has so many pages of the others."""

    def answers(asked: Asked) -> Any:
        if asked.path.strip("/") in names:
            return reply
        page = int(asked.params.get("token", 0))
        return {
            "data": [{"id": page, "at": iso(-9000 + page)}],
            "next": page + 1 if page + 1 < pages else None,
        }

    return Upstream(answers)


# ---- one of several


@pytest.mark.usefixtures("clock")
def test_one_entitys_failure_does_not_stop_the_others() -> None:
    player = Player(several("a", "b", "c"), broken("b"))
    sync = player.sync()
    assert (sync.ids("a"), sync.ids("c")) == ([0], [0])
    for said in ("entity b", "page 1", "403", "wrong password", "apiToken"):
        assert said in sync.error
    assert "entity a" not in sync.error


@pytest.mark.usefixtures("clock")
def test_a_call_that_made_progress_delivers_it_and_the_next_reports() -> None:
    sync = Player(several("a", "b"), broken("b")).sync()
    assert [reply["hasMore"] for reply in sync.replies] == [True]
    assert sync.error


@pytest.mark.usefixtures("clock", "page_by_page")
def test_a_wrong_password_in_a_sync_of_144_calls_is_not_sent_144_times() -> None:
    upstream = broken("a", pages=143)
    player = Player(several("a", "b"), upstream)
    sync = player.sync()
    assert len(sync.replies) == 143
    assert "wrong password" in sync.error
    assert upstream.count("/a") <= 2


@pytest.mark.usefixtures("clock", "page_by_page")
def test_an_entity_that_failed_is_tried_once_more_when_the_others_are_done() -> None:
    upstream = broken("a", pages=3)
    answers = upstream.answers

    def healing(asked: Asked) -> Any:
        if asked.path == "/a" and upstream.count("/b") == 3:
            return {"data": [{"id": 7, "at": iso(-5)}]}
        return answers(asked)

    upstream.answers = healing
    player = Player(several("a", "b"), upstream)
    sync = player.sync()
    assert (sync.error, sync.ids("a"), upstream.count("/a")) == ("", [7], 2)
    assert player.state == {"a": iso(-5), "b": iso(-8998)}


@pytest.mark.usefixtures("clock")
def test_all_that_failed_is_reported_in_one_message() -> None:
    sync = Player(several("a", "b", "c"), broken("a", "c")).sync()
    assert "entity a" in sync.error and "entity c" in sync.error and "entity b" not in sync.error


@pytest.mark.usefixtures("clock")
def test_an_error_report_leaves_the_state_as_it_was_sent() -> None:
    player = Player(one(), broken("thing"), state={"thing": iso(-60), "other": {"x": [1]}})
    report = player.sync().report
    assert report is not None
    assert report["state"] == {"thing": iso(-60), "other": {"x": [1]}}


def test_an_entity_that_answers_403_for_ever_does_not_keep_the_others_from_being_read(
    clock: HeldClock,
) -> None:
    """No sync id is sent: without one, a pause of more than ten minutes begins a new sync."""
    upstream = broken("b")
    player = Player(several("a", "b", "c"), upstream, sync_ids=False)
    for day in range(1, 4):
        sync = player.sync()
        assert "entity b" in sync.error
        assert (upstream.count("/a"), upstream.count("/c")) == (day, day)
        clock.advance(86400)


def test_without_a_sync_id_calls_of_one_sync_belong_together(
    clock: HeldClock, page_by_page: None
) -> None:
    upstream = broken(pages=2)
    player = Player(several("a", "b"), upstream, sync_ids=False)
    for _ in range(4):
        player.call()
        clock.advance(599)
    assert (upstream.count("/a"), upstream.count("/b")) == (2, 2)
    assert "_sync" not in player.state


@pytest.mark.usefixtures("clock", "page_by_page")
def test_a_new_sync_id_begins_a_new_sync_at_once() -> None:
    """What was done in the sync before is read again; what was unfinished goes on."""
    upstream = broken(pages=1)
    player = Player(several("a", "b"), upstream)
    player.sync(calls=1)
    player.sync()
    assert (upstream.count("/a"), upstream.count("/b")) == (2, 1)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("raised", [UpstreamError("the tenant is closed"), KeyError("colour")])
def test_what_a_step_raises_is_reported_with_its_place(raised: Exception) -> None:
    made = source()

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        if fetch.token:
            raise raised
        return Page([{"id": 1}], 2)

    sync = Player(made, script({})).sync()
    assert sync.ids() == [1]
    assert "entity thing" in sync.error and "page 2" in sync.error
    assert raised.args[0] in sync.error
    assert sync.report and sync.report["errorType"] == type(raised).__name__


# ---- retries


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    "hiccup",
    [
        *(Reply(json={}, status=status) for status in (429, 500, 502, 503, 504)),
        requests.ConnectionError("reset"),
    ],
    ids=str,
)
def test_a_hiccup_of_the_upstream_is_tried_again(hiccup: Any) -> None:
    hiccups = [hiccup, hiccup]

    def answers(asked: Asked) -> Any:
        if hiccups:
            said = hiccups.pop()
            if isinstance(said, Exception):
                raise said
            return said
        return {"data": [{"id": 1, "at": iso(-60)}]}

    sync = Player(one(), Upstream(answers)).sync()
    assert (sync.error, sync.ids()) == ("", [1])


def test_an_upstream_that_stays_broken_is_an_error_that_quotes_it(clock: HeldClock) -> None:
    upstream = broken("thing", reply=Reply(body=b"<h1>Bad gateway</h1>", status=502))
    sync = Player(one(), upstream).sync()
    for said in ("502", "<h1>Bad gateway</h1>", "GET https://api.example.com/thing"):
        assert said in sync.error
    assert 1 < len(upstream.asked) < 10
    assert clock.slept and sum(clock.slept) < 150


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_post_is_not_sent_twice_for_it_may_create_something(status: int) -> None:
    made = source()

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        return Page(fetch.post("/thing", json={"q": 1}).rows())

    upstream = broken("thing", reply=Reply(json={}, status=status))
    assert str(status) in Player(made, upstream).sync().error
    assert len(upstream.asked) == 1


@pytest.mark.usefixtures("clock")
def test_a_failure_does_not_stop_the_others_that_fill_the_same_table() -> None:
    """They are read one after the other; what can be read comes all the same."""
    made = source()
    reading(made, "a", primary_key=["id"], tables={"line": ["id"]})
    reading(made, "b", primary_key=["id"], tables={"line": ["id"]})
    sync = Player(made, broken("a")).sync()
    assert sync.ids("b") == [0]
    assert "entity a" in sync.error


def test_a_pause_does_not_hide_what_failed_in_the_same_sync(clock: HeldClock) -> None:
    """Nine quiet replies end a sync that goes on in the next; the broken entity is told of."""
    made = source()
    reading(made, "bad", primary_key=["id"])

    @made.entity("quiet", primary_key=["id"])
    def quiet(fetch: Fetch) -> Page:
        clock.advance(20)
        page = fetch.token or 0
        return Page([], page + 1)

    state = {"quiet": "2026-01-01", "bad": "2026-01-01"}
    sync = Player(made, broken("bad"), state=state).sync()
    assert 0 < len(sync.replies) <= 10
    assert "failed before in this sync" in sync.error and "bad" in sync.error


def test_a_wait_does_not_hide_what_failed_in_the_same_sync(clock: HeldClock) -> None:
    made = source()
    reading(made, "bad", primary_key=["id"])

    @made.entity("slow", primary_key=["id"])
    def slow(fetch: Fetch) -> Page:
        if fetch.token:
            raise RetryLater(900, "not ready")
        return Page([{"id": 1}], 2)

    state = {"slow": "2026-01-01", "bad": "2026-01-01"}
    sync = Player(made, broken("bad"), state=state).sync()
    assert sync.ids("slow") == [1]
    assert "failed before in this sync" in sync.error and "bad" in sync.error
