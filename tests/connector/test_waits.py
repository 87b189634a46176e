"""What waits: an export that is polled, a rate limit; the token is kept, the others go on."""

import threading
from typing import Any

import pytest
from connector import Fetch, Page, RetryLater, Source
from connector import clock as clocks
from connector.testing import HeldClock, Reply

from .play import Player
from .scripted import (
    START,
    Asked,
    Upstream,
    endless,
    http_date,
    iso,
    one,
    reading,
    script,
    several,
    source,
)


def waiting(*seconds: float) -> tuple[Source, list[Any]]:
    """Three pages of which the second asks for waits; the tokens it was asked with."""
    made, tokens, left = source(), [], list(seconds)

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        tokens.append(fetch.token)
        page = fetch.token or 1
        if page == 2 and left:
            raise RetryLater(left.pop(0), "the export is not ready")
        return Page([{"id": page}], page + 1 if page < 3 else None)

    return made, tokens


def test_a_wait_that_fits_into_the_call_is_waited_for(clock: HeldClock) -> None:
    made, tokens = waiting(30, 40)
    sync = Player(made, script({})).sync()
    assert (sync.error, sync.ids(), len(sync.replies)) == ("", [1, 2, 3], 1)
    assert tokens == [None, 2, 2, 2, 3]
    assert clock.slept == [30, 40]


def test_retry_later_without_a_wait_does_not_spin(clock: HeldClock) -> None:
    made, _ = waiting(*[0] * 20)
    Player(made, script({})).sync()
    assert len(clock.slept) == 20 and min(clock.slept) > 0


@pytest.mark.parametrize("seconds", [0, 0.05, 3, 100])
@pytest.mark.parametrize("soft_delete", [False, True])
def test_a_walk_that_waits_until_the_time_is_over_says_for_what(
    clock: HeldClock, seconds: float, soft_delete: bool
) -> None:
    """Each wait fits into the call, and the job is never done."""
    made = source()

    @made.entity("thing", primary_key=["id"], soft_delete=soft_delete)
    def thing(fetch: Fetch) -> Page:
        raise RetryLater(seconds, "export 17 is not ready")

    sync = Player(made, script({})).sync()
    assert "entity thing, page 1: export 17 is not ready" in sync.error
    assert "CONNECTOR_CALL_SECONDS" not in sync.error


@pytest.mark.parametrize("workers", [1, 2])
def test_a_walk_that_oversleeps_the_end_of_the_call_says_for_what(
    monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """The call ends while its worker sleeps: it wakes up when all is over."""
    made, over = source(workers=workers), threading.Event()
    made.entity("thing", primary_key=["id"])(raising_later)

    class Oversleeping(clocks.SystemClock):
        @staticmethod
        def sleep(seconds: float) -> None:
            over.wait(30 if workers > 1 else 0.5)

    monkeypatch.setattr(clocks, "current", Oversleeping())
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "0.3")
    player = Player(made, script({}))
    try:
        player.sync(calls=1)
        player.state["_sync"]["empty"] = 9
        said = player.call()["errorMessage"]
    finally:
        over.set()
    assert "entity thing, page 1: export 17 is not ready" in said


def raising_later(fetch: Fetch) -> Page:
    raise RetryLater(0, "export 17 is not ready")


def test_short_waits_in_every_call_do_not_end_a_sync_whose_export_takes_a_while(
    clock: HeldClock,
) -> None:
    made, asked = source(), []

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        asked.append(clock.time - START)
        if clock.time < START + 400:
            raise RetryLater(0, "export 17 is not ready")
        return Page([{"id": 1}])

    sync = Player(made, script({})).sync()
    assert (sync.error, sync.ids(), len(sync.replies)) == ("", [1], 3)


