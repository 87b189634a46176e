"""Entities side by side, what is late is left out, and connections that share a process."""

import contextvars
import threading
from typing import Any

import pytest
from connector import BearerToken, Fetch, Page, Source
from connector.sync.handler import handle

from .play import Player, checked, encoded
from .scripted import SECRETS, Asked, Upstream, endless, reading, several, source

invocation: contextvars.ContextVar[str] = contextvars.ContextVar("invocation", default="none")


@pytest.mark.parametrize("workers", [1, 3])
def test_as_many_entities_are_read_at_a_time_as_there_are_workers(workers: int) -> None:
    """Pages of one walk in order; one worker runs everything in the calling thread."""
    lock, some, running, most = threading.Lock(), threading.Event(), [0], [0]
    threads: set[threading.Thread] = set()

    def answers(asked: Asked) -> Any:
        with lock:
            threads.add(threading.current_thread())
            running[0] += 1
            most[0] = max(most[0], running[0])
        some.wait(0.02)
        with lock:
            running[0] -= 1
        page = int(asked.params.get("token", 0))
        return {"data": [{"id": page, "at": "2020-01-01"}], "next": page + 1 if page < 2 else None}

    sync = Player(several(*"abcdefgh", workers=workers), Upstream(answers)).sync()
    assert [sync.ids(name) for name in "abcdefgh"] == [[0, 1, 2]] * 8
    assert most[0] == 1 if workers == 1 else 1 < most[0] <= workers
    assert (threads == {threading.current_thread()}) == (workers == 1)


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


def test_two_connections_at_once_in_one_process_do_not_mix() -> None:
    """Every page of the one waits for the same page of the other; each has its own token, state,
    and records."""
    made = Source(base_url="https://api.example.com", auth=BearerToken("apiToken"))
    for name in "ab":
        reading(made, name, primary_key=["id"], cursor="at", cursor_type="text")
    meet = {path: threading.Barrier(2, timeout=20) for path in ("/a", "/b")}
    wrong: list[Asked] = []

    def answers(asked: Asked) -> Any:
        meet[asked.path].wait()
        tenant = asked.headers["Authorization"].removeprefix("Bearer token-of-")
        token = asked.params.get("token", f"{tenant}0")
        if not token.startswith(tenant) or asked.params["since"] != f"{tenant}-":
            wrong.append(asked)
        page = int(token.removeprefix(tenant))
        return {
            "data": [{"id": f"{tenant}{page}", "at": f"{tenant}-{page}"}],
            "next": f"{tenant}{page + 1}" if page < 4 else None,
        }

    replies: dict[str, dict[str, Any]] = {}

    def sync(tenant: str) -> None:
        state = {"a": f"{tenant}-", "b": f"{tenant}-"}
        body = encoded({"state": state, "secrets": {"apiToken": f"token-of-{tenant}"}})
        replies[tenant] = checked(*handle(made, body, upstream))

    upstream = Upstream(answers)
    threads = [threading.Thread(target=sync, args=(tenant,)) for tenant in ("east", "west")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    for tenant in ("east", "west"):
        rows = [{"id": f"{tenant}{page}", "at": f"{tenant}-{page}"} for page in range(5)]
        assert replies[tenant]["insert"] == {"a": rows, "b": rows}
        assert replies[tenant]["state"] == {"a": f"{tenant}-4", "b": f"{tenant}-4"}


def test_one_connections_secret_is_not_another_connections_fallback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("apiToken", raising=False)
    made = source()
    reading(made, primary_key=["id"])
    upstream = Upstream(lambda asked: {"data": []})
    body = encoded({"state": {}, "secrets": {"apiToken": "first-token-1"}})
    assert "errorMessage" not in checked(*handle(made, body, upstream))
    assert "errorMessage" in checked(*handle(made, b'{"state": {}, "secrets": {}}', upstream))


@pytest.mark.parametrize("workers", [1, 2, 9])
@pytest.mark.parametrize("setup_test", [True, False])
def test_each_walk_begins_with_the_callers_context(workers: int, setup_test: bool) -> None:
    """Azure finds an invocation's log lines through a context variable. Also where one thread
    reads several entities, where two of them share a table, and where that is the calling thread;
    what one walk puts into its context stays with it."""
    made, seen = source(workers=workers), {}

    for name in ("a", "b", "c", "d"):
        tables = {"line": ["id"]} if name in "ab" else None

        @made.entity(name, primary_key=["id"], tables=tables)
        def step(fetch: Fetch) -> Page:
            seen[fetch.entity] = invocation.get()
            invocation.set(fetch.entity)
            return Page()

    def call() -> None:
        invocation.set("the caller's")
        body = encoded({"state": {}, "secrets": SECRETS, "setup_test": setup_test})
        checked(*handle(made, body, Upstream(lambda asked: {})))
        assert invocation.get() == "the caller's"

    contextvars.copy_context().run(call)
    assert seen == dict.fromkeys("abcd", "the caller's")
