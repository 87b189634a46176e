"""Finds a secret in what has left the process, by decoding the text in every way."""

import base64
import contextlib
import html
import io
import json
import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote, unquote_plus

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_NAMED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "a": "\a"}
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}")


def _unescaped(text: str) -> str:
    """What JSON, `repr` and `ascii` have escaped."""

    def plain(found: re.Match[str]) -> str:
        code = found[1] or found[2] or found[3]
        if code:
            return chr(int(code, 16)) if int(code, 16) < 0x110000 else "?"
        return _NAMED.get(found[4], found[4])

    text = _ESCAPE.sub(plain, text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _decoded(text: str, rounds: int = 2) -> set[str]:
    """The text, and all that it says once it is decoded, more than once too."""

    def read_again(text: str) -> str:  # UTF-8 that was read as Latin-1
        return text.encode("latin-1", "ignore").decode("utf-8", "ignore")

    found = {text}
    for _ in range(rounds):
        for decode in (unquote, unquote_plus, html.unescape, _unescaped, read_again):
            found |= {decode(each) for each in found}
    return found


def leaks(text: str, secrets: Iterable[str]) -> list[str]:
    """The secrets that can be read in a text."""
    texts = _decoded(text)
    unpacked = set()
    for run in {run for each in texts for run in _BASE64.findall(each)}:
        digits = run.replace("-", "+").replace("_", "/")
        for start in range(4):
            rest = digits[start : len(digits) - ((len(digits) - start) % 4 == 1)]
            unpacked.add(base64.b64decode(rest + "=" * (-len(rest) % 4)))
    raw = b"\0".join(unpacked)
    return [
        secret
        for secret in secrets
        if any(secret in each for each in texts) or secret.encode("utf-8", "replace") in raw
    ]


class Listener(logging.Handler):
    """Collects every log record of the process, at DEBUG, with all that a handler can see of it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        seen = {name: value for name, value in vars(record).items() if name != "exc_info"}
        self.texts.append(self.format(record))
        self.texts.append(f"{seen!r} {record.args!r} {record.msg!s}")
        error = record.exc_info[1] if record.exc_info else None
        while error is not None:
            self.texts.append(f"{error!r} {error!s} {error.args!r}")
            error = error.__cause__ or error.__context__

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


@contextlib.contextmanager
def listening() -> Iterator[Listener]:
    """Everything that is logged meanwhile, and what Python prints about logging that failed."""
    loggers = [logging.getLogger(name) for name in ("", "connector", "urllib3", "requests", "mine")]
    levels = [logger.level for logger in loggers]
    listener, printed = Listener(), io.StringIO()
    logging.getLogger().addHandler(listener)
    try:
        for logger in loggers:
            logger.setLevel(logging.DEBUG)
        with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(printed):
            yield listener
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        logging.getLogger().removeHandler(listener)
        listener.texts.append(printed.getvalue())


def besides_records(reply: dict[str, Any]) -> str:
    """What a reply says besides records, which are the user's."""
    rest = {name: value for name, value in reply.items() if name not in ("insert", "delete")}
    return "\n".join([json.dumps(rest), json.dumps(rest, ensure_ascii=False), str(rest)])
