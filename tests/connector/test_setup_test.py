"""The setup test: every key is there, every entity gives a page, and all that is wrong is shown."""

import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from connector import BasicAuth, Fetch, Page, Payload, RetryLater, Source, UpstreamError
from connector import clock as clocks
from connector.secrets import Redactor
from connector.sync import protocol
from connector.sync import setup_test as setup_tests
from connector.sync.handler import handle
from connector.testing import HeldClock, Reply

from .play import checked, encoded
from .scripted import SECRETS, START, Asked, Upstream, iso, one, reading, several, source, stepping

pytestmark = pytest.mark.usefixtures("clock")


def setup_test(made: Source, upstream: Any, state: Any = None, **request: Any) -> dict[str, Any]:
    """Fivetran's setup test; its reply."""
    members = {"agent": "test", "state": state or {}, "secrets": SECRETS, "setup_test": True}
    body = encoded({**members, "sync_id": "setup-test", **request})
    return checked(*handle(made, body, upstream))


def healthy(asked: Asked) -> Any:
    return {"data": [{"id": 1, "at": iso(-60), "text": "x" * 1000}], "next": "more"}


@pytest.mark.parametrize(
    ("state", "request_"),
    [
        ({}, {}),
        ({"a": iso(-60), "former": {"x": [1, None, "ü"]}}, {}),
        ({"a": iso(-60), "_sync": {"version": 2, "walks": {}, "done": ["a"]}}, {}),
        ({"a": iso(-60), "_sync": {"version": 99}}, {}),
        ({}, {"sync_id": None}),
    ],
    ids=str,
)
def test_one_page_of_every_entity_is_read_and_the_reply_is_the_state_that_came(
    state: dict[str, Any], request_: dict[str, Any]
) -> None:
    """Also in the middle of a sync, and on the second try, which has no sync id."""
    upstream = Upstream(healthy)
    reply = setup_test(several("a", "b", "c"), upstream, state=state, **request_)
    assert reply == {"state": state, "hasMore": False}
    assert sorted(ask.path for ask in upstream.asked) == ["/a", "/b", "/c"]


def test_state_may_be_missing_in_a_setup_test() -> None:
    body = encoded({"setup_test": True, "secrets": SECRETS})
    reply = checked(*handle(one(), body, Upstream(healthy)))
    assert reply == {"state": {}, "hasMore": False}


def test_all_that_is_missing_is_named_in_one_message_and_nothing_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "600")
    made = Source(
        base_url="https://{subdomain}.example.com",
        auth=BasicAuth("user", "password"),
        secrets=["signingKey"],
        payload=["region", Payload("site", "eu")],
    )
    reading(made, "a", primary_key=["id"], cursor="at", start=Payload("start_date"))
    upstream = Upstream(healthy)
    message = setup_test(made, upstream, secrets={"user": "x" * 9})["errorMessage"]
    for name in ("'password'", "'signingKey'", "'region'", "'subdomain'", "'start_date'"):
        assert name in message
    assert "CONNECTOR_CALL_SECONDS" in message
    assert "'user'" not in message and "'site'" not in message
    assert upstream.asked == []


def test_all_that_is_refused_is_named_in_one_message() -> None:
    """Every entity is asked, even after one failed."""

    def answers(asked: Asked) -> Any:
        if asked.path in ("/a", "/c"):
            return Reply(json={"error": f"no scope for {asked.path}"}, status=403)
        return healthy(asked)

    message = setup_test(several("a", "b", "c"), Upstream(answers))["errorMessage"]
    for text in ("entity a", "no scope for /a", "entity c", "no scope for /c", "2 things"):
        assert text in message
    assert "entity b" not in message


@pytest.mark.parametrize(
    "text", ["no scope", "kein Zugriff für Zoë €", "\x01\x02\t\n", '"\\"', "😀🔑", "\ud83d"]
)
def test_forty_refusals_are_shown_in_a_reply_that_fivetran_takes(text: str) -> None:
    """Under 64 KiB, whatever the upstream says and however many bytes its characters take."""
    made = source()
    for index in range(40):

        @made.entity(f"entity_number_{index}", primary_key=["id"])
        def step(fetch: Fetch) -> Page:
            raise UpstreamError(text * 1000)

    state = {"a": "x" * 5000}
    reply = setup_test(made, Upstream(healthy), state=state)
    assert len(msgspec.json.encode(reply)) < 64 * 1024
    assert reply["errorMessage"].startswith("40 things are wrong:\n- entity entity_number_0, page")
    shown = [f"- entity entity_number_{i}, page 1" in reply["errorMessage"] for i in range(40)]
    assert all(shown) or text != "no scope"


