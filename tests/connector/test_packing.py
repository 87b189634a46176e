"""What one call packs: several pages of several entities, until seconds or bytes are spent."""

import threading
from typing import Any

import pytest
from connector import BearerToken, Fetch, Page, Source
from connector.answer import answer
from connector.testing import HeldClock

from .play import (
    Asked,
    Player,
    Sync,
    Upstream,
    checked,
    encoded,
    iso,
    one,
    reading,
    script,
    source,
)


def endless(*, rows: int = 1, size: int = 1, pages: int = 10**9) -> Upstream:
    """Page after page of records; the token is the number of the page."""

    def answers(asked: Asked) -> Any:
        page = int(asked.params.get("token", 0))
        data = [
            {"id": page * rows + i, "at": iso(-9000 + page), "text": "x" * size}
            for i in range(rows)
        ]
        return {"data": data, "next": page + 1 if page + 1 < pages else None}

    return Upstream(answers)


def slow(clock: HeldClock, upstream: Upstream, *seconds: float) -> Upstream:
    """Every request takes so long; the last number goes for all that follow."""
    left = list(seconds)

    def answers(asked: Asked) -> Any:
        clock.advance(left.pop(0) if len(left) > 1 else left[0])
        return upstream.answers(asked)

    return Upstream(answers)


def several(count: int, **options: Any) -> Source:
    """Entities a, b, c, … that page alike."""
    made = source(**options)
    for name in "abcdefgh"[:count]:
        reading(made, name, primary_key=["id"], cursor="at")
    return made


@pytest.mark.usefixtures("clock")
def test_a_small_sync_is_one_reply() -> None:
    upstream = endless(pages=3)
    sync = Player(one(), upstream).sync()
    assert (len(sync.replies), sync.ids()) == (1, [0, 1, 2])


@pytest.mark.usefixtures("clock")
def test_several_entities_share_one_reply() -> None:
    sync = Player(several(3), endless(pages=2)).sync()
    assert len(sync.replies) == 1
    assert {name: sync.ids(name) for name in "abc"} == {name: [0, 1] for name in "abc"}


def test_a_call_ends_when_another_page_may_not_fit_into_its_150_seconds(clock: HeldClock) -> None:
    sync = Player(one(), slow(clock, endless(), 40)).sync(calls=1)
    assert len(sync.ids()) == 3
    assert sync.replies[0]["hasMore"]


def test_the_slowest_page_so_far_is_what_must_fit(clock: HeldClock) -> None:
    sync = Player(one(), slow(clock, endless(), 60, 10)).sync(calls=1)
    assert len(sync.ids()) == 4


def test_the_seconds_of_a_call_are_a_setting(
    clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "25")
    sync = Player(one(), slow(clock, endless(), 10)).sync(calls=1)
    assert len(sync.ids()) == 2


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONNECTOR_CALL_SECONDS", "191"),
        ("CONNECTOR_CALL_SECONDS", "0"),
        ("CONNECTOR_CALL_SECONDS", "soon"),
        ("CONNECTOR_CALL_SECONDS", "nan"),
        ("CONNECTOR_CALL_BYTES", "-1"),
    ],
)
def test_a_setting_out_of_range_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    error = Player(one(), endless()).sync().error
    assert name in error and value in error


@pytest.mark.usefixtures("clock")
def test_a_reply_ends_when_its_bytes_are_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "5000")
    sync = Player(one(), endless(size=1000, pages=20)).sync()
    assert sync.ids() == list(range(20))
    sizes = [sum(len(encoded(row)) for row in reply["insert"]["thing"]) for reply in sync.replies]
    assert all(5000 <= size <= 5000 + 1100 for size in sizes[:-1])


@pytest.mark.usefixtures("clock")
def test_a_reply_is_8_mebibytes_unless_said_otherwise() -> None:
    sync = Player(one(), endless(size=2**20, pages=20)).sync(calls=1)
    assert len(sync.ids()) == 8


@pytest.mark.usefixtures("clock")
def test_every_reply_carries_the_same_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "1")
    sync = Player(several(2), endless(pages=2)).sync()
    schemas = [reply["schema"] for reply in sync.replies]
    assert schemas == [{"a": {"primary_key": ["id"]}, "b": {"primary_key": ["id"]}}] * 4


