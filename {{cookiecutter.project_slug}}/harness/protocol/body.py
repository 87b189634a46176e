"""What is wrong with a reply as JSON text."""

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
_LOOKED_AT = 20_000  # bytes
_AROUND = 60  # characters before and after the place where JSON breaks
_BYTE = re.compile(r" \(byte (\d+)\)")
_UNSEEN = re.compile(r"(?is)<(script|style)\b.*?</\1>|<!--.*?-->|<[^<>]*>")
Path = Sequence[str | int]

rule("not-json", ERROR, "the reply is not JSON",
     "cannot read the reply: the sync fails",
     "answer with one JSON object in UTF-8, without NaN, Infinity, a byte order mark or halves of "
     "surrogate pairs")  # fmt: skip
rule("same-name-twice", ERROR, "an object of the reply has the same name twice",
     "takes one of the two values (which one is not documented): the other is lost",
     "write each entity once in insert, and each column once in a record")  # fmt: skip


def decoded(data: bytes, redactor: Redactor) -> tuple[Any, list[Fault]]:
    """The value that a body holds, None where it is not JSON, and what is wrong with the text."""
    try:
        value = codec.decode(data)
        wrong = list(_names_twice(data, value))
    except (ValueError, RecursionError) as error:
        return None, [_not_json(data, redactor) or Fault("not-json", str(error))]
    if (b"\\ud" in data or b"\\uD" in data) and (fault := _not_json(data, redactor)):
        wrong.append(fault)  # half a surrogate pair, which can be decoded here
    return value, wrong


def at(path: Path, rule: str, what: str, reply: Any, todo: str = "") -> Fault:
    """A fault at a place of the decoded reply, with the record that is there."""
    part = str(path[0]) if path else ""
    entity = str(path[1]) if len(path) > 1 and part in ("insert", "delete", "schema") else ""
    record, row = None, ""
    if part in ("insert", "delete") and len(path) > 2 and isinstance(path[2], int):
        record = path[2]
        row = as_json(reply[part][entity][record])
    return Fault(rule, what, part, entity, record, row, todo)


def as_json(value: Any) -> str:
    """A value as JSON text; the end of a long one is left out."""
    return codec.encode(value)[:_LOOKED_AT].decode("utf-8", "replace")


def readable(data: bytes) -> str:
    """The beginning of a body for people; of an HTML page the text."""
    text = data[:_LOOKED_AT].decode("utf-8", "replace").strip()
    return " ".join(html.unescape(_UNSEEN.sub(" ", text)).split()) if text[:1] == "<" else text


def _not_json(data: bytes, redactor: Redactor) -> Fault | None:
    """Why a body is not JSON, and where; None where msgspec reads it."""
    why, place, todo = "", 0, ""
    try:
        data.decode()
        msgspec.json.decode(data)
    except UnicodeDecodeError as error:
        why, place = "a byte that is not UTF-8", error.start
    except (ValueError, RecursionError) as error:
        found = _BYTE.search(str(error))
        why, place = _BYTE.sub("", str(error)), int(found[1]) if found else len(data)
    if not why:
        return None
    if not data.strip():
        what = "the reply is empty"
        todo = "return the JSON text as the body of the HTTP response, in every branch"
    elif data.startswith(b"\x1f\x8b"):
        what = "the body is compressed with gzip, and no Content-Encoding header says so"
        todo = "answer with the header Content-Encoding: gzip, or do not compress"
    elif data.startswith(codecs.BOM_UTF8):
        what = "the reply begins with a byte order mark (EF BB BF)"
    elif data.lstrip().startswith(b"<"):
        what = f"the reply is an HTML page: {readable(data)}"
    else:
        before, after = (
            redactor.text(part.decode("utf-8", "replace"))
            for part in (data[max(0, place - 1_000) : place], data[place : place + 1_000])
        )
        around = f"{before[-_AROUND:]} >>> {after[:_AROUND] or '(end)'}"
        what = f"{why}, at byte {place:,} of {len(data):,}: {around}"
    return Fault("not-json", what, todo=todo)


def _names_twice(data: bytes, value: Any) -> Iterator[Fault]:
    """Names that an object has twice: readers of JSON silently drop the first value."""
    # Encoded anew the reply has fewer names then; only in that case is it read again, slowly.
    encoded = codec.encode(value)
    if any(data.count(colon) > encoded.count(colon) for colon in (b'":', b'" :')):
        read = json.loads(data, object_pairs_hook=_Pairs)
        for path, name in islice(_twice(read, ()), MOST):
            yield at(path, "same-name-twice", f'"{name}" is more than once in one object', value)


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON with all of its names."""


def _twice(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, _Pairs):
        counts = Counter(name for name, _ in value)
        yield from ((path, name) for name, count in counts.items() if count > 1)
    if isinstance(value, list):
        for step, item in dict(value).items() if isinstance(value, _Pairs) else enumerate(value):
            yield from _twice(item, (*path, step))
