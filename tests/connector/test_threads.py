"""Several connections in one process, and threads that know who called."""

import contextvars
import json
import logging
import threading
from typing import Any

import pytest
from connector import BearerToken, Fetch, Page, Source
from connector.answer import answer

from .play import Player, checked, encoded
from .scripted import SECRETS, Asked, Upstream, iso, reading, source

invocation: contextvars.ContextVar[str] = contextvars.ContextVar("invocation", default="none")


def test_two_connections_at_once_in_one_process_do_not_mix() -> None:
    """Every page of the one waits for the same page of the other; each has its own token, state,
    and records."""
    made = Source(base_url="https://api.example.com", auth=BearerToken("apiToken"))
    reading(made, "a", primary_key=["id"], cursor="at")
    reading(made, "b", primary_key=["id"], cursor="at")
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
        replies[tenant] = checked(*answer(made, body, upstream))

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
    assert "errorMessage" not in checked(*answer(made, body, upstream))
    assert "errorMessage" in checked(*answer(made, b'{"state": {}, "secrets": {}}', upstream))


@pytest.mark.parametrize("workers", [1, 3])
def test_steps_keep_the_callers_context(workers: int) -> None:
    """Azure finds an invocation's log lines through a context variable."""
    made, seen = source(workers=workers), {}
    meet = threading.Barrier(workers, timeout=20)

    for name in ("a", "b", "c"):

        @made.entity(name, primary_key=["id"])
        def step(fetch: Fetch) -> Page:
            meet.wait()
            seen[fetch.entity] = (invocation.get(), threading.current_thread())
            return Page()

    def call(number: str) -> None:
        invocation.set(number)
        Player(made, Upstream(lambda asked: {})).sync()

    contextvars.copy_context().run(call, "invocation-7")
    assert {name: value for name, (value, _) in seen.items()} == dict.fromkeys(
        "abc", "invocation-7"
    )
    assert len({thread for _, thread in seen.values()}) == workers
    assert invocation.get() == "none"


def test_what_one_walk_puts_into_its_context_stays_with_it() -> None:
    made, seen = source(workers=2), {}
    meet = threading.Barrier(2, timeout=20)

    for name in ("a", "b"):

        @made.entity(name, primary_key=["id"])
        def step(fetch: Fetch) -> Page:
            meet.wait()
            invocation.set(fetch.entity)
            meet.wait()
            seen[fetch.entity] = invocation.get()
            return Page()

    Player(made, Upstream(lambda asked: {})).sync()
    assert seen == {"a": "a", "b": "b"}
    assert invocation.get() == "none"


@pytest.mark.parametrize("workers", [1, 2, 9])
@pytest.mark.parametrize("setup_test", [True, False])
def test_each_walk_begins_with_the_callers_context(workers: int, setup_test: bool) -> None:
    """Also where one thread reads several entities, where two of them share a table, and where
    that is the calling thread."""
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
        checked(*answer(made, body, Upstream(lambda asked: {})))
        assert invocation.get() == "the caller's"

    contextvars.copy_context().run(call)
    assert seen == dict.fromkeys("abcd", "the caller's")


def test_a_steps_log_lines_carry_the_sync_id_and_the_entity(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = source()

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        fetch.log.warning("odd record %s", 17)
        return Page()

    player = Player(made, Upstream(lambda asked: {}))
    player.sync()
    (line,) = [r.getMessage() for r in caplog.records if "odd record 17" in r.getMessage()]
    assert f"sync_id={player.sync_id}" in line and "entity=thing" in line


def test_there_is_a_log_line_for_each_request_page_and_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    made = source()
    reading(made, primary_key=["id"])
    pages = {None: ([{"id": 1}], "b"), "b": ([{"id": 2}, {"id": 3}], None)}

    def answers(asked: Asked) -> Any:
        rows, token = pages[asked.params.get("token")]
        return {"data": rows, "next": token}

    player = Player(made, Upstream(answers))
    player.sync()
    lines = [record.getMessage() for record in caplog.records if record.name == "connector"]
    fields = [dict(word.split("=", 1) for word in line.split(" ") if "=" in word) for line in lines]
    events = [field["event"] for field in fields]
    assert events == ["request", "page", "request", "page", "call"]
    assert {field["sync_id"] for field in fields} == {player.sync_id}
    assert [field["rows"] for field in fields if field["event"] == "page"] == ["1", "2"]
    assert (fields[-1]["rows"], fields[-1]["hasMore"]) == ("3", "false")
    assert all("ms" in field and "bytes" in field for field in fields)


@pytest.mark.parametrize("sync_id", ["DROP TABLE x", "a" * 5000, 17, {"x": 1}])
def test_a_sync_id_that_is_none_is_logged_as_invalid(
    caplog: pytest.LogCaptureFixture, sync_id: Any
) -> None:
    caplog.set_level(logging.INFO)
    made = source()
    reading(made, primary_key=["id"])
    body = json.dumps({"state": {}, "secrets": {"apiToken": "made-up-1"}, "sync_id": sync_id})
    answer(made, body.encode(), Upstream(lambda asked: {"data": []}))
    lines = [record.getMessage() for record in caplog.records if record.name == "connector"]
    assert lines and all("sync_id=invalid" in line.split() for line in lines)
    assert not any(str(sync_id) in line for line in lines if len(str(sync_id)) > 2)


def test_a_token_never_reaches_a_log_line_of_any_logger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "very-secret-token"
    made = source()

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        logging.getLogger("mine").warning("token is %s", fetch.secrets["apiToken"])
        logging.getLogger("urllib3").debug("GET /x?key=%s", secret)
        return Page([{"id": 1, "at": iso(-60)}])

    player = Player(made, Upstream(lambda asked: {}), secrets={"apiToken": secret})
    assert player.sync().error == ""
    assert not any(secret in record.getMessage() for record in caplog.records)
