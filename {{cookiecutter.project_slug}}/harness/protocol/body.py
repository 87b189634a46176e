"""Rules about the body of one reply: JSON text, shape by schema/reply.json, secrets in it."""

from __future__ import annotations

import codecs
import html
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from jsonschema import Draft202012Validator, ValidationError

from harness import codec
from harness.protocol.rule import ERROR, WARNING, Fault, rule
from harness.redact import Redactor

_LOOKED_AT = 20_000  # bytes
_AROUND = 60  # characters before and after the place where JSON breaks
_UNSEEN = re.compile(r"(?is)<(script|style)\b.*?</\1>|<!--.*?-->|<[^<>]*>")
_FILE = Path(__file__).parent / "schema" / "reply.json"
_SCHEMA = Draft202012Validator(json.loads(_FILE.read_text(encoding="utf-8")))
_TYPES = {"object": "an object", "array": "a list", "string": "text", "boolean": "true or false"}
_Path = Sequence[str | int]

rule("not-json", ERROR, "the reply is not JSON",
     "cannot read the reply: the sync fails",
     "return one JSON object in UTF-8, without NaN or Infinity")  # fmt: skip
rule("same-name-twice", ERROR, "an object in the reply has the same name twice",
     "uses one of the two values and loses the other; which one is not documented",
     "write each entity once in insert, and each column once in a record")  # fmt: skip


def decoded(data: bytes, redactor: Redactor) -> tuple[Any, list[Fault]]:
    """The value of a body, None if it is not JSON, and what is wrong with the text."""
    try:
        value = codec.decode(data)
        wrong = list(_names_twice(data, value))
    except (ValueError, RecursionError) as error:
        return None, [_not_json(data, str(error), redactor)]
    if b"\\ud" in data or b"\\uD" in data:
        try:
            codec.decode_strictly(data)
        except msgspec.DecodeError as error:  # half a surrogate pair
            wrong.append(_not_json(data, str(error), redactor))
    return value, wrong


def _not_json(data: bytes, why: str, redactor: Redactor) -> Fault:
    """Why a body is not JSON, and where."""
    place, todo = len(data), ""
    try:
        data.decode()
        codec.decode_strictly(data)
    except UnicodeDecodeError as error:
        why, place = "a byte that is not UTF-8", error.start
    except (msgspec.DecodeError, RecursionError) as error:
        why, _, byte = str(error).partition(" (byte ")
        place = int(byte.rstrip(")") or place)
    if not data.strip():
        what = "the reply is empty"
        todo = "return the JSON text as the body of the HTTP response, in every branch"
    elif data.startswith(b"\x1f\x8b"):
        what = "the body is compressed with gzip, but has no Content-Encoding header"
        todo = "send the header Content-Encoding: gzip, or do not compress"
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


def readable(data: bytes) -> str:
    """The beginning of a body for people; of an HTML page the text."""
    text = data[:_LOOKED_AT].decode("utf-8", "replace").strip()
    return " ".join(html.unescape(_UNSEEN.sub(" ", text)).split()) if text[:1] == "<" else text