def test_a_trace_of_wide_lines_leaves_a_reply_that_fivetran_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Thirty frames of long lines, and a message that takes six bytes a character."""
    monkeypatch.setattr(protocol, "PROJECT", tmp_path)
    code = f"def f(n, s={'😀' * 500!r}): return f(n - 1) if n else g()  # {'😀' * 500}\n"
    code += "def g(): raise ValueError(chr(1) * 6600)\n"
    (tmp_path / "fetch.py").write_text(code, encoding="utf-8")
    known: dict[str, Any] = {}
    exec(compile(code, str(tmp_path / "fetch.py"), "exec"), known)
    with pytest.raises(ValueError) as raised:
        known["f"](40)
    problem = protocol.Problem(raised.value)
    report = protocol.error_report([problem], {"a": "x" * 5000}, Redactor())
    assert len(report) < 64 * 1024
    assert msgspec.json.decode(report)["stackTrace"][-1][0] == "fetch.py"


@pytest.mark.parametrize(
    "page",
    [
        {"data": [{"key": 1, "at": iso(-60)}]},
        {"data": [7]},
        {"items": []},
        {"data": [{"id": 1, "at": 1767225600}]},
        {"data": [{"id": 1, "at": "05.01.2026 08:30"}]},
        {"data": [{"id": 1, "at": "Never"}, {"id": 2, "at": "-"}], "next": "more"},
    ],
    ids=str,
)
def test_a_page_that_a_sync_would_refuse_is_refused_here_already(page: Any) -> None:
    assert "entity a" in setup_test(several("a"), Upstream(lambda asked: page))["errorMessage"]


@pytest.mark.parametrize(
    "options", [{"soft_delete": True}, {"cursor": "at", "order": "asc"}, {"cursor": "at"}]
)
def test_an_entity_of_any_kind_gives_a_page(options: dict[str, Any]) -> None:
    """Where the state has a cursor or a count, which says nothing about the first page."""
    made = source()
    reading(made, "a", primary_key=["id"], **options)
    state = {"a": {"rows": 0} if "soft_delete" in options else iso(-60)}
    for page in ({"data": []}, {"data": [], "next": "more"}, healthy(None)):
        reply = setup_test(made, Upstream(lambda asked, page=page: page), state=state)
        assert reply == {"state": state, "hasMore": False}


def test_entities_are_asked_side_by_side() -> None:
    meet = threading.Barrier(3, timeout=20)
    upstream = Upstream(lambda asked: healthy(asked) if meet.wait() < 3 else None)
    assert "errorMessage" not in setup_test(several("a", "b", "c", workers=3), upstream)


# ---- within sixty seconds


def test_an_upstream_that_asks_for_ever_to_come_back_is_reported(clock: HeldClock) -> None:
    upstream = Upstream(lambda asked: Reply(json={}, status=429, headers={"Retry-After": "29"}))
    reply = setup_test(several("a"), upstream)
    assert clock.time - START <= 60
    assert "429" in reply["errorMessage"]


def test_a_slow_entity_is_named(clock: HeldClock) -> None:
    upstream = Upstream(lambda asked: clock.advance(50) or healthy(asked))
    reply = setup_test(several("a", "b", "c"), upstream)
    assert "entity b" in reply["errorMessage"] or "of b" in reply["errorMessage"]
    assert clock.time - START <= 110


def test_a_hung_upstream_is_reported_within_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real clock; both workers hang until the test lets them go."""
    monkeypatch.setattr(clocks, "current", clocks.SystemClock())
    monkeypatch.setattr(setup_tests, "SECONDS", 0.3)
    release = threading.Event()

    upstream = Upstream(lambda asked: healthy(asked) if release.wait(30) else None)
    began = clocks.monotonic()
    try:
        reply = setup_test(several("a", "b", workers=2), upstream)
    finally:
        release.set()
    assert clocks.monotonic() - began < 10
    assert "a, b" in reply["errorMessage"] or "entity a" in reply["errorMessage"]


def test_a_step_that_polls_an_export_job_is_not_refused() -> None:
    def step(fetch: Fetch) -> Page:
        raise RetryLater(600, "the export is running")

    assert setup_test(stepping(step), Upstream(healthy)) == {"state": {}, "hasMore": False}


def test_short_secrets_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """Values under six characters are left alone in texts."""
    setup_test(several("a"), Upstream(healthy), secrets={"apiToken": "abc"})
    (line,) = [text for text in caplog.messages if "short_secret" in text]
    assert "apiToken" in line and "abc" not in caplog.text
