"""What fails, waits or is refused: the others go on, nothing fetched is lost, all is reported."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from connector import Fetch, Page, RetryLater, StartOver, TokenExpired, UpstreamError
from connector.testing import HeldClock, Reply

from .play import Player
from .scripted import Asked, Upstream, iso, one, reading, script, several, source, stepping

FORBIDDEN = Reply(json={"error": "wrong password"}, status=403)


def broken(*names: str, pages: int = 1) -> Upstream:
    """An upstream that refuses these entities and has so many pages of the others."""

    def answers(asked: Asked) -> Any:
        if asked.path.strip("/") in names:
            return FORBIDDEN
        page = int(asked.params.get("token", 0))
        return {
            "data": [{"id": page, "at": iso(-9000 + page)}],
            "next": page + 1 if page + 1 < pages else None,
        }

    return Upstream(answers)


# ---- one of several


@pytest.mark.usefixtures("clock")
def test_one_entitys_failure_does_not_stop_the_others_and_all_is_reported_in_the_end() -> None:
    """A call that made progress delivers it, with hasMore; the one that can make none reports."""
    player = Player(several("a", "b", "c", "d"), broken("b", "d"))
    sync = player.sync()
    assert (sync.ids("a"), sync.ids("c")) == ([0], [0])
    assert [reply["hasMore"] for reply in sync.replies] == [True]
    for text in ("2 things", "entity b, page 1", "entity d, page 1", "403", "wrong password"):
        assert text in sync.error
    assert "entity a" not in sync.error and "entity c" not in sync.error


@pytest.mark.usefixtures("clock", "page_by_page")
def test_a_wrong_password_in_a_sync_of_144_calls_is_not_sent_144_times() -> None:
    """An entity that failed is left alone until the others are done, and then tried once more."""
    upstream = broken("a", pages=143)
    sync = Player(several("a", "b"), upstream).sync()
    assert len(sync.replies) in (143, 144)
    assert "wrong password" in sync.error
    assert [ask.path for ask in upstream.asked] == ["/a", *["/b"] * 143, "/a"]


@pytest.mark.usefixtures("clock")
def test_a_retry_of_the_failed_sync_reads_what_was_not_done_and_no_more() -> None:
    """Fivetran retries from the last successful reply's state, with the same sync id or another."""
    upstream = broken("b")
    player = Player(several("a", "b"), upstream)
    assert player.sync().error
    upstream.answers = broken().answers
    sync = player.go_on()
    assert (sync.error, sync.ids("a"), sync.ids("b")) == ("", [], [0])


# ---- whatever one entity does fails that entity alone


@dataclass(frozen=True)
class Frozen(Exception):
    """Takes no attributes, and has no text."""


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


