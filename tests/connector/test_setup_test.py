"""The setup test: every key is there, every entity gives a page, and all that is wrong is shown."""

import threading

import msgspec
import pytest
from connector import BasicAuth, Page, Payload, RetryLater, Source, UpstreamError
from connector import clock as clocks
from connector.sync import setup_test as setup_tests
from connector.sync.handler import handle
from connector.testing import Reply

from .play import checked, encoded
from .scripted import SECRETS, START, Upstream, iso, one, reading, several, source, stepping

pytestmark = pytest.mark.usefixtures("clock")


def setup_test(made, answers, **request):
    """The reply to Fivetran's setup test, of an upstream that answers so."""
    upstream = answers if isinstance(answers, Upstream) else Upstream(answers)
    members = {"agent": "test", "secrets": SECRETS, "setup_test": True, "sync_id": "setup-test"}
    return checked(*handle(made, encoded({**members, **request}), upstream))


def healthy(asked):
    return {"data": [{"id": 1, "at": iso(-60), "text": "x" * 1000}], "next": "more"}


@pytest.mark.parametrize(
    "members",
    [
        {"state": {}},
        {},
        {"state": {"a": iso(-60), "former": {"x": [1, None, "ü"]}}},
        {"state": {"a": iso(-60), "_sync": {"version": 2, "walks": {}, "done": ["a"]}}},
        {"state": {"a": iso(-60), "_sync": {"version": 99}}},
        {"state": {}, "sync_id": None},
    ],
    ids=str,
)
def test_one_page_of_every_entity_is_read_and_the_reply_is_the_state_that_came(members):
    """Also in the middle of a sync, without a state, on the second try without a sync id, and
    where a step waits for an export job."""
    made, upstream = several("a", "b", "c"), Upstream(healthy)

    @made.entity("export", primary_key=["id"])
    def export(fetch):
        raise RetryLater(600, "the export is running")

    reply = setup_test(made, upstream, **members)
    assert reply == {"state": members.get("state", {}), "hasMore": False}
    assert [ask.path for ask in upstream.asked] == ["/a", "/b", "/c"]


@pytest.mark.parametrize("page", [{"data": []}, {"data": [], "next": "more"}, healthy(None)])
@pytest.mark.parametrize(
    ("options", "stored"),
    [
        ({"soft_delete": True}, {"rows": 0}),
        ({"cursor": "at", "order": "asc"}, iso(-60)),
        ({"cursor": "at"}, iso(-60)),
    ],
    ids=str,
)
def test_an_entity_of_any_kind_gives_a_page(options, stored, page):
    """The state's cursor or count says nothing about the first page."""
    made = source()
    reading(made, "a", primary_key=["id"], **options)
    reply = setup_test(made, lambda asked: page, state={"a": stored})
    assert reply == {"state": {"a": stored}, "hasMore": False}


# ---- what is wrong


def test_all_that_is_missing_is_named_in_one_message_and_nothing_is_asked(monkeypatch):
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


REFUSED = [
    Reply(json={"error": "no scope"}, status=403),
    {"data": [{"key": 1, "at": iso(-60)}]},
    {"items": []},
    {"data": [{"id": 1, "at": 1767225600}]},
    {"data": [{"id": 1, "at": "05.01.2026 08:30"}]},
    {"data": [{"id": 1, "at": "Never"}, {"id": 2, "at": "-"}], "next": "more"},
]


@pytest.mark.parametrize("page", REFUSED, ids=str)
def test_all_that_a_sync_would_refuse_is_named_in_one_message(page):
    """Every entity is asked, even after one failed."""
    made = several("a", "b", "c")
    reply = setup_test(made, lambda asked: page if asked.path != "/b" else healthy(asked))
    message = reply["errorMessage"]
    assert all(text in message for text in ("2 things", "entity a", "entity c"))
    assert "entity b" not in message and ("no scope" in message) == isinstance(page, Reply)