@pytest.mark.usefixtures("clock")
def test_pages_of_one_walk_are_delivered_in_the_order_read() -> None:
    pages = {None: ([{"id": 1, "at": iso(-9), "v": 1}], "b"), "b": [{"id": 1, "at": iso(-8)}]}
    assert [row["at"] for row in Player(one(), script(pages)).sync().inserted()] == [
        iso(-9),
        iso(-8),
    ]


def test_what_waited_longest_goes_first(clock: HeldClock) -> None:
    """One page a call, three entities: each has its turn."""
    upstream = endless()
    player = Player(several(3), slow(clock, upstream, 100))
    player.sync(calls=7)
    order = [ask.path for ask in player.upstream.asked]
    assert order == [f"/{name}" for name in "abcabca"]


# ---- empty pages


def quiet_parents(clock: HeldClock, parents: int, seconds: float) -> tuple[Source, Upstream]:
    """Comments of 6,000 tickets, one request each, and nothing new in any."""
    made = source()

    @made.entity("comment", primary_key=["id"], cursor="at")
    def comment(fetch: Fetch) -> Page:
        parent = fetch.token or 0
        rows = fetch.get(f"/tickets/{parent}/comments", params={"since": fetch.since}).rows()
        return Page(rows, parent + 1 if parent + 1 < parents else None)

    def answers(asked: Asked) -> Any:
        clock.advance(seconds)
        return []

    return made, Upstream(answers)


def empty_streak(*syncs: Sync) -> int:
    """The longest run of empty replies."""
    longest = run = 0
    for reply in (reply for sync in syncs for reply in sync.replies):
        run = 0 if reply["insert"] or reply.get("delete") or reply.get("softDelete") else run + 1
        longest = max(longest, run)
    return longest


def test_empty_pages_are_walked_through_inside_a_call(clock: HeldClock) -> None:
    made, upstream = quiet_parents(clock, 400, 0.3)
    sync = Player(made, upstream, state={"comment": iso(-60)}).sync()
    assert (len(sync.replies), len(upstream.asked)) == (1, 400)


def test_6000_quiet_parents_at_300_ms_pause_before_fivetran_counts_ten_empty_replies(
    clock: HeldClock,
) -> None:
    made, upstream = quiet_parents(clock, 6000, 0.3)
    player = Player(made, upstream, state={"comment": iso(-60)})
    first, second = player.sync(), player.sync()
    assert first.error == second.error == ""
    assert empty_streak(first) <= 10
    assert "_sync" in first.replies[-1]["state"]
    assert len({ask.path for ask in upstream.asked}) == len(upstream.asked) == 6000
    assert player.state == {"comment": iso(-60)}


def test_without_a_sync_id_a_pause_goes_on_with_the_next_scheduled_sync(clock: HeldClock) -> None:
    made, upstream = quiet_parents(clock, 240, 15)
    player = Player(made, upstream, state={"comment": iso(-60)}, sync_ids=False)
    for _ in range(6):
        assert player.sync().error == ""
        clock.advance(3600)
    assert player.state == {"comment": iso(-60)}


def test_a_first_sync_that_pauses_must_not_look_complete(clock: HeldClock) -> None:
    """`hasMore: false` would let Fivetran start what waits for the historical sync."""
    made, upstream = quiet_parents(clock, 120, 15)
    player = Player(made, upstream)
    first = player.sync()
    assert empty_streak(first) <= 10
    assert all(reply["hasMore"] for reply in first.replies)
    assert "first reading of comment is not through" in first.error
    assert "next sync goes on" in first.error
    second = player.sync()
    assert second.error == "" and not second.replies[-1]["hasMore"]
    assert "_sync" not in player.state


def test_a_first_sync_that_pauses_always_gets_on(clock: HeldClock) -> None:
    made, upstream = quiet_parents(clock, 300, 15)
    player = Player(made, upstream)
    errors = 0
    for _ in range(10):
        sync = player.sync()
        assert empty_streak(sync) <= 10
        errors += bool(sync.error)
        if not sync.error:
            break
    assert 0 < errors < 5
    assert {ask.path for ask in upstream.asked} == {f"/tickets/{i}/comments" for i in range(300)}


