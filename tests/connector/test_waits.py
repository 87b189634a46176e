"""Waits: in every unit that upstreams use, for rate limits that name none, and for exports."""

import threading

import pytest
import requests
from connector import Page, RetryLater
from connector import clock as clocks
from connector.testing import HeldClock, Reply

from .play import Player
from .scripted import START, Upstream, http_date, iso, one, script, several, stepping

NOW = int(START)
SPEAKING = {"message": "API rate limit exceeded for user ID 7."}
SECONDARY = "You have exceeded a secondary rate limit. Please wait before you try again."
GOOD = {"data": [{"id": 1, "at": iso(-60)}]}
LEFT, NONE_LEFT = {"X-RateLimit-Remaining": "4731"}, {"X-RateLimit-Remaining": "0"}


def limit(after=None, status=429, json=None, **headers):
    """A response that asks to wait, by Retry-After or otherwise."""
    headers |= {"Retry-After": str(after)} if after else {}
    return Reply(json=json or {}, status=status, headers=headers)


RETRY_AFTER = [
    ({"Retry-After": "7"}, 7),
    ({"Retry-After": http_date(30)}, 30),
    ({"Retry-After": http_date(3630), "Date": http_date(3600)}, 30),  # by the upstream's clock
    # A clock that is days off is no clock, nor is that of a cache.
    ({"Retry-After": str(NOW + 2), "Date": http_date(-3 * 86400)}, 2),
    ({"Retry-After": http_date(2), "Date": http_date(-3600), "Age": "3600"}, 2),
    ({"Retry-After": str(NOW + 2)}, 2),
    ({"Retry-After": str((NOW + 2) * 1000)}, 2),
    ({"Retry-After": str(NOW + 3602), "Date": http_date(3600)}, 2),
    ({"retry-after-ms": "1500"}, 1.5),
    ({"retry-after-ms": "1500", "Retry-After": "2"}, 1.5),
]
RESETS = [
    ({"X-RateLimit-Reset": "12", **NONE_LEFT}, 12),
    ({"X-RateLimit-Reset": "12", **NONE_LEFT, "Retry-After": "soon"}, 12),
    ({"X-RateLimit-Reset": f"{NOW + 40}.5", **NONE_LEFT}, 40.5),
    ({"X-RateLimit-Reset": iso(60, "%Y-%m-%dT%H:%MZ")}, 60),
    ({"X-Rate-Limit-Reset": str(NOW + 9)}, 9),
    ({"RateLimit-Reset": "20", "RateLimit-Remaining": "0"}, 20),
    ({"X-RateLimit-Reset-After": "2.25", "X-RateLimit-Reset": f"{NOW + 2}.25"}, 2.25),
    ({"X-Rate-Limit-Reset-Ms": "15000"}, 15),
    ({"RateLimit": '"api";r=0;t=20'}, 20),
    ({"RateLimit": '"burst";r=0;t=2, "day";r=50;t=3600'}, 2),
    ({"RateLimit": "limit=100, remaining=0, reset=20", "RateLimit-Policy": "100;w=60"}, 20),
    ({"Example-RateLimit-Search": "total=100; remaining=0; resets=41"}, 41),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "63.5"}, 63.5),
    # What is named is the limit of the hour, and there is plenty left of it.
    ({"X-RateLimit-Reset": str(NOW + 2400), **LEFT}, 0),
    ({"RateLimit": '"hour";r=7;t=3600'}, 0),
]
NO_WAITS = ["0", "-5", "soon", "nan", "inf", "1e400", "", "1e9", str(NOW - 5)]
NO_WAITS += ["Thu, 01 Jan 1970 00:00:00 GMT"]
ODD = ["9" * 65_000 + "x", "r=" * 30_000, "1" + "h1" * 30_000, "x-" * 30_000, "²"]


