"""What fails, waits or is refused: the others go on, nothing fetched is lost, all is reported."""

from dataclasses import dataclass
from itertools import count

import pytest
from connector import Page, RetryLater, StartOver, TokenExpired, UpstreamError
from connector.testing import Reply

from .play import Player
from .scripted import Upstream, endless, iso, one, reading, script, several, source

FORBIDDEN = Reply(json={"error": "wrong password"}, status=403)


def broken(*names, pages=1):
    """An upstream that refuses these entities and has so many pages of the others."""
    healthy = endless(pages=pages).answers
    return Upstream(lambda asked: FORBIDDEN if asked.path.strip("/") in names else healthy(asked))


# ---- one of several


@pytest.mark.usefixtures("clock")
def test_one_entitys_failure_does_not_stop_the_others_and_all_is_reported_in_the_end():
    """A call that made progress delivers it, with hasMore; the one that can make none reports. A
    retry of the sync, from the last successful reply's state, reads what was not done alone."""
    upstream = broken("b", "d")
    player = Player(several("a", "b", "c", "d"), upstream)
    sync = player.sync()
    assert (sync.ids("a"), sync.ids("c")) == ([0], [0])
    assert [reply["hasMore"] for reply in sync.replies] == [True]
    for text in ("2 things", "entity b, page 1", "entity d, page 1", "403", "wrong password"):
        assert text in sync.error
    assert "entity a" not in sync.error and "entity c" not in sync.error
    upstream.answers = broken().answers
    sync = player.go_on()
    assert [sync.ids(name) for name in "abcd"] == [[], [0], [], [0]]


@pytest.mark.usefixtures("clock", "page_by_page")
def test_a_wrong_password_in_a_sync_of_144_calls_is_not_sent_144_times():
    """An entity that failed is left alone until the others are done, and then tried once more."""
    upstream = broken("a", pages=143)
    sync = Player(several("a", "b"), upstream).sync()
    assert len(sync.replies) in (143, 144)
    assert "wrong password" in sync.error
    assert [ask.path for ask in upstream.asked] == ["/a", *["/b"] * 143, "/a"]


# ---- whatever one entity does fails that entity alone


@dataclass(frozen=True)
class Frozen(Exception):
    """Takes no attributes, and has no text."""


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no text")


def rows(error):
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
        (UpstreamError("the tenant is closed"), "the tenant is closed", "UpstreamError"),
        (StartOver("no position"), "no position", "StartOver"),
        (TokenExpired("no scroll"), "no scroll", "TokenExpired"),
        (Frozen(), "Frozen", "Frozen"),
        (Unprintable(), "Unprintable", "Unprintable"),
        (SystemExit("I give up"), "SystemExit(I give up)", "StepError"),
        (KeyboardInterrupt(), "KeyboardInterrupt", "StepError"),
        (lambda: rows(SystemExit(1)), "SystemExit", "StepError"),
        (lambda: rows(KeyboardInterrupt()), "KeyboardInterrupt", "StepError"),
        (lambda: rows(LookupError("no")), "read to the end: LookupError: no", "StepError"),
        (lambda: rows(UpstreamError("the file is gone")), "the file is gone", "UpstreamError"),
        (lambda: rows(None), "", "StepError"),
    ],
    ids=lambda value: "" if callable(value) else str(type(value).__name__),
)
def test_whatever_one_entity_does_fails_that_entity_alone(what, text, kind, workers, caplog):
    """The log says of each failure what the report says in the end."""
    made = source(workers=workers)

    def bad(fetch):
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
def test_without_a_sync_id_a_pause_of_ten_minutes_begins_a_new_sync(clock, workers):
    """Else one entity that answers 403 for ever would keep the others from ever being read."""
    upstream = broken("b")
    player = Player(several("a", "b", "c", workers=workers), upstream, sync_ids=False)
    for day in range(1, 4):
        assert "entity b" in player.sync().error
        assert (upstream.count("/a"), upstream.count("/c")) == (day, day)
        clock.advance(601)


@pytest.mark.parametrize("sync_ids", [False, True])
def test_calls_of_one_sync_belong_together_and_a_new_sync_id_begins_a_new_one(
    sync_ids, clock, page_by_page
):
    """What was done in the sync before is read again; what was unfinished goes on."""
    upstream = broken(pages=2)
    player = Player(several("a", "b"), upstream, sync_ids=sync_ids)
    player.sync(calls=3)
    assert (upstream.each("token", "/a"), upstream.each("token", "/b")) == ([None, "1"], [None])
    clock.advance(599)
    player.sync()
    assert upstream.each("token", "/a") == [None, "1"] * (2 if sync_ids else 1)
    assert upstream.each("token", "/b") == [None, "1"] and "_sync" not in player.state


# ---- what must be remembered goes out in a successful reply first


@pytest.mark.parametrize("how", ["pause", "wait"])
def test_a_pause_does_not_hide_what_failed_in_the_same_sync(clock, how):
    """Nine quiet replies, or a long wait, end a sync that goes on in the next one."""
    made = source()
    reading(made, "bad", primary_key=["id"], cursor="at")

    @made.entity("quiet", primary_key=["id"])
    def quiet(fetch):
        clock.advance(20)
        if how == "wait" and fetch.token:
            raise RetryLater(900, "not ready")
        return Page([{"id": 1}] if how == "wait" else [], (fetch.token or 0) + 1)

    state = {"quiet": "position", "bad": iso(-60)}
    sync = Player(made, broken("bad"), state=state).sync()
    assert 0 < len(sync.replies) <= 10
    assert "wrong password" in sync.error and "bad" in sync.error


@pytest.mark.usefixtures("clock", "page_by_page")
def test_progress_through_empty_pages_is_not_lost_to_an_error_that_follows():
    pages = {None: ([], "b"), "b": ([], "c"), "c": FORBIDDEN}
    upstream = script(pages)
    player = Player(one(), upstream, state={"thing": iso(-60)})
    assert "wrong password" in player.sync().error
    upstream.answers = script({**pages, "c": [{"id": 1, "at": iso(-5)}]}).answers
    asked = len(upstream.asked)
    assert player.sync().ids() == [1]
    assert upstream.each("token")[asked:] == ["c"]


def test_a_page_that_never_fits_a_call_does_not_keep_the_others_from_being_read(clock):
    healthy = broken().answers
    upstream = Upstream(
        lambda asked: clock.advance(500 if asked.path == "/slow" else 0) or healthy(asked)
    )
    sync = Player(several("slow", "fast"), upstream).sync()
    assert sync.ids("fast") == [0]
    assert "entity slow" in sync.error
