"""Entities side by side, what is late is left out, and connections that share a process."""

import contextvars
import threading

import pytest
from connector import BearerToken, Page, Source
from connector.sync.handler import handle

from .play import Player, checked, encoded
from .scripted import SECRETS, Upstream, endless, paged, reading, several, source

invocation = contextvars.ContextVar("invocation", default="none")


@pytest.mark.parametrize("workers", [1, 3])
def test_as_many_entities_are_read_at_a_time_as_there_are_workers(workers):
    """Pages of one walk in order; one worker runs everything in the calling thread."""
    some, running, counts, threads = threading.Event(), [], [], set()

    def rows(page):
        threads.add(threading.current_thread())
        running.append(page)
        counts.append(len(running))
        some.wait(0.01)
        running.pop()
        return [{"id": page, "at": "2020-01-01"}]

    sync = Player(several(*"abcdef", workers=workers), paged(rows, 3)).sync()
    assert [sync.ids(name) for name in "abcdef"] == [[0, 1, 2]] * 6
    assert max(counts) == 1 if workers == 1 else 1 < max(counts) <= workers
    assert (threads == {threading.current_thread()}) == (workers == 1)


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("writing", [False, True])
def test_what_still_runs_when_the_time_is_over_is_left_out_of_the_reply(
    workers, writing, monkeypatch
):
    """A page of the only entity that is left, and one of another beside it; also if they come
    while the reply is written: rows without the state that goes with them would come twice."""
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "0.3")
    release, healthy, late = threading.Event(), endless(pages=2).answers, []

    class Written(Source):
        @property
        def schema(self):
            if writing:
                release.set()
                for thread in late:
                    thread.join(20)
            return super().schema

    def answers(asked):
        if asked.path == "/b" or "token" in asked.params:
            late.append(threading.current_thread())
            release.wait(30)
        return healthy(asked)

    made = Written(
        base_url="https://api.example.com", auth=BearerToken("apiToken"), workers=workers
    )
    for name in "ab":
        reading(made, name, primary_key=["id"], cursor="at")
    player = Player(made, Upstream(answers))
    try:
        reply = player.call()
        assert late and release.is_set() == writing
    finally:
        release.set()
    assert (list(reply["insert"]), reply["hasMore"]) == (["a"], True)
    assert [row["id"] for row in reply["insert"]["a"]] == [0]
    monkeypatch.delenv("CONNECTOR_CALL_SECONDS")
    sync = player.go_on()
    assert (sync.ids("a"), sync.ids("b")) == ([1], [0, 1])
    assert player.state.keys() == {"a", "b"}


def test_two_connections_at_once_in_one_process_do_not_mix():
    """Every page of the one waits for the same page of the other; each has its own token, state,
    and records."""
    made = source(workers=4)
    for name in "ab":
        reading(made, name, primary_key=["id"], cursor="at", cursor_type="text")
    meet = {path: threading.Barrier(2, timeout=20) for path in ("/a", "/b")}
    wrong = []

    def answers(asked):
        meet[asked.path].wait()
        tenant = asked.headers["Authorization"].removeprefix("Bearer token-of-")
        token = asked.params.get("token", f"{tenant}0")
        if not token.startswith(tenant) or asked.params["since"] != f"{tenant}-":
            wrong.append(asked)
        page = int(token.removeprefix(tenant))
        following = f"{tenant}{page + 1}" if page < 4 else None
        return {"data": [{"id": page, "at": f"{tenant}-{page}"}], "next": following}

    upstream, players, threads = Upstream(answers), {}, []
    for tenant in ("east", "west"):
        secrets, state = {"apiToken": f"token-of-{tenant}"}, dict.fromkeys("ab", f"{tenant}-")
        players[tenant] = Player(made, upstream, state=state, secrets=secrets)
        threads.append(threading.Thread(target=players[tenant].sync))
        threads[-1].start()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    for tenant, player in players.items():
        rows = {page: {"id": page, "at": f"{tenant}-{page}"} for page in range(5)}
        assert player.alive("a") == player.alive("b") == rows
        assert player.state == {"a": f"{tenant}-4", "b": f"{tenant}-4"}
    # Nor is the secret of one the fallback of another.
    assert "apiToken" in Player(made, upstream, secrets={}).sync().error


@pytest.mark.parametrize("workers", [1, 2, 9])
@pytest.mark.parametrize("setup_test", [True, False])
def test_each_walk_begins_with_the_callers_context(workers, setup_test):
    """Azure finds an invocation's log lines through a context variable. Also where one thread
    reads several entities, where two of them share a table, and where that is the calling thread;
    what one walk puts into its context stays with it."""
    made, seen = source(workers=workers), {}

    for name in "abcd":

        @made.entity(name, primary_key=["id"], tables={"line": ["id"]} if name in "ab" else None)
        def step(fetch):
            seen[fetch.entity] = invocation.get()
            invocation.set(fetch.entity)
            return Page()

    def call():
        invocation.set("the caller's")
        body = encoded({"state": {}, "secrets": SECRETS, "setup_test": setup_test})
        checked(*handle(made, body, endless()))
        assert invocation.get() == "the caller's"

    contextvars.copy_context().run(call)
    assert seen == dict.fromkeys("abcd", "the caller's")
