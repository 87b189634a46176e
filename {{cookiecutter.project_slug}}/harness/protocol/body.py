"""The bytes of a reply as a JSON value, and what is wrong with the text."""

from __future__ import annotations

import codecs
import html
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from harness import codec
from harness.protocol.rule import ERROR, Fault, rule
from harness.redact import Redactor

MOST = 1_000  # faults of one rule in one reply; more say nothing new
_SHOWN = 200  # characters
ENOUGH = 20_000  # bytes that are looked at, so that masking is done before cutting
_AROUND = 60  # characters before and after the place where JSON breaks
_GZIP = b"\x1f\x8b"
_BYTE = re.compile(r"\(byte (\d+)\)")
_UNSEEN = re.compile(r"(?is)<(script|style)\b.*?</\1>|<!--.*?-->|<[^<>]*>")


class Body:
    """A body, decoded once.

    Attributes:
        value: The decoded value, None where the body is not JSON.
        encoded: The value as compact JSON, b"" where there is none: what is searched for secrets.
        faults: What is wrong with the text.
    """

    def __init__(self, data: bytes, redactor: Redactor) -> None:
        self.value: Any = None
        self.encoded = b""
        self.faults: list[Fault] = []
        try:
            self.value = codec.decode(data)
            self.encoded = codec.encode(self.value)
        except RecursionError:
            self.value = None
            self.faults.append(Fault("not-json", "objects and lists are nested too deep to read"))
        except ValueError as error:
            self.faults.append(_not_json(data, error, redactor))
        else:
            self.faults += islice(_names_twice(data, self.encoded, redactor), MOST)
            self.faults += _half_pair(data)


def cut(text: str) -> str:
    """The first 200 characters of a text that is already redacted."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def shown(value: Any, redactor: Redactor) -> str:
    """A value as JSON text for people, without secrets and shortened."""
    return cut(redactor.text(codec.encode(value)[:ENOUGH].decode("utf-8", "replace")))


def start(data: bytes, redactor: Redactor) -> str:
    """The beginning of a body for people; of an HTML page the text."""
    text = redactor.text(data[:ENOUGH].decode("utf-8", "replace")).strip()
    if text.startswith("<"):
        text = " ".join(html.unescape(_UNSEEN.sub(" ", text)).split())
    return cut(text)


@rule("not-json", ERROR, "the reply is not JSON",
      "cannot read the reply: the sync fails",
      "answer with one JSON object in UTF-8, without NaN, Infinity, a byte order "
      "mark or halves of surrogate pairs")  # fmt: skip
def _not_json(data: bytes, error: ValueError, redactor: Redactor) -> Fault:
    if not data.strip():
        return Fault(
            "not-json",
            "the reply is empty",
            todo="return the JSON text as the body of the HTTP response, in every branch",
        )
    if data.startswith(_GZIP):
        return Fault(
            "not-json",
            "the body is compressed with gzip, and no Content-Encoding header says so",
            todo="answer with the header Content-Encoding: gzip, or do not compress",
        )
    if data.startswith(codecs.BOM_UTF8):
        return Fault("not-json", "the reply begins with a byte order mark (EF BB BF)")
    if data.lstrip()[:1] == b"<":
        return Fault("not-json", f"the reply is an HTML page: {start(data, redactor)}")
    if isinstance(error, UnicodeDecodeError):
        place, why = error.start, "a byte that is not UTF-8"
    else:
        place, why = _place(data, error), str(error).partition(":")[0]
    if place >= len(data.rstrip()):
        why = "the JSON ends too early"
    before = redactor.text(data[max(0, place - 1_000) : place].decode("utf-8", "replace"))
    after = redactor.text(data[place : place + 1_000].decode("utf-8", "replace"))
    around = f"{before[-_AROUND:]} >>> {after[:_AROUND]}" if after else f"{before[-_AROUND:]} (end)"
    return Fault("not-json", f"{why}, at byte {place:,} of {len(data):,}: {around}")


def _place(data: bytes, error: ValueError) -> int:
    """The byte at which the JSON breaks."""
    if isinstance(error, json.JSONDecodeError):
        return len(error.doc[: error.pos].encode("utf-8"))
    try:
        msgspec.json.decode(data)
    except ValueError as found:  # it knows the place of a NaN, which Python's reader does not
        place = _BYTE.search(str(found))
        return int(place[1]) if place else len(data)
    return 0


def _half_pair(data: bytes) -> Iterator[Fault]:
    if b"\\ud" not in data.lower():
        return
    try:
        msgspec.json.decode(data)
    except ValueError:
        what = r"a text holds half of a surrogate pair (\ud800 to \udfff), which has no UTF-8"
        yield Fault("not-json", what, todo="replace such characters, for example with U+FFFD")


@rule("same-name-twice", ERROR, "an object of the reply has the same name twice",
      "takes one of the two values (which one is not documented): the other is lost",
      "write each entity once in insert, and each column once in a record")  # fmt: skip
def _names_twice(data: bytes, encoded: bytes, redactor: Redactor) -> Iterator[Fault]:
    # Readers of JSON drop the first value silently. Written anew the reply has fewer names then;
    # only in that case is it worth to read it again, slowly.
    if all(data.count(colon) <= encoded.count(colon) for colon in (b'":', b'" :')):
        return
    twice: dict[int, list[str]] = {}  # id of an object: what is wrong with it

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(items)
        if len(value) < len(items):
            counts = Counter(name for name, _ in items)
            twice[id(value)] = [
                f'"{name}" stands {count} times in one object: '
                + " and ".join(_brief(item, redactor) for other, item in items if other == name)
                for name, count in counts.items()
                if count > 1
            ]
            alive.append(value)
        return value

    alive: list[dict[str, Any]] = []  # so that no id is used again
    value = json.loads(data, object_pairs_hook=pairs)
    if twice:
        for path, what in _places(value, (), twice):
            yield at(path, "same-name-twice", what, value, redactor)


def _places(
    value: Any, path: tuple[str | int, ...], twice: dict[int, list[str]]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for what in twice.get(id(value), ()):
        yield path, what
    for step, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, (dict, list)):
            yield from _places(item, (*path, step), twice)


def _brief(value: Any, redactor: Redactor) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, dict) else shown(value, redactor)


def at(
    path: Sequence[str | int], rule: str, what: str, data: Any, redactor: Redactor, todo: str = ""
) -> Fault:
    """A fault at a place of the decoded reply, with the record that is there."""
    part = redactor.text(str(path[0])) if path else ""
    entity = str(path[1]) if len(path) > 1 and part in ("insert", "delete", "schema") else ""
    is_record = part in ("insert", "delete") and len(path) > 2
    record = path[2] if is_record and isinstance(path[2], int) else None
    row = shown(data[path[0]][path[1]][record], redactor) if record is not None else ""
    return Fault(rule, redactor.text(what), part, redactor.text(entity), record, row, todo)
