"""The setup test: every key is there, every entity gives a page, and all that is wrong is told."""

import json
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from connector import (
    BasicAuth,
    Fetch,
    Page,
    Payload,
    RetryLater,
    Source,
    UpstreamError,
    report,
    trial,
)
from connector import clock as clocks
from connector.answer import answer
from connector.secrets import Redactor
from connector.testing import HeldClock, Reply

from .play import checked, encoded
from .scripted import SECRETS, START, Asked, Upstream, iso, one, reading, several, source

pytestmark = pytest.mark.usefixtures("clock")


def setup_test(made: Source, upstream: Any, state: Any = None, **request: Any) -> dict[str, Any]:
    """Fivetran's setup test; its reply."""
    body = encoded(
        {
            "agent": "test",
            "state": state or {},
            "secrets": SECRETS,
            "setup_test": True,
            "sync_id": "setup-test",
            **request,
        }
    )
    return checked(*answer(made, body, upstream))


def healthy(asked: Asked) -> Any:
    return {"data": [{"id": 1, "at": iso(-60), "text": "x" * 1000}], "next": "more"}


def test_one_page_of_every_entity_is_asked_for() -> None:
    upstream = Upstream(healthy)
    setup_test(several("a", "b", "c"), upstream)
    assert sorted(ask.path for ask in upstream.asked) == ["/a", "/b", "/c"]


def test_the_reply_is_the_state_that_came_and_no_rows() -> None:
    state = {"a": iso(-60), "gone": {"x": [1, None, "ü"]}}
    reply = setup_test(several("a"), Upstream(healthy), state=state)
    assert reply == {"state": state, "hasMore": False}


def test_the_reply_stays_small_whatever_a_page_holds() -> None:
    page = {"data": [{"id": i, "at": iso(-60), "text": "x" * 1000} for i in range(1000)]}
    body = encoded({"state": {}, "secrets": SECRETS, "setup_test": True})
    _, reply = answer(several("a", "b"), body, Upstream(lambda asked: page))
    assert len(reply) < 64 * 1024


def test_state_may_be_missing_in_a_setup_test() -> None:
    body = b'{"setup_test": true, "secrets": {"apiToken": "made-up-token-1"}}'
    assert checked(*answer(several("a"), body, Upstream(healthy))) == {
        "state": {},
        "hasMore": False,
    }


def test_the_second_try_without_a_sync_id_is_a_setup_test_too() -> None:
    reply = setup_test(several("a"), Upstream(healthy), sync_id=None)
    assert set(reply) == {"state", "hasMore"}


def test_all_that_is_missing_is_told_in_one_message() -> None:
    made = Source(
        base_url="https://{subdomain}.example.com",
        auth=BasicAuth("user", "password"),
        secrets=["signingKey"],
        payload=["region"],
    )
    reading(made, "a", primary_key=["id"], cursor="at", start=Payload("start_date"))
    upstream = Upstream(healthy)
    reply = setup_test(made, upstream, secrets={"user": "x" * 9})
    for name in ("password", "signingKey", "region", "subdomain", "start_date"):
        assert f"'{name}'" in reply["errorMessage"]
    assert "'user'" not in reply["errorMessage"]
    assert upstream.asked == []


def test_all_that_is_refused_is_told_in_one_message() -> None:
    def answers(asked: Asked) -> Any:
        if asked.path in ("/a", "/c"):
            return Reply(json={"error": f"no scope for {asked.path}"}, status=403)
        return healthy(asked)

    message = setup_test(several("a", "b", "c"), Upstream(answers))["errorMessage"]
    for said in ("entity a", "no scope for /a", "entity c", "no scope for /c", "2 things"):
        assert said in message
    assert "entity b" not in message


@pytest.mark.parametrize(
    "said", ["no scope", "kein Zugriff für Zoë €", "\x01\x02\t\n", '"\\"', "😀🔑", "\ud83d"]
)
def test_forty_refusals_are_all_named_in_a_reply_that_fivetran_takes(said: str) -> None:
    """Whatever the upstream says, and however many bytes its characters take."""
    names, made = [f"entity_number_{index}" for index in range(40)], source()

    def step(fetch: Fetch) -> Page:
        raise UpstreamError(said * 1000)

    for name in names:
        made.entity(name, primary_key=["id"])(lambda fetch: step(fetch))
    reply = setup_test(made, Upstream(healthy), state={"a": "x" * 5000})
    assert [
        name for name in names if f"- entity {name}, page 1: " not in reply["errorMessage"]
    ] == []
    assert len(msgspec.json.encode(reply)) < 64 * 1024


