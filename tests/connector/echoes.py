"""Routes of the fault server that say back what they were sent as credentials, in many ways."""

import base64
import contextlib
import html
import json
import re
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, quote_plus

from .faults import ROWS, Visit, route


def credentials(visit: Visit) -> list[str]:
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


def spellings(text: str) -> list[str]:
    """A text as upstreams, logs and pages write it."""
    raw = text.encode("utf-8", "replace")
    return [
        text,
        quote(text, safe=""),
        quote(text),
        quote_plus(text),
        re.sub("%..", lambda code: code[0].lower(), quote(text, safe="")),
        quote(quote_plus(text)),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        base64.b64encode(b"user:" + raw).decode(),
        base64.b64encode(raw + b":password").decode(),
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(text))[1:-1],
        json.dumps(text)[1:-1].replace("/", "\\/"),
        repr(text)[1:-1],
        repr(repr(text)),
        ascii(text)[1:-1],
        repr(raw)[2:-1],
        html.escape(text),
        html.escape(text, quote=False),
        html.escape(html.escape(text)),
        "".join(char if char.isalnum() else f"&#{ord(char)};" for char in text),
    ]


def _echo_redirect(visit: Visit, text: str) -> None:
    visit.reply(b"", 302, Location=f"{visit.server.elsewhere}/rows?was={quote_plus(text)}")


def _echo_token(visit: Visit, text: str) -> None:
    visit.reply(json.dumps({"data": ROWS, "next": text}))


def _error(visit: Visit, body: str | bytes, kind: str = "application/json") -> None:
    visit.reply(body, int(visit.params.get("code", 400)), Content_Type=kind)


ECHOES: dict[str, Callable[[Visit, str], None]] = {
    "body": lambda visit, text: _error(visit, text, "text/plain"),
    "json": lambda visit, text: _error(visit, json.dumps({"you sent": text})),
    "html": lambda visit, text: _error(
        visit, f"<html><p>{html.escape(text)}</p></html>", "text/html"
    ),
    "html-200": lambda visit, text: visit.reply(
        f"<html><p title='{html.escape(text)}'>{text}</p></html>", Content_Type="text/html"
    ),
    "header": lambda visit, text: visit.reply(
        b"", 400, X_Was=text.replace("\r", " ").replace("\n", " ")
    ),
    "content-type": lambda visit, text: visit.reply(
        b"<", 200, Content_Type=f"text/html; was={quote(text)}"
    ),
    "redirect": _echo_redirect,
    "redirect-here": lambda visit, text: visit.reply(
        b"", 302, Location=f"/status?code=400&was={quote_plus(text)}"
    ),
    "token": _echo_token,
    "next": lambda visit, text: _echo_token(visit, f"{visit.url}/rows?was={quote_plus(text)}"),
    "errors": lambda visit, text: visit.reply(json.dumps({"errors": [{"message": text}]})),
    "keys": lambda visit, text: visit.reply(json.dumps({text: 1})),
    "no-rows": lambda visit, text: visit.reply(json.dumps({"data": text})),
    "far-on": lambda visit, text: _error(visit, "x" * 196 + text, "text/plain"),
    "many": lambda visit, text: _error(visit, " ".join([text] * 2000), "text/plain"),
    "all": lambda visit, text: _error(visit, "\n".join(spellings(text)), "text/plain"),
    "utf-16": lambda visit, text: _error(visit, text.encode("utf-16"), "text/plain"),
    "utf-16-le": lambda visit, text: _error(visit, text.encode("utf-16-le"), "text/plain"),
    "latin-1": lambda visit, text: _error(
        visit, text.encode("latin-1", "replace"), "text/plain; charset=latin-1"
    ),
    "latin-1-untold": lambda visit, text: _error(
        visit, text.encode("latin-1", "replace"), "text/plain"
    ),
}


@route("/echo")
def echo(visit: Visit) -> None:
    """Says everything that it was sent as credentials, in the `where` that is asked for."""
    ECHOES[visit.params["where"]](visit, "\n".join(credentials(visit)))
