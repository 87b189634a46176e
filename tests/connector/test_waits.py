"""Waits: in every unit that upstreams use, for rate limits that name none, and for exports."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

import pytest
import requests
from connector import Fetch, Page, RetryLater, Source
from connector import clock as clocks
from connector.errors import RateLimited
from connector.http import waits
from connector.testing import HeldClock, Reply, call_step, held_clock
from hypothesis import given
from hypothesis import strategies as st

from .play import Player
from .scripted import (
    START,
    Asked,
    Upstream,
    http_date,
    iso,
    one,
    reading,
    script,
    several,
    source,
)

NOW = int(START)
SPEAKING = {"message": "API rate limit exceeded for user ID 7."}
GOOD = {"data": [{"id": 1, "at": iso(-60)}]}
LEFT, NONE_LEFT = {"X-RateLimit-Remaining": "4731"}, {"X-RateLimit-Remaining": "0"}


def limits(*replies: Reply) -> Upstream:
    """Answers these first, then a good page."""
    left = list(replies)
    return Upstream(lambda _: left.pop(0) if left else GOOD)


RETRY_AFTER: list[tuple[dict[str, str], float]] = [
    ({"Retry-After": "7"}, 7),
    ({"Retry-After": "0.5"}, 0.5),
    ({"Retry-After": " 7 "}, 7),
    ({"Retry-After": http_date(30)}, 30),
    ({"Retry-After": http_date(3630), "Date": http_date(3600)}, 30),
    ({"Retry-After": iso(30)}, 30),
    ({"Retry-After": str(NOW + 2)}, 2),
    ({"Retry-After": str((NOW + 2) * 1000)}, 2),
    ({"Retry-After": str(NOW + 3602), "Date": http_date(3600)}, 2),
    ({"retry-after-ms": "1500"}, 1.5),
    ({"retry-after-ms": "1500", "Retry-After": "2"}, 1.5),
    ({"x-ms-retry-after-ms": "250"}, 0.25),
]
RESETS: list[tuple[dict[str, str], float]] = [
    ({"X-RateLimit-Reset": "12"}, 12),
    ({"X-RateLimit-Reset": "12", **NONE_LEFT}, 12),
    ({"X-RateLimit-Reset": "12", **NONE_LEFT, "Retry-After": "3"}, 3),
    ({"X-RateLimit-Reset": "12", **NONE_LEFT, "Retry-After": "soon"}, 12),
    ({"X-RateLimit-Reset": str(NOW + 40), **NONE_LEFT}, 40),
    ({"X-RateLimit-Reset": str((NOW + 40) * 1000), **NONE_LEFT}, 40),
    ({"X-RateLimit-Reset": f"{NOW + 40}.5", **NONE_LEFT}, 40.5),
    ({"X-RateLimit-Reset": iso(40, "%Y-%m-%dT%H:%MZ")}, 0),
    ({"X-RateLimit-Reset": iso(60, "%Y-%m-%dT%H:%MZ")}, 60),
    ({"X-Rate-Limit-Reset": str(NOW + 9)}, 9),
    ({"RateLimit-Reset": "20", "RateLimit-Remaining": "0"}, 20),
    ({"RateLimit-Reset": str(NOW + 20), "RateLimit-ResetTime": http_date(20)}, 20),
    ({"X-RateLimit-Reset-After": "2"}, 2),
    ({"X-RateLimit-Reset-After": "2.25", "X-RateLimit-Reset": f"{NOW + 2}.25"}, 2.25),
    ({"X-Rate-Limit-Time-Reset-Ms": "15000"}, 15),
    ({"RateLimit": '"api";r=0;t=20'}, 20),
    ({"RateLimit": '"burst";r=0;t=2, "day";r=50;t=3600'}, 2),
    ({"RateLimit": "limit=100, remaining=0, reset=20", "RateLimit-Policy": "100;w=60"}, 20),
    ({"Example-RateLimit-Search": "total=100; remaining=0; resets=41"}, 41),
    (
        {
            "x-ratelimit-remaining-requests": "99",
            "x-ratelimit-reset-requests": "8m30s",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "1m3.5s",
        },
        63.5,
    ),
    ({"x-ratelimit-reset-tokens": "120ms"}, 0.12),
    # What is named is the limit of the hour, and there is plenty left of it.
    ({"X-RateLimit-Reset": str(NOW + 2400), **LEFT}, 0),
    ({"RateLimit": '"hour";r=7;t=3600'}, 0),
]
NO_WAITS = ["0", "-5", "soon", "nan", "", "Thu, 01 Jan 1970 00:00:00 GMT", str(NOW - 5), "1e9"]


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        *((status, *row) for status in (429, 403, 503, 500, 408) for row in RETRY_AFTER),
        *((status, *row) for status in (429, 403) for row in RESETS),
        *((429, {"Retry-After": text}, 0) for text in NO_WAITS),
        # Every response of some APIs has it.
        (503, {"X-RateLimit-Reset": "12", **NONE_LEFT}, 0),
    ],
)
def test_the_wait_that_a_response_names_is_waited_for_else_our_own(
    clock: HeldClock, status: int, headers: dict[str, str], seconds: float
) -> None:
    """0 stands for: it names none, so the first wait is between half a second and one."""
    upstream = limits(Reply(json=SPEAKING, status=status, headers=headers))
    sync = Player(one(), upstream).sync()
    assert (sync.error, sync.ids(), len(upstream.asked)) == ("", [1], 2)
    (slept,) = clock.slept
    assert slept == pytest.approx(seconds, abs=1e-5) if seconds else 0.5 <= slept <= 1


@pytest.mark.parametrize(
    "after", ["99999999999999", "1e400", "inf", "Fri, 31 Dec 9999 23:59:59 GMT", "3000000"]
)
def test_an_absurd_wait_counts_as_a_day(after: str) -> None:
    limited = refused(Reply(json={}, status=429, headers={"Retry-After": after}))
    assert limited.seconds == 86_400
    assert "answered 429 Too Many Requests: {}: asked to wait 86400 s" in str(limited)


def refused(reply: Reply) -> RateLimited:
    """The error of a step that is always answered like this."""
    made = one()
    with pytest.raises(RateLimited) as raised:
        call_step(made.entities["thing"].step, reply)
    return raised.value


def test_no_header_however_long_or_odd_stops_or_slows_an_answer(clock: HeldClock) -> None:
    odd = ["9" * 65_000 + "x", "r=" * 30_000, "1" + "h1" * 30_000, "x-" * 30_000, "²", "1_0", "+5"]
    for text in odd:
        headers = dict.fromkeys(("RateLimit", "X-RateLimit-Reset", "Date"), text)
        upstream = limits(Reply(json={}, status=429, headers=headers))
        assert Player(one(), upstream).sync().ids() == [1]


WRITERS: dict[str, Callable[[float], tuple[str, str]]] = {
    "seconds": lambda wait: ("Retry-After", f"{wait:.3f}"),
    "ms": lambda wait: ("Retry-After-Ms", f"{wait * 1000:.0f}"),
    "Unix time": lambda wait: ("X-RateLimit-Reset", f"{NOW + wait:.3f}"),
    "Unix time in ms": lambda wait: ("Retry-After", f"{(NOW + wait) * 1000:.0f}"),
    "Unix time in µs": lambda wait: ("X-RateLimit-Reset", f"{(NOW + wait) * 10**6:.0f}"),
    "after": lambda wait: ("X-RateLimit-Reset-After", f"{wait:.3f}"),
    "IETF": lambda wait: ("RateLimit", f'"a";r=0;t={wait:.3f}, "b";r=3;t=9'),
    "duration": lambda wait: ("x-ratelimit-reset-tokens", f"{wait // 60:.0f}m{wait % 60:.3f}s"),
    "ISO": lambda wait: ("Retry-After", datetime.fromtimestamp(NOW + wait, UTC).isoformat()),
}


@given(wait=st.floats(0.01, 86_399), unit=st.sampled_from([*WRITERS]))
def test_a_wait_is_the_same_in_every_unit(wait: float, unit: str) -> None:
    name, text = WRITERS[unit](wait)
    with held_clock(START):
        assert waits.asked(limited({name: text}), limited=True) == pytest.approx(wait, abs=1e-3)


@given(wait=st.integers(1, 86_399), off=st.integers(-80_000, 80_000))
def test_dates_are_by_the_upstreams_clock(wait: int, off: int) -> None:
    headers = {"Date": formatdate(NOW + off), "Retry-After": formatdate(NOW + off + wait)}
    with held_clock(START):
        assert waits.asked(limited(headers), limited=False) == wait


@given(
    name=st.sampled_from(["Retry-After", "Retry-After-Ms", "RateLimit", "X-RateLimit-Reset"]),
    text=st.text(st.characters(codec="latin-1")) | st.from_regex(r"[-+0-9.eEnaif;=rtmshd, ]*"),
)
def test_whatever_a_header_says_the_wait_is_positive_and_at_most_a_day(
    name: str, text: str
) -> None:
    with held_clock(START):
        wait = waits.asked(limited({name: text}), limited=True)
    assert wait is None or 0 < wait <= 86_400


def limited(headers: dict[str, str]) -> requests.Response:
    response = requests.Response()
    response.status_code = 429
    response.headers.update(headers)
    return response


# ---- rate limits that name no time


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, {}),
        (403, {"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}),
        (403, {"error": {"errors": [{"reason": "userRateLimitExceeded"}]}}),
        (403, {"error": "Too many requests"}),
        (403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED"}]),
        (403, {"message": "Request was throttled."}),
    ],
)
def test_a_rate_limit_that_names_no_time_is_waited_out(
    clock: HeldClock, status: int, body: Any
) -> None:
    def answers(_: Asked) -> Any:
        over = clock.time >= START + 60
        return GOOD if over else Reply(json=body, status=status, headers=LEFT)

    upstream = Upstream(answers)
    sync = Player(one(), upstream).sync()
    assert (sync.error, sync.ids(), len(sync.replies)) == ("", [1], 1)
    assert 6 < len(upstream.asked) < 15


def test_the_message_of_a_rate_limit_is_shown_to_its_point() -> None:
    """Though the body begins with something long."""
    why = "You have exceeded a secondary rate limit. Please wait before you try again."
    body = {"documentation_url": "https://docs.example.com/" + "x" * 180, "message": why}
    limit = refused(Reply(json=body, status=403, headers=LEFT))
    assert f" answered 403 Forbidden: {why}: asked to wait " in str(limit)
    assert 0 < limit.seconds <= 32


def test_a_rate_limit_without_end_is_asked_again_by_later_calls(clock: HeldClock) -> None:
    upstream = Upstream(lambda _: Reply(json=SPEAKING, status=403, headers=LEFT))
    player = Player(one(), upstream)
    assert player.sync(calls=1).error == "" and player.state["_sync"]
    before = len(upstream.asked)
    player.go_on(calls=1)
    assert len(upstream.asked) > before > 6


@pytest.mark.parametrize("body", [{"message": "Forbidden"}, {"message": "no access to the limit"}])
def test_a_403_that_is_no_rate_limit_is_an_error_at_once(clock: HeldClock, body: Any) -> None:
    upstream = Upstream(lambda _: Reply(json=body, status=403, headers=LEFT))
    assert "answered 403" in Player(one(), upstream).sync().error
    assert clock.slept == []


@pytest.mark.parametrize(
    "limit",
    [
        Reply(json={}, status=403, headers={**NONE_LEFT, "Retry-After": "9"}),
        Reply(json={}, status=403, headers={"RateLimit": '"api";r=0;t=9'}),
        Reply(json=SPEAKING, status=403, headers={"Retry-After": "9"}),
    ],
)
def test_a_403_that_is_a_rate_limit_is_no_answer_for_steps_that_expect_a_403(
    clock: HeldClock, limit: Reply
) -> None:
    """Else a limit would look like a project that may not be read, and its rows were left out."""
    made, statuses = source(), []

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        statuses.extend(fetch.get("/thing", ok=[403]).status_code for _ in range(2))
        return Page()

    replies = [limit, Reply(json=GOOD), Reply(json={"message": "Forbidden"}, status=403)]
    Player(made, Upstream(lambda _: replies.pop(0))).sync()
    assert (statuses, clock.slept) == ([200, 403], [9])


def test_a_named_wait_that_is_too_short_again_and_again_grows(clock: HeldClock) -> None:
    """Else a call would ask 15,000 times."""
    limit = Reply(json={}, status=429, headers={"retry-after-ms": "10"})
    upstream = Upstream(lambda _: limit)
    Player(one(), upstream).sync(calls=1)
    assert 6 < len(upstream.asked) < 20
    assert clock.slept[:5] == [0.01] * 5


def test_a_named_wait_of_a_503_is_kept_more_than_five_times(clock: HeldClock) -> None:
    busy = Reply(json={}, status=503, headers={"Retry-After": "8"})
    sync = Player(one(), limits(*[busy] * 7)).sync()
    assert (sync.error, sync.ids(), clock.slept[:5]) == ("", [1], [8] * 5)


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


@pytest.mark.parametrize("headers", [{"Retry-After": "60"}, {}])
def test_a_429_cools_down_every_worker_of_that_host(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    """The second worker was not refused itself; it waits all the same."""
    clock = Together(START)
    monkeypatch.setattr(clocks, "current", clock)
    limited = [True]

    def answers(asked: Asked) -> Any:
        if asked.path == "/a" and limited[0]:
            limited[0] = False
            return Reply(json={}, status=429, headers=headers)
        if asked.path == "/b" and "token" not in asked.params:
            assert clock.sleeping.wait(60)
            return {"data": [{"id": 1, "at": iso(-60)}], "next": "2"}
        return {"data": [{"id": 2, "at": iso(-60)}]}

    sync = Player(several("a", "b", workers=2), Upstream(answers)).sync()
    assert (sync.error, sync.ids("a"), sync.ids("b")) == ("", [2], [1, 2])
    assert len(clock.slept) == 1 and not clock.meet.broken


# ---- waits and syncs


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
    assert (tokens, clock.slept) == ([None, 2, 2, 2, 3], [30, 40])


def test_retry_later_without_a_wait_does_not_spin(clock: HeldClock) -> None:
    made, _ = waiting(*[0] * 20)
    Player(made, script({})).sync()
    assert len(clock.slept) == 20 and min(clock.slept) > 0


@pytest.mark.parametrize("seconds", [0, 3, 100])
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


def test_a_walk_that_oversleeps_the_end_of_the_call_says_for_what(
    clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = source()

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        raise RetryLater(0, "export 17 is not ready")

    monkeypatch.setattr(clock, "sleep", lambda seconds: clock.advance(200))
    player = Player(made, script({}))
    player.sync(calls=1)
    player.state["_sync"]["empty"] = 9
    assert "entity thing, page 1: export 17 is not ready" in player.call()["errorMessage"]


def test_short_waits_in_every_call_do_not_end_a_sync_whose_export_takes_a_while(
    clock: HeldClock,
) -> None:
    made = source()

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        if clock.time < START + 400:
            raise RetryLater(0, "export 17 is not ready")
        return Page([{"id": 1}])

    sync = Player(made, script({})).sync()
    assert (sync.error, sync.ids(), len(sync.replies)) == ("", [1], 3)


def test_while_one_entity_waits_it_is_not_asked_and_the_others_are_read(clock: HeldClock) -> None:
    limited = [True]

    def answers(asked: Asked) -> Any:
        if asked.path == "/b" and limited[0]:
            return Reply(json={}, status=429, headers={"Retry-After": "2400"})
        return GOOD

    upstream = Upstream(answers)
    player = Player(several("a", "b"), upstream, state={"a": iso(-600), "b": iso(-600)})
    for _ in range(3):
        sync = player.sync()
        assert (sync.error, sync.ids("a"), sync.ids("b")) == ("", [1], [])
        clock.advance(800)
    limited[0] = False
    assert player.sync().ids("b") == [1]
    assert (upstream.count("/a"), upstream.count("/b")) == (4, 2)


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
    assert (sync.error, sync.ids()) == ("", [1, 2])
    assert asked == [(None, 0), (2, 100), (2, 320)]


@pytest.mark.parametrize("state", [{"thing": "kept"}, {}])
def test_a_wait_of_40_minutes_pauses_a_sync_that_delivered_something(
    clock: HeldClock, state: dict[str, str]
) -> None:
    """A first sync must not look complete: its pause is an error."""
    made, tokens = waiting(2400)
    player = Player(made, script({}), state=state)
    first = player.sync()
    assert first.ids() == [1]
    if state:
        assert first.error == "" and first.replies[-1]["hasMore"] is False
    else:
        assert "thing" in first.error
    clock.advance(2400)
    second = player.sync()
    assert (second.error, second.ids()) == ("", [2, 3])
    assert tokens == [None, 2, 2, 3]


def test_a_sync_that_delivered_nothing_reports_how_long_to_wait(clock: HeldClock) -> None:
    made, tokens = waiting(2400)
    player = Player(made, script({}), state={"thing": "kept"})
    player.sync()
    clock.advance(600)
    sync = player.sync()
    assert "30 minutes" in sync.error and "entity thing" in sync.error
    assert tokens == [None, 2]


@pytest.mark.parametrize("soft_delete", [False, True])
def test_a_wait_on_the_first_call_reaches_the_state_before_the_error_is_shown(
    clock: HeldClock, soft_delete: bool
) -> None:
    """And the retry that follows an error asks nothing."""
    limit = Reply(json={}, status=429, headers={"Retry-After": "3000"})
    upstream = Upstream(lambda _: limit)
    made = source()
    reading(made, primary_key=["id"], soft_delete=soft_delete)
    player = Player(made, upstream)
    sync = player.sync()
    assert [reply["hasMore"] for reply in sync.replies] == [True]
    assert "50 minutes" in sync.error
    again = player.call()
    assert "50 minutes" in again["errorMessage"] and len(upstream.asked) == 1


@pytest.mark.parametrize("seconds", [90_000, 10**9, float("inf")])
def test_a_wait_longer_than_an_hour_is_kept_for_an_hour(clock: HeldClock, seconds: float) -> None:
    """What is kept in the state must be a moment from which a later sync goes on by itself."""
    made, _ = waiting(seconds)
    player = Player(made, script({}))
    sync = player.sync()
    assert sync.ids() == [1] and sync.error
    clock.advance(3601)
    sync = player.sync()
    assert (sync.error, sync.ids()) == ("", [2, 3])


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
