"""Log lines of calls, and the record factory that redacts what any logger of the process writes."""

import json
import logging
from uuid import uuid4

import pytest
from connector import OAuth2ClientCredentials, Page, log
from connector.secrets import Redactor
from connector.sync.handler import handle
from connector.testing import Reply

from .leaks import leaks, listening
from .play import Player, encoded, reading
from .scripted import Upstream, stepping

SYNC = str(uuid4())


def test_a_call_has_a_line_for_each_request_and_page(server, caplog):
    caplog.set_level(logging.INFO)
    oauth = OAuth2ClientCredentials("/oauth/token", "id", "secret")
    secrets = {"id": "the-client-id", "secret": "the-client-secret"}
    made = reading(server.url, "/hop?to=/guarded", auth=oauth)
    _, reply = handle(made, encoded({"state": {}, "secrets": secrets, "sync_id": SYNC}))
    lines = [record.getMessage() for record in caplog.records if record.name == "connector"]
    found = [dict(word.split("=", 1) for word in line.split(" ")) for line in lines]
    names = ("event", "sync_id", "entity", "page", "status", "rows")
    assert [tuple(line.get(name) for name in names) for line in found] == [
        # The request for a token is logged where the token was needed.
        *(("request", SYNC, "thing", "1", status, None) for status in ("200", "302", "200")),
        ("page", SYNC, "thing", "1", None, "2"),
        ("call", SYNC, None, None, None, "2"),
    ]
    assert found[0]["url"] == f"{server.url}/oauth/token"
    assert found[2]["url"] == f"{server.url}/guarded"
    assert all("ms" in line and "bytes" in line for line in found)
    assert found[-1]["bytes"] == str(len(reply)) and found[-1]["hasMore"] == "false"


def logged(caplog, event, replies, **entity):
    """The lines of an event in a sync of these responses, whose step passes no token on."""
    caplog.set_level("INFO")
    replies, rows = list(replies), [{"id": n} for n in range(3)]
    made = stepping(lambda fetch: Page(fetch.get("/thing").rows("data", rows)), **entity)
    assert Player(made, Upstream(lambda asked: replies.pop(0))).sync().ids() == [0, 1, 2]
    return [text for text in caplog.messages if text.startswith(f"event={event} ")]


LINK = {"Link": '<https://api.example.com/thing?page=2>; rel="next"'}
ENDS = [
    ({"has_more": True}, 100, "it has has_more"),
    ({"meta": {"hasNextPage": True}}, 100, "it has meta.hasNextPage"),
    ({"next": "https://api.example.com/thing?page=2"}, 100, "it has next"),
    ({"paging": {"next": {"after": "x"}}}, 100, "it has paging.next.after"),
    (Reply(json={}, headers=LINK), 100, "rel="),
    ({}, 100, ""),
    ({"has_more": False, "next": None, "next_cursor": "", "more": "no"}, 100, ""),
    ({"end_of_stream": True, "next_page": "https://x"}, 100, ""),
    ({"context": "next year", "note": {"has_more_info": True}}, 100, ""),
    # A full page is a sign too, unless the response says that it is the last.
    ({}, 3, "full"),
    ({}, 2, ""),
    ({"next": None}, 3, ""),
    ({"meta": {"has_more": False}}, 3, ""),
]


@pytest.mark.parametrize("reply, page_size, sign", ENDS)
def test_a_last_page_that_may_not_be_the_last_is_logged(caplog, reply, page_size, sign):
    """It is a warning: everything is delivered."""
    found = logged(caplog, "maybe_truncated", [reply], page_size=page_size)
    assert len(found) == bool(sign)
    assert all("entity=thing page=1" in line and sign in line for line in found)


def test_a_wait_is_logged_before_it_begins(clock, caplog):
    limited = Reply(status=429, headers={"Retry-After": "41"})
    (line,) = logged(caplog, "waiting", [limited, {}])
    assert "entity=thing page=1 seconds=41" in line and "429" in line


