"""Finds a secret in what has left the process, by decoding the text in every way."""

import base64
import contextlib
import html
import io
import json
import logging
import re
from urllib.parse import quote, quote_plus, unquote, unquote_plus

_ESCAPE = re.compile(r"(?s)\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))")
_NAMED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "a": "\a"}


def _unescaped(text):
    """What JSON, `repr` and `ascii` have escaped."""

    def plain(found):
        code = found[1] or found[2] or found[3]
        if code:
            return chr(int(code, 16)) if int(code, 16) < 0x110000 else "?"
        return _NAMED.get(found[4], found[4])

    text = _ESCAPE.sub(plain, text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _read_again(text):
    """UTF-8 that was read as Latin-1."""
    return text.encode("latin-1", "ignore").decode("utf-8", "ignore")


def leaks(text, secrets):
    """The secrets that can be read in a text, or in what it says once it is decoded, or twice."""
    texts = {text}
    for _ in range(2):
        for decode in (unquote, unquote_plus, html.unescape, _unescaped, _read_again):
            texts |= {decode(each) for each in texts}
    unpacked = set()
    for run in {run for each in texts for run in re.findall(r"[A-Za-z0-9+/_-]{8,}", each)}:
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

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.texts = []

    def emit(self, record):
        seen = {name: value for name, value in vars(record).items() if name != "exc_info"}
        self.texts += [self.format(record), f"{seen!r} {record.args!r} {record.msg!s}"]
        error = record.exc_info[1] if record.exc_info else None
        while error is not None:
            self.texts.append(f"{error!r} {error!s} {error.args!r}")
            error = error.__cause__ or error.__context__

    @property
    def text(self):
        return "\n".join(self.texts)


@contextlib.contextmanager
def listening():
    """Everything that is logged meanwhile, and what Python prints about logging that failed."""
    root, listener, printed = logging.getLogger(), Listener(), io.StringIO()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(printed):
            yield listener
    finally:
        root.setLevel(level)
        root.removeHandler(listener)
        listener.texts.append(printed.getvalue())


def _raw(text):
    return text.encode("utf-8", "replace")


def _quoted(safe):
    return lambda text: quote(_raw(text), safe=safe)


def _in_base64(before, after=b""):
    return lambda text: base64.b64encode(before + _raw(text) + after).decode()


# How a text is encoded once, by name; it may be a secret, or longer and hold one.
ENCODINGS = {
    "raw": lambda text: text,
    "quote all": _quoted(""),
    "quote_plus": lambda text: quote_plus(_raw(text)),
    "quote in lower case": lambda t: re.sub("%..", lambda c: c[0].lower(), quote(_raw(t), safe="")),
    "as requests": _quoted("!#$%&'()*+,/:;=?@[]~"),
    "as urllib3": _quoted("!$&'()*+,;=:@/?"),
    "as JavaScript": _quoted("!'()*"),
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
    "base64": _in_base64(b""),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(_raw(text)).decode().rstrip("="),
    "base64 in Basic": _in_base64(b"user:"),
    "base64 in text": _in_base64(b"{'", b"'}"),
}
# And what only decoding brings to light.
ALL_ENCODINGS = {
    **ENCODINGS,
    "percent for all": lambda text: "".join(f"%{byte:02X}" for byte in _raw(text)),
    "escapes for all": lambda text: "".join(f"\\U{ord(char):08x}" for char in text),
    "entities for all": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "base64 in lines": lambda text: base64.encodebytes(b"-" * 50 + _raw(text) + b"=").decode(),
}