def test_rows_end_a_streak_of_empty_replies(clock: HeldClock) -> None:
    made = source()

    @made.entity("comment", primary_key=["id"], cursor="at")
    def comment(fetch: Fetch) -> Page:
        clock.advance(100)
        parent = fetch.token or 0
        rows = [{"id": parent, "at": iso(-30)}] if parent % 8 == 7 else []
        return Page(rows, parent + 1 if parent < 39 else None)

    sync = Player(made, script({}), state={"comment": iso(-60)}).sync()
    assert sync.ids("comment") == [7, 15, 23, 31, 39]


# ---- side by side


def test_entities_are_read_side_by_side_and_pages_of_one_walk_in_order() -> None:
    """Two entities meet at a barrier: one after the other would wait for ever."""
    meet = threading.Barrier(2, timeout=20)

    def answers(asked: Asked) -> Any:
        if "token" not in asked.params:
            meet.wait()
            return {"data": [{"id": 1, "at": "2020-01-01"}], "next": "b"}
        return {"data": [{"id": 2, "at": "2020-01-02"}]}

    sync = Player(several(2, workers=2), Upstream(answers)).sync()
    assert (sync.error, sync.ids("a"), sync.ids("b")) == ("", [1, 2], [1, 2])


def test_no_more_entities_run_at_a_time_than_there_are_workers() -> None:
    lock, running, most = threading.Lock(), [0], [0]
    some = threading.Event()

    def answers(asked: Asked) -> Any:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        some.wait(0.02)
        with lock:
            running[0] -= 1
        return {"data": []}

    Player(several(8, workers=3), Upstream(answers)).sync()
    assert 1 < most[0] <= 3


def test_one_worker_runs_everything_in_the_calling_thread() -> None:
    made, threads = source(workers=1), set()
    for name in "ab":

        @made.entity(name, primary_key=["id"])
        def step(fetch: Fetch) -> Page:
            threads.add(threading.current_thread())
            return Page()

    Player(made, script({})).sync()
    assert threads == {threading.current_thread()}


def test_what_still_runs_when_the_time_is_over_is_left_out_of_the_reply(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "1")
    release = threading.Event()

    def answers(asked: Asked) -> Any:
        if asked.path == "/b":
            release.wait(30)
        return {"data": [{"id": 1, "at": "2020-01-01"}]}

    player = Player(several(2, workers=2), Upstream(answers))
    try:
        reply = player.call()
    finally:
        release.set()
    assert (reply["insert"].keys(), reply["hasMore"]) == ({"a"}, True)
    monkeypatch.delenv("CONNECTOR_CALL_SECONDS")
    assert player.go_on().ids("b") == [1]
    assert player.state == {"a": "2020-01-01", "b": "2020-01-01"}


def test_what_comes_while_the_reply_is_being_written_is_left_out_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows without the state that goes with them would come twice."""
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "0.5")
    release, late = threading.Event(), []

    class Written(Source):
        @property
        def schema(self) -> dict[str, dict[str, list[str]]]:
            release.set()
            for thread in late:
                thread.join(20)
            return super().schema

    def answers(asked: Asked) -> Any:
        if asked.path == "/b":
            late.append(threading.current_thread())
            release.wait(30)
        return {"data": [{"id": 1, "at": "2020-01-01"}]}

    made = Written(base_url="https://api.example.com", auth=BearerToken("apiToken"), workers=2)
    for name in "ab":
        reading(made, name, primary_key=["id"], cursor="at")
    reply = Player(made, Upstream(answers)).call()
    assert late and reply["insert"].keys() == {"a"}


def test_when_all_that_runs_is_left_out_the_report_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "0.3")
    release = threading.Event()

    def answers(asked: Asked) -> Any:
        release.wait(30)
        return {"data": []}

    body = encoded({"state": {}, "secrets": {"apiToken": "made-up-token-1"}})
    try:
        reply = checked(*answer(several(2, workers=2), body, Upstream(answers)))
    finally:
        release.set()
    assert "entity a" in reply["errorMessage"] and "entity b" in reply["errorMessage"]