def test_a_wait_that_does_not_fit_ends_the_call_and_keeps_the_token(clock: HeldClock) -> None:
    made, asked = source(), []

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        asked.append((fetch.token, clock.time - START))
        clock.advance(100)
        if len(asked) == 2:
            raise RetryLater(120, "not ready")
        return Page([{"id": fetch.token or 1}], None if fetch.token else 2)

    sync = Player(made, script({})).sync()
    assert (sync.error, sync.ids(), len(sync.replies)) == ("", [1, 2], 3)
    assert asked == [(None, 0), (2, 100), (2, 320)]


def test_a_wait_of_40_minutes_pauses_a_sync_that_delivered_something(clock: HeldClock) -> None:
    made, tokens = waiting(2400)
    player = Player(made, script({}), state={"thing": "kept"})
    first = player.sync()
    assert (first.error, first.ids()) == ("", [1])
    assert first.replies[-1]["hasMore"] is False
    clock.advance(2400)
    second = player.sync()
    assert (second.error, second.ids()) == ("", [2, 3])
    assert tokens == [None, 2, 2, 3]


def test_a_wait_of_40_minutes_in_a_first_sync_must_not_look_complete(clock: HeldClock) -> None:
    made, _ = waiting(2400)
    player = Player(made, script({}))
    first = player.sync()
    assert first.ids() == [1]
    assert "reading of thing is not through" in first.error
    assert "the export is not ready" in first.error or "40 minutes" in first.error
    clock.advance(2400)
    second = player.sync()
    assert (second.error, second.ids()) == ("", [2, 3])


def test_a_sync_that_delivered_nothing_reports_how_long_to_wait(clock: HeldClock) -> None:
    made, tokens = waiting(2400)
    player = Player(made, script({}), state={"thing": "kept"})
    player.sync()
    clock.advance(600)
    sync = player.sync()
    assert "30 minutes" in sync.error and "entity thing" in sync.error
    assert tokens == [None, 2]


def test_while_one_entity_waits_the_others_are_read(clock: HeldClock) -> None:
    made, tokens = waiting(2400)
    reading(made, "other", primary_key=["id"], cursor="at")
    upstream = endless(pages=1)
    player = Player(made, upstream, state={"thing": "kept", "other": iso(-60)})
    for _ in range(3):
        assert player.sync().error == ""
        clock.advance(60)
    assert upstream.count("/other") == 3
    assert tokens == [None, 2]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"Retry-After": "30"}),
        (429, {"Retry-After": http_date(30)}),
        (503, {"Retry-After": "30"}),
        (403, {"Retry-After": "30"}),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(START) + 30)}),
    ],
)
def test_a_wait_that_the_upstream_asks_for_is_honoured(
    clock: HeldClock, monkeypatch: pytest.MonkeyPatch, status: int, headers: dict[str, str]
) -> None:
    monkeypatch.setattr("time.time", lambda: clock.time)
    limits = [Reply(json={}, status=status, headers=headers)]

    def answers(asked: Asked) -> Any:
        return limits.pop() if limits else {"data": [{"id": 1, "at": iso(-60)}]}

    sync = Player(one(), Upstream(answers)).sync()
    assert (sync.error, sync.ids()) == ("", [1])
    assert clock.slept == [30]


def test_a_rate_limit_of_40_minutes_says_so_and_is_not_asked_again_before(
    clock: HeldClock,
) -> None:
    limited = [True]

    def answers(asked: Asked) -> Any:
        if asked.path == "/b" and limited[0]:
            return Reply(json={}, status=429, headers={"Retry-After": "2400"})
        return {"data": [{"id": 1, "at": iso(-60)}]}

    upstream = Upstream(answers)
    state = {"a": iso(-600), "b": iso(-600)}
    player = Player(several("a", "b"), upstream, state=state)
    first = player.sync()
    assert (first.error, first.ids("a"), first.ids("b")) == ("", [1], [])
    clock.advance(2400)
    limited[0] = False
    assert player.sync().ids("b") == [1]
    assert upstream.count("/b") == 2


