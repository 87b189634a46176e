"""Several connections in one process, threads that know who called, and what they log."""

import contextvars
import threading
from typing import Any

import pytest
from connector import BearerToken, Fetch, Page, Source
from connector.sync.handler import handle

from .play import Player, checked, encoded
from .scripted import SECRETS, Asked, Upstream, iso, reading, source

invocation: contextvars.ContextVar[str] = contextvars.ContextVar("invocation", default="none")


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
        ids = [f"{tenant}{page}" for page in range(5)]
        for name in "ab":
            assert [row["id"] for row in replies[tenant]["insert"][name]] == ids
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


@pytest.mark.parametrize(
    ("ats", "events"),
    [
        ([iso(-60), iso(-50)], []),
        ([iso(-60), "Never", "-"], ["unreadable_cursor"]),
        (["2099-01-01"], ["no_cursor_committed"]),
        ([None], ["no_cursor_committed"]),
    ],
)
def test_what_a_reader_of_the_log_should_know_has_a_line(
    ats: list[Any], events: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A page has one line for all values that cannot be read; it names the first record."""
    rows = [{"id": i, "at": at} for i, at in enumerate(ats)]
    made = source()
    reading(made, primary_key=["id"], cursor="at")
    sync = Player(made, Upstream(lambda asked: {"data": rows})).sync()
    assert (sync.error, sync.inserted()) == ("", rows)
    assert [text.split()[0] for text in caplog.messages] == [f"event={name}" for name in events]
    assert all("entity=thing" in text for text in caplog.messages)
    assert events != ["unreadable_cursor"] or "record=1 value=Never count=2" in caplog.text