def test_a_trace_of_wide_lines_leaves_a_reply_that_fivetran_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Thirty frames of code whose lines are long, and a message of what takes the most bytes."""
    monkeypatch.setattr(report, "PROJECT", tmp_path)
    code = f"def f(n, s={'😀' * 500!r}): return f(n - 1) if n else 1 / 0  # {'ü' * 500}\n"
    (tmp_path / "fetch.py").write_text(code, encoding="utf-8")
    known: dict[str, Any] = {}
    exec(compile(code, str(tmp_path / "fetch.py"), "exec"), known)
    with pytest.raises(ZeroDivisionError) as raised:
        known["f"](40)
    raised.value.add_note("\x01" * 9000)
    said = report.report([raised.value], {"a": "x" * 5000}, Redactor())
    assert len(said) < 64 * 1024
    assert json.loads(said)["stackTrace"][-1][0] == "fetch.py"


def test_every_entity_is_asked_even_after_one_failed() -> None:
    upstream = Upstream(lambda asked: Reply(json={}, status=404))
    setup_test(several("a", "b", "c"), upstream)
    assert sorted(ask.path for ask in upstream.asked) == ["/a", "/b", "/c"]


@pytest.mark.parametrize(
    "page",
    [
        {"data": [{"key": 1, "at": iso(-60)}]},
        {"data": [7]},
        {"items": []},
        {"data": [{"id": 1, "at": 1767225600}]},
    ],
)
def test_a_page_that_a_sync_would_refuse_is_refused_here_already(page: Any) -> None:
    assert "entity a" in setup_test(several("a"), Upstream(lambda asked: page))["errorMessage"]


def test_entities_are_asked_side_by_side() -> None:
    meet = threading.Barrier(3, timeout=20)

    def answers(asked: Asked) -> Any:
        meet.wait()
        return healthy(asked)

    reply = setup_test(several("a", "b", "c", workers=3), Upstream(answers))
    assert "errorMessage" not in reply


def test_a_setup_test_ends_within_60_seconds(clock: HeldClock) -> None:
    """The upstream asks for ever to come back in half a minute."""
    upstream = Upstream(lambda asked: Reply(json={}, status=429, headers={"Retry-After": "29"}))
    reply = setup_test(several("a"), upstream)
    assert clock.time - START <= 60
    assert "429" in reply["errorMessage"]


def test_a_slow_entity_is_named(clock: HeldClock) -> None:
    def answers(asked: Asked) -> Any:
        clock.advance(50)
        return healthy(asked)

    reply = setup_test(several("a", "b", "c"), Upstream(answers))
    assert "entity b" in reply["errorMessage"] or "of b" in reply["errorMessage"]
    assert clock.time - START <= 110


def test_a_step_that_polls_an_export_job_is_not_refused() -> None:
    made = source()

    @made.entity("a", primary_key=["id"])
    def a(fetch: Fetch) -> Page:
        raise RetryLater(600, "the export is running")

    assert setup_test(made, Upstream(healthy)) == {"state": {}, "hasMore": False}


def test_a_setup_test_in_the_middle_of_a_sync_changes_nothing() -> None:
    """Somebody presses Test connection while a sync is paused."""
    state = {"a": iso(-60), "_sync": {"version": 1, "walks": {}, "done": ["a"]}}
    reply = setup_test(several("a", "b"), Upstream(healthy), state=state)
    assert reply["state"] == state


def test_short_secrets_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """Values under six characters are left alone in texts."""
    setup_test(several("a"), Upstream(healthy), secrets={"apiToken": "abc"})
    assert any("short" in r.getMessage() and "apiToken" in r.getMessage() for r in caplog.records)
    assert not any("abc" in record.getMessage() for record in caplog.records)


def test_a_wrong_setting_is_told_by_the_setup_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_BASE_URL", "ftp://api.example.com")
    assert "UPSTREAM_BASE_URL" in setup_test(one(), Upstream(healthy))["errorMessage"]


def test_a_wrong_budget_is_told_by_the_setup_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the first sync is the first to say so."""
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "600")
    assert "CONNECTOR_CALL_SECONDS" in setup_test(one(), Upstream(healthy))["errorMessage"]


def test_a_hung_upstream_is_reported_within_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real clock; both workers hang until the test lets them go."""
    monkeypatch.setattr(clocks, "current", clocks.SystemClock())
    monkeypatch.setattr(trial, "SECONDS", 0.3)
    release = threading.Event()

    def answers(asked: Asked) -> Any:
        release.wait(30)
        return healthy(asked)

    try:
        reply = setup_test(several("a", "b", workers=2), Upstream(answers))
    finally:
        release.set()
    assert "a, b" in reply["errorMessage"] or "entity a" in reply["errorMessage"]
