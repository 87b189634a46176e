"""Log lines, and the record factory that redacts what any logger of the process writes."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from connector import log
from connector.secrets import WITHHELD, Redactor

from .leaks import leaks, listening

MINE = logging.getLogger("mine.own")
PASSWORD = "made-up/pass+word&ö\"'\\ü"


@pytest.fixture(autouse=True)
def redactor() -> Redactor:
    """One that knows the password, while a test runs."""
    redactor = Redactor([PASSWORD])
    log.guard(redactor)
    return redactor


def test_a_record_that_cannot_be_redacted_is_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RecursionError(PASSWORD)

    monkeypatch.setattr(log, "_redact_message", fail)
    with listening() as listener:
        MINE.error("the key is %s", PASSWORD, exc_info=ValueError(PASSWORD), stack_info=True)
    assert WITHHELD in listener.text and not leaks(listener.text, [PASSWORD])


def test_a_factory_that_the_user_sets_stays_and_what_it_adds_is_redacted() -> None:
    before = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        record.msg = f"{record.msg} {PASSWORD} by-the-factory"
        return record

    log.guard(Redactor())
    assert logging.getLogRecordFactory() is before, "the factory is set once"
    logging.setLogRecordFactory(factory)
    try:
        log.guard(Redactor())
        with listening() as listener:
            MINE.info("it is")
    finally:
        logging.setLogRecordFactory(before)
    assert "it is [secret] by-the-factory" in listener.text
    assert not leaks(listener.text, [PASSWORD])


class Odd:
    """Its text is harmless, its repr is not."""

    def __init__(self, text: str = "harmless") -> None:
        self.text = text

    def __str__(self) -> str:
        if self.text == "broken":
            raise RuntimeError(PASSWORD)
        return self.text

    def __repr__(self) -> str:
        return f"<Odd {PASSWORD}>"


def fail(error: Exception, **how: Any) -> None:
    """Log an error that has another one behind it."""
    try:
        try:
            raise KeyError(PASSWORD)
        except KeyError:
            raise error from None
    except Exception as raised:
        MINE.error("it failed: %s", raised, exc_info=True, **how)


RECORD = {"msg": PASSWORD, "levelno": 20, "levelname": "INFO"}
SHOWN: list[Callable[[], Any]] = [
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
    lambda: log.StepLog("page=1").info("%s", PASSWORD),
    lambda: MINE.handle(logging.makeLogRecord(RECORD)),
]
# The secret stands in what is dropped, and not in what is shown.
DROPPED: list[Callable[[], Any]] = [
    lambda: MINE.info("%.9s is how it starts", PASSWORD),
    lambda: MINE.info("%(key).9s is how it starts", {"key": PASSWORD}),
    lambda: MINE.info("%s", Odd()),
    lambda: MINE.info(Odd()),
    lambda: MINE.info("%s", Odd("broken")),
    lambda: log.StepLog("page=1").info(Odd("broken")),
    lambda: fail(ValueError("what followed"), stack_info=True),
    lambda: fail(type("Hidden", (Exception,), {"__str__": lambda _: "harmless"})(PASSWORD)),
]


@pytest.mark.parametrize("nth", range(len(SHOWN + DROPPED)))
def test_no_log_record_shows_a_secret_however_it_was_written(nth: int) -> None:
    with listening() as listener:
        (SHOWN + DROPPED)[nth]()
    assert not leaks(listener.text, [PASSWORD])
    assert nth >= len(SHOWN) or "[secret]" in listener.text
    # As long a part as cannot be chance: "%.9s" must not cut it out first.
    assert PASSWORD[:9] not in listener.text
    assert "Traceback" not in listener.texts[-1], "logging itself failed"


def test_the_stack_of_a_record_is_redacted(
    caplog: pytest.LogCaptureFixture, redactor: Redactor
) -> None:
    redactor.add("test_the_stack_of_a_record")
    MINE.error("see", stack_info=True)
    assert "in [secret]_is_redacted\n" in str(caplog.records[0].stack_info)


def test_a_record_without_a_secret_stays_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("four")
    arguments = ("one", 2, {"three": 3.5}, error, b"five", None)
    MINE.error("%s %d %s %s %s %s", *arguments, exc_info=error, extra={"mine": [1]})
    (record,) = caplog.records
    assert record.args and all(a is b for a, b in zip(record.args, arguments, strict=True))
    assert record.exc_info and record.exc_info[1] is error
    assert record.__dict__["mine"] == [1]


def redacted(text: str) -> str:
    """What a log record says that holds this text."""
    return logging.getLogRecordFactory()("mine", 20, "mine.py", 1, text, (), None).getMessage()


def test_what_a_redactor_learns_later_counts_and_secrets_of_two_that_overlap_are_one() -> None:
    first, second = Redactor(), Redactor()
    log.guard(first)
    log.guard(second)
    first.add("AAAAAABBBBBB")
    second.add_passing("BBBBBBCCCCCC")
    assert redacted("AAAAAABBBBBBCCCCCC") == "[secret]"


def test_a_line_cannot_be_forged() -> None:
    line = log.line("x", a='b"\n\r\u2028\u2029\x85\x1b[2J\x00\v\fc\\', b="plain", c=None, d="")
    assert line.splitlines() == [line]
    assert line.isprintable()
    assert line == 'event=x a="b\\"      [2J   c\\\\" b=plain d=""'


def test_the_lines_of_a_step_end_with_their_place() -> None:
    with listening() as listener:
        log.StepLog(log.line("step", entity="thing", page=2)).info("%d of them", 3)
    assert "3 of them event=step entity=thing page=2" in listener.text