def test_a_line_cannot_be_forged():
    line = log.line("x", a='b"\n\r\u2028\u2029\x85\x1b[2J\x00\v\fc\\', b="plain", c=None, d="")
    assert line.splitlines() == [line]
    assert line.isprintable()
    assert line == 'event=x a="b\\"      [2J   c\\\\" b=plain d=""'


MINE = logging.getLogger("mine.own")
PASSWORD = "made-up/pass+word&ö\"'\\ü"


@pytest.fixture
def redactor():
    """One that knows the password, while a test runs."""
    redactor = Redactor([PASSWORD])
    log.guard(redactor)
    return redactor


class Odd:
    """Its text is harmless, its repr is not."""

    def __init__(self, text="harmless"):
        self.text = text

    def __str__(self):
        if self.text == "broken":
            raise RuntimeError(PASSWORD)
        return self.text

    def __repr__(self):
        return f"<Odd {PASSWORD}>"


def fail(error, **how):
    """Log an error that has another one behind it."""
    try:
        try:
            raise KeyError(PASSWORD)
        except KeyError:
            raise error from None
    except Exception as raised:
        MINE.error("it failed: %s", raised, exc_info=True, **how)


STEP_LOG = log.StepLog(log.line("step", entity="thing", page=2))
SHOWN = [
    lambda: MINE.info(f"the key is {PASSWORD}"),
    lambda: MINE.debug("the key is %s", PASSWORD),
    lambda: MINE.info("the key is %r", PASSWORD),
    lambda: MINE.info(json.dumps({"key": PASSWORD})),
    lambda: MINE.info("%s %d %s", 1, 2, {"key": [PASSWORD]}),
    lambda: MINE.info("%(key)s of %(who)s", {"key": PASSWORD, "who": "me"}),
    lambda: MINE.info("no place for it", PASSWORD),
    lambda: MINE.info("%s and %s", PASSWORD),
    lambda: MINE.info("%d of them", PASSWORD),
    lambda: MINE.info(ValueError(PASSWORD)),
    lambda: MINE.info("see", extra={"key": {"a": [PASSWORD]}, "n": 1}),
    lambda: logging.LoggerAdapter(MINE, {"key": PASSWORD}).info("see"),
    lambda: MINE.info("%s", PASSWORD.encode()),
    lambda: STEP_LOG.info("%s", PASSWORD),
    lambda: MINE.handle(logging.makeLogRecord({"msg": PASSWORD, "levelno": 20})),
]
# The secret stands in what is dropped, and not in what is shown.
DROPPED = [
    lambda: MINE.info("%.9s is how it starts", PASSWORD),
    lambda: MINE.info("%(key).9s is how it starts", {"key": PASSWORD}),
    lambda: MINE.info("%s", Odd()),
    lambda: MINE.info(Odd()),
    lambda: MINE.info("%s", Odd("broken")),
    lambda: STEP_LOG.info(Odd("broken")),
    lambda: fail(ValueError("what followed"), stack_info=True),
    lambda: fail(type("Hidden", (Exception,), {"__str__": lambda _: "harmless"})(PASSWORD)),
]


@pytest.mark.parametrize("write", SHOWN + DROPPED)
def test_no_log_record_shows_a_secret_however_it_was_written(redactor, write):
    with listening() as listener:
        write()
    assert not leaks(listener.text, [PASSWORD])
    assert write in DROPPED or "[secret]" in listener.text
    # As long a part as cannot be chance: "%.9s" must not cut it out first.
    assert PASSWORD[:9] not in listener.text
    assert "Traceback" not in listener.texts[-1], "logging itself failed"


def test_the_stack_of_a_record_is_redacted(redactor, caplog):
    redactor.add("test_the_stack_of_a_record")
    MINE.error("see", stack_info=True)
    assert "in [secret]_is_redacted\n" in str(caplog.records[0].stack_info)


def test_the_lines_of_a_step_end_with_their_place(redactor, caplog):
    STEP_LOG.warning("%d of them", 3)
    assert caplog.messages == ["3 of them event=step entity=thing page=2"]
