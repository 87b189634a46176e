"""Entities side by side, and what is left out when the time of a call is over."""

import threading
from typing import Any

import pytest
from connector import BearerToken, Fetch, Page, Source

from .play import Player
from .scripted import Asked, Upstream, endless, reading, several


def test_entities_are_read_side_by_side_and_pages_of_one_walk_in_order() -> None:
    """Two entities meet at a barrier: one after the other would wait for ever."""
    meet = threading.Barrier(2, timeout=20)

    def answers(asked: Asked) -> Any:
        if "token" not in asked.params:
            meet.wait()
            return {"data": [{"id": 1, "at": "2020-01-01"}], "next": "b"}
        return {"data": [{"id": 2, "at": "2020-01-02"}]}

    sync = Player(several("a", "b", workers=2), Upstream(answers)).sync()
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

    Player(several(*"abcdefgh", workers=3), Upstream(answers)).sync()
    assert 1 < most[0] <= 3


def test_one_worker_runs_everything_in_the_calling_thread() -> None:
    threads: list[threading.Thread] = []

    def answers(asked: Asked) -> Any:
        threads.append(threading.current_thread())
        return {"data": []}

    Player(several("a", "b", workers=1), Upstream(answers)).sync()
    assert threads == [threading.current_thread()] * 2


@pytest.mark.parametrize("workers", [2, 4])
def test_what_still_runs_when_the_time_is_over_is_left_out_of_the_reply(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of the only entity that is left, and one of another beside it."""
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "1")
    release = threading.Event()

    def answers(asked: Asked) -> Any:
        if asked.path == "/b" or "token" in asked.params:
            release.wait(30)
        second = "token" in asked.params
        return {"data": [{"id": 1 + second, "at": "2020-01-01"}], "next": None if second else 2}

    player = Player(several("a", "b", workers=workers), Upstream(answers))
    try:
        reply = player.call()
        assert not release.is_set()
    finally:
        release.set()
    assert (list(reply["insert"]), reply["hasMore"]) == (["a"], True)
    assert [row["id"] for row in reply["insert"]["a"]] == [1]
    monkeypatch.delenv("CONNECTOR_CALL_SECONDS")
    sync = player.go_on()
    assert (sync.ids("a"), sync.ids("b")) == ([2], [1, 2])
    assert player.state == {"a": "2020-01-01", "b": "2020-01-01"}


def test_what_comes_while_the_reply_is_being_written_is_left_out_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows without the state that goes with them would come twice."""
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "1")
    release, late = threading.Event(), []

    class Written(Source):
        @property
        def schema(self) -> dict[str, dict[str, list[str]]]:
            release.set()
            for thread in late:
                thread.join(20)
            return super().schema

    made = Written(base_url="https://api.example.com", auth=BearerToken("apiToken"), workers=2)
    reading(made, "a", primary_key=["id"], cursor="at")

    @made.entity("b", primary_key=["id"])
    def b(fetch: Fetch) -> Page:
        late.append(threading.current_thread())
        release.wait(30)
        return Page([{"id": 1}])

    reply = Player(made, endless(pages=1)).call()
    assert late and list(reply["insert"]) == ["a"]