def rows(error: BaseException | None) -> Iterator[dict[str, Any]]:
    """A generator that fails, or that never ends."""
    for number in count():
        yield {"id": number, "text": "x" * 10_000}
        if error:
            raise error


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    ("what", "text", "kind"),
    [
        (KeyError("colour"), "KeyError in ", "KeyError"),
        (ValueError("half an emoji \ud83d"), "half an emoji", "ValueError"),
        (ExceptionGroup("several", [ValueError("a")]), "several", "ExceptionGroup"),
        (MemoryError(), "MemoryError", "MemoryError"),
        (UpstreamError("the tenant is closed"), "the tenant is closed", "UpstreamError"),
        (StartOver("no position"), "no position", "StartOver"),
        (TokenExpired("no scroll"), "no scroll", "TokenExpired"),
        (Frozen(), "Frozen", "Frozen"),
        (Unprintable(), "Unprintable", "Unprintable"),
        (SystemExit("I give up"), "SystemExit(I give up)", "StepError"),
        (KeyboardInterrupt(), "KeyboardInterrupt", "StepError"),
        (lambda: rows(SystemExit(1)), "SystemExit", "StepError"),
        (lambda: rows(KeyboardInterrupt()), "KeyboardInterrupt", "StepError"),
        (lambda: rows(None), "", "StepError"),
        (lambda: [{"key": 1}], "primary key 'id'", "StepError"),
        (lambda: [7], "record 0", "StepError"),
    ],
    ids=lambda value: "" if callable(value) else str(type(value).__name__),
)
def test_whatever_one_entity_does_fails_that_entity_alone(
    what: Any, text: str, kind: str, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says of each failure what the report says in the end."""
    made = source(workers=workers)

    def bad(fetch: Fetch) -> Page:
        if isinstance(what, BaseException):
            raise what
        return Page(what())

    reading(made, "a", primary_key=["id"], cursor="at")
    made.entity("bad", primary_key=["id"])(bad)
    reading(made, "c", primary_key=["id"], cursor="at")
    sync = Player(made, broken()).sync()
    assert (sync.ids("a"), sync.ids("c")) == ([0], [0])
    assert sync.report and sync.report["errorType"] in (kind, "ConnectorError")
    assert sync.error.startswith("entity bad, page 1") and text in sync.error
    failed, *_ = [line for line in caplog.messages if line.startswith("event=failed ")]
    assert f"error={kind}" in failed and "entity=bad" in failed


# ---- which calls are one sync


@pytest.mark.parametrize("workers", [1, 3])
def test_without_a_sync_id_a_pause_of_ten_minutes_begins_a_new_sync(
    clock: HeldClock, workers: int
) -> None:
    """Else one entity that answers 403 for ever would keep the others from ever being read."""
    upstream = broken("b")
    player = Player(several("a", "b", "c", workers=workers), upstream, sync_ids=False)
    for day in range(1, 4):
        assert "entity b" in player.sync().error
        assert (upstream.count("/a"), upstream.count("/c")) == (day, day)
        clock.advance(601)


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
    upstream = broken(pages=2)
    player = Player(several("a", "b"), upstream)
    player.sync(calls=3)
    tokens = upstream.each("token", "/b")
    assert (upstream.each("token", "/a"), tokens) == ([None, "1"], [None])
    player.sync()
    assert upstream.each("token", "/a") == [None, "1", None, "1"]
    assert upstream.each("token", "/b") == [None, "1"]


# ---- what must be remembered goes out in a successful reply first


@pytest.mark.parametrize("how", ["pause", "wait"])
def test_a_pause_does_not_hide_what_failed_in_the_same_sync(clock: HeldClock, how: str) -> None:
    """Nine quiet replies, or a long wait, end a sync that goes on in the next one."""
    made = source()
    reading(made, "bad", primary_key=["id"], cursor="at")

    @made.entity("quiet", primary_key=["id"])
    def quiet(fetch: Fetch) -> Page:
        clock.advance(20)
        if how == "wait" and fetch.token:
            raise RetryLater(900, "not ready")
        page = fetch.token or 0
        return Page([{"id": 1}] if how == "wait" else [], page + 1)

    state = {"quiet": "position", "bad": iso(-60)}
    sync = Player(made, broken("bad"), state=state).sync()
    assert 0 < len(sync.replies) <= 10
    assert "wrong password" in sync.error and "bad" in sync.error


@pytest.mark.usefixtures("clock", "page_by_page")
def test_progress_through_empty_pages_is_not_lost_to_an_error_that_follows() -> None:
    pages = {None: ([], "b"), "b": ([], "c"), "c": FORBIDDEN}
    upstream = script(pages)
    player = Player(one(), upstream, state={"thing": iso(-60)})
    sync = player.sync()
    assert "wrong password" in sync.error and not any(sync.inserted() for _ in sync.replies)
    upstream.answers = script({**pages, "c": [{"id": 1, "at": iso(-5)}]}).answers
    asked = len(upstream.asked)
    assert player.sync().ids() == [1]
    assert upstream.each("token")[asked:] == ["c"]


def test_a_page_that_never_fits_a_call_does_not_keep_the_others_from_being_read(
    clock: HeldClock,
) -> None:
    def answers(asked: Any) -> Any:
        if asked.path == "/slow":
            clock.advance(500)
        return {"data": [{"id": 1, "at": iso(-60)}], "next": None}

    made = source()
    for name in ("slow", "fast"):
        reading(made, name, primary_key=["id"], cursor="at")
    sync = Player(made, Upstream(answers)).sync()
    assert sync.ids("fast") == [1]
    assert "entity slow" in sync.error


@pytest.mark.parametrize("stored", [{"rows": 5}, {"cursor": iso(-60), "seen": ["0" * 16]}])
def test_what_was_stored_for_another_kind_of_reading_is_not_passed_on(stored: Any) -> None:
    seen: list[Any] = []
    made = stepping(lambda fetch: seen.append(fetch.since) or Page([{"id": 1}]))
    assert Player(made, script({}), state={"thing": stored}).sync().error == ""
    assert seen == [None]
