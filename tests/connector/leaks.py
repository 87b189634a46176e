"""Finds a secret in what has left the process, by decoding the text in every way."""

import base64
import contextlib
import html
import io
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus

from .faults import ROWS, Visit, route
from .play import encoded

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
    return "\n".join([encoded(rest).decode(), json.dumps(rest, default=str), str(rest)])


# ---- routes of the fault server that repeat credentials


def _lower(text: str) -> str:
    return re.sub("%..", lambda code: code[0].lower(), text)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "replace")


# How a text is encoded once, by name. The text may be a secret, or longer and hold one.
ENCODINGS: dict[str, Callable[[str], str]] = {
    "raw": lambda text: text,
    "quote all": lambda text: quote(_raw(text), safe=""),
    "quote_plus": lambda text: quote_plus(_raw(text)),
    "quote in lower case": lambda text: _lower(quote(_raw(text), safe="")),
    "as requests": lambda text: quote(_raw(text), safe="!#$%&'()*+,/:;=?@[]~"),
    "as urllib3": lambda text: quote(_raw(text), safe="!$&'()*+,;=:@/?"),
    "as JavaScript": lambda text: quote(_raw(text), safe="!'()*"),
    "as a form of Java": lambda text: quote_plus(_raw(text), safe="").replace("~", "%7E"),
    "json": lambda text: json.dumps(text)[1:-1],
    "json in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json as PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "html": html.escape,
    "html as Ruby": lambda text: html.escape(text).replace("&#x27;", "&#39;"),
    "html as Go": lambda t: html.escape(t).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    "repr": lambda text: repr(text)[1:-1],
    "ascii": lambda text: ascii(text)[1:-1],
    "repr of bytes": lambda text: repr(_raw(text))[2:-1],
    "base64": lambda text: base64.b64encode(_raw(text)).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(_raw(text)).decode().rstrip("="),
    "base64 in Basic": lambda text: base64.b64encode(b"user:" + _raw(text)).decode(),
    "base64 in text": lambda text: base64.b64encode(b"{'" + _raw(text) + b"'}").decode(),
}
# What only decoding brings to light.
ODD_ENCODINGS: dict[str, Callable[[str], str]] = {
    "percent for all": lambda text: "".join(f"%{byte:02X}" for byte in _raw(text)),
    "escapes for all": lambda text: "".join(f"\\U{ord(char):08x}" for char in text),
    "entities for all": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "base64 in lines": lambda text: base64.encodebytes(b"-" * 50 + _raw(text) + b"=").decode(),
}
ALL_ENCODINGS = {**ENCODINGS, **ODD_ENCODINGS}


def _credentials(visit: Visit) -> list[str]:
    """What the request carries: headers and parameters as sent, Basic taken apart, form fields."""
    found = [visit.headers.get(name, "") for name in ("Authorization", "X-Api-Key")]
    found += [
        visit.params.get("api_key", ""),
        *dict(parse_qsl(visit.body.decode("latin-1"))).values(),
    ]
    scheme, _, coded = found[0].partition(" ")
    found.append(coded)
    if scheme == "Basic":
        with contextlib.suppress(ValueError):
            pair = base64.b64decode(coded).decode("utf-8", "replace")
            found += [pair, *pair.split(":", 1)]
    return [text for text in found if text]


def _token(visit: Visit, text: str) -> None:
    visit.reply(json.dumps({"data": ROWS, "next": text}))


def _error(visit: Visit, body: str | bytes, kind: str = "application/json") -> None:
    visit.reply(body, int(visit.params.get("code", 400)), Content_Type=kind)


_TEXT, _LATIN = "text/plain", "text/plain; charset=latin-1"
ECHOES: dict[str, Callable[[Visit, str], None]] = {
    "body": lambda visit, text: _error(visit, text, _TEXT),
    "json": lambda visit, text: _error(visit, json.dumps({"you sent": text})),
    "html": lambda visit, text: _error(visit, f"<html>{html.escape(text)}</html>", "text/html"),
    "content-type": lambda visit, text: visit.reply(b"<", Content_Type=f"text/x; a={quote(text)}"),
    "redirect": lambda visit, text: visit.reply(
        b"", 302, Location=f"{visit.server.elsewhere}/rows?was={quote_plus(text)}"
    ),
    "token": _token,
    "next": lambda visit, text: _token(visit, f"{visit.url}/rows?was={quote_plus(text)}"),
    "keys": lambda visit, text: visit.reply(json.dumps({text: 1})),
    "far-on": lambda visit, text: _error(visit, "x" * 180 + text, _TEXT),
    "many": lambda visit, text: _error(visit, " ".join([text] * 2000), _TEXT),
    "all": lambda visit, text: _error(
        visit, "\n".join(encode(text) for encode in ALL_ENCODINGS.values()), _TEXT
    ),
    "utf-16": lambda visit, text: _error(visit, text.encode("utf-16"), _TEXT),
    "latin-1": lambda visit, text: _error(visit, text.encode("latin-1", "replace"), _LATIN),
}


@route("/echo")
def echo(visit: Visit) -> None:
    """Repeats everything that it was sent as credentials, in the `where` that is asked for."""
    ECHOES[visit.params["where"]](visit, "\n".join(_credentials(visit)))
