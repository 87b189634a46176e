"""Routes of the fault server that repeat what they were sent as credentials, in many ways."""

import base64
import contextlib
import html
import json
import re
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, quote_plus

from .faults import ROWS, Visit, route


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