@pytest.mark.parametrize(
    "status, headers, seconds",
    [
        *((status, *row) for status in (429, 403, 503) for row in RETRY_AFTER),
        (500, *RETRY_AFTER[0]),
        *((status, *row) for status in (429, 403) for row in RESETS),
        *((429, {"Retry-After": text}, 0) for text in NO_WAITS),
        *((429, dict.fromkeys(("RateLimit", "X-RateLimit-Reset", "Date"), o), 0) for o in ODD),
        # Every response of some APIs has it.
        (503, {"X-RateLimit-Reset": "12", **NONE_LEFT}, 0),
    ],
)
def test_the_wait_that_a_response_names_is_waited_for_else_our_own(clock, status, headers, seconds):
    """0 stands for: it names none, so the first wait is between half a second and one."""
    replies = [limit(status=status, json=SPEAKING, **headers), GOOD]
    sync = Player(one(), Upstream(lambda _: replies.pop(0))).sync()
    assert (sync.error, sync.ids(), replies) == ("", [1], [])
    (slept,) = clock.slept
    assert slept == pytest.approx(seconds, abs=1e-5) if seconds else 0.5 <= slept <= 1


@pytest.mark.parametrize("after", ["9" * 14, "864000", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_wait_longer_than_an_hour_is_kept_for_an_hour(clock, after):
    """What is kept in the state must be a moment from which a later sync goes on by itself."""
    replies = [limit(after), GOOD]
    player = Player(one(), Upstream(lambda _: replies.pop(0)))
    assert "answered 429 Too Many Requests: {}: must wait 86400 s" in player.sync().error
    clock.advance(3601)
    assert (player.sync().error, player.alive().keys()) == ("", {1})


LIMITS = [
    (429, {}),
    (403, {"message": SECONDARY}),
    (403, {"error": {"errors": [{"reason": "userRateLimitExceeded"}]}}),
    (403, {"error": "Too many requests"}),
    (403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED"}]),
    (403, {"message": "Request was throttled."}),
]


@pytest.mark.parametrize("status, body", LIMITS)
def test_a_limit_without_a_time_is_waited_out(clock, status, body):
    limited = limit(status=status, json=body, **LEFT)
    upstream = Upstream(lambda _: GOOD if clock.time >= START + 60 else limited)
    sync = Player(one(), upstream).sync()
    assert (sync.error, sync.ids(), len(sync.replies)) == ("", [1], 1)
    assert 6 < len(upstream.asked) < 15


def test_a_rate_limit_without_end_is_asked_again_by_later_calls(clock):
    """Though the body begins with something long."""
    body = {"documentation_url": "https://docs.example.com/" + "x" * 180, "message": SECONDARY}
    upstream = Upstream(lambda _: limit(status=403, json=body, **LEFT))
    player = Player(one(), upstream)
    assert player.sync(calls=1).error == "" and player.state["_sync"]
    before = len(upstream.asked)
    message = player.go_on().error
    assert len(upstream.asked) > before > 6
    assert f" answered 403 Forbidden: {SECONDARY}: must wait " in message


@pytest.mark.parametrize("text", ["Forbidden", "no access to the limit"])
def test_a_403_that_is_no_rate_limit_is_an_error_at_once(clock, text):
    upstream = Upstream(lambda _: limit(status=403, json={"message": text}, **LEFT))
    assert "answered 403" in Player(one(), upstream).sync().error
    assert clock.slept == []


SPOKEN = [limit(9, 403, SPEAKING), limit(status=403, RateLimit='"api";r=0;t=9')]


@pytest.mark.parametrize("limited", SPOKEN)
def test_a_403_in_ok_may_be_a_limit(clock, limited):
    """Else a limit would look like a project that may not be read, and its rows were left out."""
    statuses = []

    def step(fetch):
        statuses.extend(fetch.get("/thing", ok=[403]).status_code for _ in range(2))
        return Page()

    replies = [limited, GOOD, limit(status=403, json={"message": "Forbidden"})]
    Player(stepping(step), Upstream(lambda _: replies.pop(0))).sync()
    assert (statuses, clock.slept) == ([200, 403], [9])


class Together(HeldClock):
    """A clock on which two threads must sleep at the same time, or the test fails."""

    def __init__(self, time):
        super().__init__(time)
        self.meet = threading.Barrier(2, timeout=60)
        self.sleeping = threading.Event()

    def sleep(self, seconds):
        self.sleeping.set()
        if self.meet.wait() == 0:
            super().sleep(seconds)
        self.meet.wait()  # neither goes on before the time has moved


@pytest.mark.parametrize("after", [60, None])
def test_a_429_cools_every_worker(monkeypatch, after):
    """The second worker was not refused itself; it waits all the same."""
    clock = Together(START)
    monkeypatch.setattr(clocks, "current", clock)
    first = [limit(after)]

    def answers(asked):
        if asked.path == "/a":
            return first.pop() if first else {"data": [{"id": 2, "at": iso(-60)}]}
        assert clock.sleeping.wait(60)
        return {**GOOD, "next": None if "token" in asked.params else "2"}

    sync = Player(several("a", "b", workers=2), Upstream(answers)).sync()
    assert (sync.error, sync.ids("a"), sync.ids("b")) == ("", [2], [1, 1])
    assert len(clock.slept) == 1 and not clock.meet.broken


@pytest.mark.parametrize("state", [{"thing": "committed"}, {}])
def test_a_wait_of_40_minutes_pauses_a_sync_and_keeps_the_token(clock, state):
    """A first sync must not look complete: its pause is an error."""
    tokens, waits = [], [2400]

    def step(fetch):
        tokens.append(fetch.token)
        page = fetch.token or 1
        if page == 2 and waits:
            raise RetryLater(waits.pop(), "the export is not ready")
        return Page([{"id": page}], page + 1 if page < 3 else None)

    player = Player(stepping(step), script({}), state=state)
    first = player.sync()
    assert first.ids() == [1]
    assert ("thing" in first.error) is (not state)
    assert first.replies[-1]["hasMore"] is not bool(state)
    clock.advance(600)
    second = player.sync()
    assert "30 minutes" in second.error and "entity thing" in second.error
    clock.advance(1800)
    third = player.sync()
    assert (third.error, third.ids(), tokens) == ("", [2, 3], [None, 2, 2, 3])


@pytest.mark.parametrize("soft_delete", [False, True])
def test_a_wait_on_the_first_call_reaches_the_state_first(clock, soft_delete):
    """And the retry that follows an error asks nothing."""
    upstream = Upstream(lambda _: limit(3000))
    player = Player(one(cursor=None, soft_delete=soft_delete), upstream)
    sync = player.sync()
    assert [reply["hasMore"] for reply in sync.replies] == [True]
    assert "50 minutes" in sync.error
    assert "50 minutes" in player.call()["errorMessage"] and len(upstream.asked) == 1


@pytest.mark.parametrize("spent", [140, 146, 146.9])
def test_a_rate_limit_outlasts_a_connection_that_breaks_when_the_time_is_over(clock, spent):
    """What is kept for the next call is the wait, not the broken connection."""
    asked = []

    def answers(_):
        asked.append(clock.now())
        if len(asked) == 1:
            clock.advance(spent)
            return limit(json=SPEAKING)
        clock.advance(150)
        raise requests.ReadTimeout

    reply = Player(one(), Upstream(answers)).call()
    (walk,) = reply["state"]["_sync"]["walks"].values()
    assert reply["hasMore"] and walk["wait_until"] > clock.now()
    assert "answered 429" in walk["wait_why"]


def test_a_failure_after_a_rate_limit_is_logged_as_itself(clock, caplog):
    caplog.set_level("INFO")
    replies = [limit(2), Reply(json={}, status=502), Reply(json={}, status=502), GOOD]
    assert Player(one(), Upstream(lambda _: replies.pop(0))).sync().error == ""
    waits = [line for line in caplog.messages if "event=waiting" in line]
    assert "429" in waits[0] and all("502" in line for line in waits[1:])