def export(clock: HeldClock, seconds: float) -> tuple[Source, Upstream]:
    """An export job: created once, polled until it is ready, then downloaded in parts."""
    made = source()

    @made.entity("thing", primary_key=["id"], cursor="at")
    def thing(fetch: Fetch) -> Page:
        if fetch.token is None:
            job = fetch.post("/exports", json={"since": fetch.since}).value("id")
            return Page(next_token={"job": job, "part": 0})
        job, part = fetch.token["job"], fetch.token["part"]
        status = fetch.get(f"/exports/{job}")
        if status.value("state") != "ready":
            raise RetryLater(20, f"export {job} is {status.value('state')}")
        rows = fetch.get(f"/exports/{job}/parts/{part}").rows()
        return Page(rows, {"job": job, "part": part + 1} if part < 1 else None)

    created: list[float] = []

    def answers(asked: Asked) -> Any:
        if asked.method == "POST":
            created.append(clock.time)
            return {"id": f"job{len(created)}"}
        if asked.path.endswith("/exports/job1"):
            ready = clock.time >= created[0] + seconds
            return {"state": "ready" if ready else "running"}
        part = int(asked.path.rpartition("/")[2])
        return [{"id": part, "at": iso(-60 + part)}]

    return made, Upstream(answers)


@pytest.mark.parametrize("seconds", [0, 60, 400])
def test_an_export_job_is_created_once_and_polled_until_it_is_ready(
    clock: HeldClock, seconds: float
) -> None:
    made, upstream = export(clock, seconds)
    player = Player(made, upstream, state={"thing": iso(-600)})
    syncs = [player.sync() for _ in range(4) if "_sync" in player.state or not upstream.asked]
    assert [sync.error for sync in syncs] == [""] * len(syncs)
    assert sorted(player.alive()) == [0, 1]
    assert player.state == {"thing": iso(-59)}
    assert len([ask for ask in upstream.asked if ask.method == "POST"]) == 1


class Together(HeldClock):
    """A clock on which two threads must sleep at the same time, or the test fails."""

    def __init__(self, time: float) -> None:
        super().__init__(time)
        self.meet = threading.Barrier(2, timeout=60)
        self.sleeping = threading.Event()

    def sleep(self, seconds: float) -> None:
        self.sleeping.set()
        if self.meet.wait() == 0:
            super().sleep(seconds)
        self.meet.wait()  # neither goes on before the time has moved


def test_a_429_cools_down_every_worker_of_that_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second worker has not been refused itself; it waits all the same."""
    clock = Together(START)
    monkeypatch.setattr(clocks, "current", clock)
    limited = [True]

    def answers(asked: Asked) -> Any:
        if asked.path == "/a" and limited[0]:
            limited[0] = False
            return Reply(json={}, status=429, headers={"Retry-After": "60"})
        if asked.path == "/b" and "token" not in asked.params:
            assert clock.sleeping.wait(60)
            return {"data": [{"id": 1, "at": iso(-60)}], "next": "2"}
        return {"data": [{"id": 2, "at": iso(-60)}]}

    sync = Player(several("a", "b", workers=2), Upstream(answers)).sync()
    assert (sync.error, sync.ids("a"), sync.ids("b")) == ("", [2], [1, 2])
    assert clock.slept == [60] and not clock.meet.broken


@pytest.mark.parametrize("seconds", [90_000, 10**9, float("inf")])
def test_a_wait_longer_than_a_day_ends_after_a_day(clock: HeldClock, seconds: float) -> None:
    """What is kept of it in the state must be a moment that the next sync can go on from."""
    made, _ = waiting(seconds)
    player = Player(made, script({}))
    sync = player.sync()
    assert sync.ids() == [1] and "1440 minutes" in sync.error
    clock.advance(86_401)
    sync = player.sync()
    assert (sync.error, sync.ids()) == ("", [2, 3])
