"""Finds a secret in what has left, however it is spelled, by decoding the text in every way."""

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

_CODES = r"(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))"
_ESCAPE, _ESCAPES = (re.compile(start + _CODES, re.DOTALL) for start in (r"\\", r"\\+"))
_NAMED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "a": "\a"}
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}")


def _unescaped(text: str, escapes: re.Pattern[str] = _ESCAPE) -> str:
    """What JSON, `repr` and `ascii` have escaped."""

    def plain(found: re.Match[str]) -> str:
        code = found[1] or found[2] or found[3]
        if code:
            return chr(int(code, 16)) if int(code, 16) < 0x110000 else "?"
        return _NAMED.get(found[4], found[4])

    text = escapes.sub(plain, text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _without_backslashes(text: str) -> str:
    """The same, where nobody knows how often it was escaped."""
    return _unescaped(text, _ESCAPES)


def _remade(text: str) -> str:
    """Text whose UTF-8 was read as Latin-1, read again."""
    return text.encode("latin-1", "ignore").decode("utf-8", "ignore")


DECODERS = (unquote, unquote_plus, html.unescape, _unescaped, _without_backslashes, _remade)


def decoded(text: str, rounds: int = 2) -> set[str]:
    """The text, and all that it says once it is decoded, more than once too."""
    found = {text}
    for _ in range(rounds):
        found |= {decode(one) for one in found for decode in DECODERS}
    return found


def leaks(text: str, secrets: Iterable[str]) -> list[str]:
    """The secrets that the text tells."""
    texts = decoded(text)
    unpacked = set()
    for one in decoded(text, 1):
        for run in _BASE64.findall(one):
            coded = run.replace("-", "+").replace("_", "/")
            for start in range(4):
                rest = coded[start : len(coded) - ((len(coded) - start) % 4 == 1)]
                unpacked.add(base64.b64decode(rest + "=" * (-len(rest) % 4)))
    raw = b"\0".join(unpacked)
    return [
        secret
        for secret in secrets
        if any(secret in one for one in texts) or secret.encode("utf-8", "replace") in raw
    ]


class Listener(logging.Handler):
    """Keeps every log record of the process, at DEBUG, with all that a handler can see of it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        seen = {name: value for name, value in vars(record).items() if name != "exc_info"}
        self.told.append(self.format(record))
        self.told.append(f"{seen!r} {record.args!r} {record.msg!s}")
        error = record.exc_info[1] if record.exc_info else None
        while error is not None:
            self.told.append(f"{error!r} {error!s} {error.args!r}")
            error = error.__cause__ or error.__context__

    @property
    def text(self) -> str:
        return "\n".join(self.told)


@contextlib.contextmanager
def listening() -> Iterator[Listener]:
    """Everything that is logged meanwhile, and what Python prints about logging that failed."""
    names = ("", "connector", "urllib3", "requests", "authlib", "mine")
    loggers = [logging.getLogger(name) for name in names]
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
        listener.told.append(printed.getvalue())


def told(reply: dict[str, Any]) -> str:
    """What a reply tells besides records, which are the user's."""
    rest = {name: value for name, value in reply.items() if name not in ("insert", "delete")}
    return "\n".join([json.dumps(rest), json.dumps(rest, ensure_ascii=False), str(rest)])
