"""Entities side by side, and what is left out when the time of a call is over."""

import threading
from typing import Any

import pytest
from connector import BearerToken, Fetch, Page, Source
from connector.answer import answer

from .play import Player, checked, encoded
from .scripted import Asked, Upstream, endless, reading, script, several, source


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

    Player(several("a", "b", "c", "d", "e", "f", "g", "h", workers=3), Upstream(answers)).sync()
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

    player = Player(several("a", "b", workers=2), Upstream(answers))
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
        reply = checked(*answer(several("a", "b", workers=2), body, Upstream(answers)))
    finally:
        release.set()
    assert "entity a" in reply["errorMessage"] and "entity b" in reply["errorMessage"]


def test_the_only_entity_that_is_left_is_left_out_too_when_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A step that computes or sleeps for too long must not hold up the reply."""
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "1")
    release, made = threading.Event(), source(workers=4)

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        if fetch.token:
            release.wait(30)
        return Page([{"id": fetch.token or 1}], None if fetch.token else 2)

    player = Player(made, script({}))
    try:
        reply = player.call()
        assert not release.is_set()
    finally:
        release.set()
    assert ([row["id"] for row in reply["insert"]["thing"]], reply["hasMore"]) == ([1], True)
    monkeypatch.delenv("CONNECTOR_CALL_SECONDS")
    assert player.go_on().ids() == [2]