@pytest.mark.parametrize("text", ["no scope", "kein Zugriff für Zoë €", "\x01\x02\t\n", "\ud83d"])
def test_forty_refusals_are_shown_in_a_reply_of_less_than_64_kib(text):
    """Whatever the upstream answers and however many bytes its characters take."""
    made = source()

    def step(fetch):
        raise UpstreamError(text * 1000)

    for index in range(40):
        made.entity(f"entity_number_{index}", primary_key=["id"])(step)
    reply = setup_test(made, healthy, state={"a": "x" * 5000})
    assert len(msgspec.json.encode(reply)) < 64 * 1024
    assert reply["errorMessage"].startswith("40 things are wrong:\n- entity entity_number_0, page")
    shown = [f"- entity entity_number_{i}, page 1" in reply["errorMessage"] for i in range(40)]
    assert all(shown) or text != "no scope"


# ---- side by side, within sixty seconds


def test_entities_are_asked_side_by_side():
    meet = threading.Barrier(3, timeout=20)
    made = several("a", "b", "c", workers=3)
    reply = setup_test(made, lambda asked: healthy(asked) if meet.wait() < 3 else None)
    assert "errorMessage" not in reply


def test_an_upstream_that_asks_for_ever_to_come_back_or_is_slow_is_reported(clock):
    wait = Reply(json={}, status=429, headers={"Retry-After": "29"})
    assert "429" in setup_test(several("a"), lambda asked: wait)["errorMessage"]
    assert clock.time - START <= 60
    reply = setup_test(several("a", "b"), lambda asked: clock.advance(50) or healthy(asked))
    assert "entity b" in reply["errorMessage"] or "of b" in reply["errorMessage"]


def test_a_hung_upstream_is_reported_within_the_time(monkeypatch):
    """The real clock; both workers hang until the test lets them go."""
    monkeypatch.setattr(clocks, "current", clocks.SystemClock())
    monkeypatch.setattr(setup_tests, "SECONDS", 0.3)
    release = threading.Event()
    began = clocks.monotonic()
    try:
        made = several("a", "b", workers=2)
        reply = setup_test(made, lambda asked: healthy(asked) if release.wait(30) else None)
    finally:
        release.set()
    assert clocks.monotonic() - began < 10
    assert "a, b" in reply["errorMessage"] or "entity a" in reply["errorMessage"]


# ---- what is only logged


@pytest.mark.parametrize(
    ("cursor", "key", "warned"),
    [
        *((name, ["id"], True) for name in ("created", "createdAt", "meta.date_created")),
        ("inserted_at", ["id"], True),
        ("updated_at", ["id"], False),
        ("created_by", ["id"], False),
        ("created", [], False),
    ],
)
def test_a_cursor_that_is_a_time_of_creation_is_logged(caplog, cursor, key, warned):
    """Updates of a record with such a cursor are never read; rows without a key never change."""
    setup_test(stepping(lambda fetch: Page(), primary_key=key, cursor=cursor), healthy)
    lines = [line for line in caplog.messages if "event=creation_cursor" in line]
    assert [f"entity=thing cursor={cursor}" in line for line in lines] == [True] * warned


@pytest.mark.parametrize(("cursor", "warned"), [("at", False), ("changed", True), ("m.at", True)])
def test_a_first_page_without_the_cursor_s_column_is_logged(caplog, cursor, warned):
    """At once, in a setup test too: a sync fails at its end, which may be hours later."""
    setup_test(one(cursor=cursor), healthy)
    lines = [line for line in caplog.messages if "event=no_cursor_column" in line]
    assert len(lines) == warned
    assert all(f"none of the 1 records of the first page has '{cursor}'" in line for line in lines)


def test_short_secrets_are_warned_of(caplog):
    """Values under six characters are left alone in texts."""
    setup_test(several("a"), healthy, secrets={"apiToken": "abc"})
    (line,) = [text for text in caplog.messages if "short_secret" in text]
    assert "apiToken" in line and "abc" not in caplog.text