def _names_twice(data: bytes, value: Any) -> Iterator[Fault]:
    """Names that an object has twice: readers of JSON silently drop the first value."""
    # Encoded again the reply has fewer names then; only in that case is it read slowly.
    encoded = codec.encode(value)
    if any(data.count(colon) > encoded.count(colon) for colon in (b'":', b'" :')):
        read = json.loads(data, object_pairs_hook=_Pairs)
        for path, name in _twice(read, ()):
            yield _at(
                path, "same-name-twice", f'"{name}" appears more than once in one object', value
            )


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON with all of its names."""


def _twice(value: Any, path: _Path) -> Iterator[tuple[_Path, str]]:
    if isinstance(value, _Pairs):
        counts = Counter(name for name, _ in value)
        yield from ((path, name) for name, count in counts.items() if count > 1)
    if isinstance(value, list):
        for step, item in dict(value).items() if isinstance(value, _Pairs) else enumerate(value):
            yield from _twice(item, (*path, step))


def _at(path: _Path, rule: str, what: str, reply: Any, todo: str = "") -> Fault:
    """A fault at a place of the decoded reply, with the record that is there."""
    part = str(path[0]) if path else ""
    entity = str(path[1]) if len(path) > 1 and part in ("insert", "delete", "schema") else ""
    if part in ("insert", "delete") and len(path) > 2 and isinstance(path[2], int):
        row = _as_json(reply[part][entity][path[2]])
        return Fault(rule, what, part, entity, path[2], row, todo)
    return Fault(rule, what, part, entity, todo=todo)


def _as_json(value: Any) -> str:
    """A value as JSON text; the end of a long one is left out."""
    return codec.encode(value)[:_LOOKED_AT].decode("utf-8", "replace")


rule("reply-shape", ERROR, "a part of the reply is missing or has the wrong shape",
     "requires the documented shape; what it does with another one is not documented",
     'return {"state": {…}, "insert": {"order": [{…}]}, "schema": {"order": {"primary_key": '
     '["id"]}}, "hasMore": false}, or for an error {"errorMessage": "…"}')  # fmt: skip
rule("has-more-not-boolean", ERROR, "hasMore is missing, or not a boolean",
     "requires a JSON boolean; what it does without one is not documented (the local Fivetran "
     "ends the sync)",
     "always return hasMore: true or hasMore: false, without quotes")  # fmt: skip
rule("unknown-field", WARNING, "a field of the reply is unknown or null",
     "ignores unknown fields; what it does with null is not documented",
     "check the spelling: the fields are state, hasMore, insert, delete, schema, softDelete, "
     "errorMessage, errorType and stackTrace")  # fmt: skip


def shape(reply: Any) -> Iterator[Fault]:
    """What is wrong with the shape of a decoded reply."""
    outline = reply
    if isinstance(reply, dict):
        outline = dict(reply)
        for part in ("insert", "delete"):
            if isinstance(reply.get(part), dict):
                outline[part] = {entity: _outline(rows) for entity, rows in reply[part].items()}
    for error in _SCHEMA.iter_errors(outline):
        yield _misshapen(error, reply)


def _outline(rows: Any) -> Any:
    """A list of records without what is in them, which the schema does not look at."""
    if not isinstance(rows, list):
        return rows
    if set(map(type, rows)) <= {dict}:
        return []
    return [{} if isinstance(row, dict) else row for row in rows]


def _misshapen(error: ValidationError, reply: Any) -> Fault:
    schema: Any = error.schema
    value: Any = error.validator_value
    path = list(error.absolute_path)
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]
    if error.validator == "required":
        what = f"{value[0]} is missing"
    elif "what" in schema:
        what = f"{where or 'the reply'} {schema['what']}"
    else:
        what = f"{where or 'the reply'} is {_as_json(error.instance)}"
        if error.validator == "type":
            what += f", not {_TYPES[value[0] if isinstance(value, list) else value]}"
    return _at(path, schema["rule"], what, reply, schema.get("todo", ""))


rule("secret-in-reply", ERROR, "the reply contains a secret outside its records",
     "stores the state and shows error messages, so people can read the secret (the local "
     "Fivetran writes nothing of this reply)",
     "keep secrets out of the state, and replace them in errorMessage and stackTrace")  # fmt: skip
rule("secret-in-rows", WARNING, "a record contains a secret",
     "writes it into the destination, where people can read it",
     "remove the secret from the record, or block the column in Fivetran")  # fmt: skip


def leaks(body: bytes, data: Mapping[str, Any], redactor: Redactor) -> list[Fault]:
    """Secrets in a reply, outside its records and in them."""
    if not redactor.finds(body):
        return []
    found: list[Fault] = []
    for part, value in data.items():
        tables = value if part in ("insert", "delete") and isinstance(value, dict) else {}
        if redactor.finds(codec.encode({part: list(tables) or value})):
            found.append(Fault("secret-in-reply", f"{part} contains a secret", part))
        for entity, rows in tables.items():
            for index, record in enumerate(rows if isinstance(rows, list) else ()):
                if redactor.finds(codec.encode(record)):
                    columns = record.items() if isinstance(record, dict) else ()
                    names = (name for name, v in columns if redactor.finds(codec.encode(v)))
                    what = f"{next(names, 'the record')} contains a secret"
                    found.append(_at((part, entity, index), "secret-in-rows", what, data))
    return found or [Fault("secret-in-reply", "the reply contains a secret")]
