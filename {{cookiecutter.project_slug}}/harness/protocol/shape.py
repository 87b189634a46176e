"""The shape of one reply, by schema/reply.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from harness.protocol.body import MOST, at
from harness.protocol.rule import ERROR, WARNING, Fault, rule
from harness.redact import Redactor

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

FOLDER = Path(__file__).parent / "schema"
_NAMES = {"object": "an object", "array": "a list", "string": "text", "boolean": "true or false"}
_TODO = {
    "insert": 'write "insert": {"order": [{"id": 1, "total": 5}]}: a list of objects per entity',
    "delete": 'write "delete": {"order": [{"id": 1}]}: a list of objects per entity',
    "schema": 'write "schema": {"order": {"primary_key": ["id"]}}',
    "softDelete": 'write "softDelete": ["order"]',
}
_LEAVE_OUT = "leave the field out where there is nothing to say"


class _Key(msgspec.Struct):
    primary_key: list[Annotated[str, msgspec.Meta(min_length=1)]] = []


class _Sound(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A reply that the schema accepts; not every accepted one passes.

    For these jsonschema, which takes a third of a second to load, is not needed.
    """

    state: dict[str, Any]
    has_more: bool
    insert: dict[str, list[Any]] = {}
    delete: dict[str, list[Any]] = {}
    schema: dict[str, _Key] = {}
    soft_delete: list[str] = []


@rule("reply-shape", ERROR, "a part of the reply has not the documented shape",
      "requires the documented shape (what it does otherwise is not documented)",
      'answer {"state": {…}, "insert": {"order": [{…}]}, "schema": {"order": '
      '{"primary_key": ["id"]}}, "hasMore": false}')  # fmt: skip
@rule("state-missing", ERROR, "the reply has no state, or one that is not an object",
      "requires an object: it is what the next call starts from",
      'answer with a state each time, such as {"cursor": "2026-01-01T00:00:00Z"}: '
      "the request's where nothing is new")  # fmt: skip
@rule("has-more-not-boolean", ERROR, "hasMore is missing, or not a boolean",
      "requires a JSON boolean (what it does otherwise is not documented; here the sync ends, "
      "as after false)",
      "answer with hasMore: true or hasMore: false each time, without quotes")  # fmt: skip
@rule("unknown-field", WARNING, "a field of the reply is not in the protocol, or null",
      "does not look at such fields (for null that is not documented)",
      "look for a typing mistake; put what must be remembered into state")  # fmt: skip
@rule("error-without-message", ERROR, "an error is reported without errorMessage",
      "has nothing to show on the dashboard",
      "write what happened into errorMessage, as text")  # fmt: skip
def faults(data: Any, redactor: Redactor) -> list[Fault]:
    """What is wrong with the shape of a decoded reply."""
    if not isinstance(data, dict):
        return [_no_object(data, redactor)]
    if {"statusCode", "body"} <= data.keys() and "state" not in data:
        what = (
            "the reply is {statusCode, body}, the wrapper in which AWS Lambda answers API Gateway"
        )
        todo = "answer with what is in body, as an object; API Gateway unwraps it only with its "
        return [Fault("reply-shape", what, todo=todo + "Lambda proxy integration")]
    if is_sound(data):
        return []
    errors = validator("reply").iter_errors(_outline(data))
    return [_fault(error, data, redactor) for error in islice(errors, MOST)]


def is_sound(data: dict[str, Any]) -> bool:
    """Whether a reply passes without the schema, which says what is wrong otherwise."""
    try:
        sound = msgspec.convert(data, _Sound)
    except msgspec.ValidationError:
        return False
    lists = (*sound.insert.values(), *sound.delete.values())
    return all(set(map(type, rows)) <= {dict} for rows in lists)


@cache
def validator(name: str) -> Draft202012Validator:
    """The JSON Schema of `request` or `reply`, ready for use."""
    from jsonschema import Draft202012Validator

    schema = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema)


def _no_object(data: Any, redactor: Redactor) -> Fault:
    if isinstance(data, str) and data.lstrip()[:1] == "{":
        todo = "return the text of one json.dumps or JSON.stringify, not of two"
        return Fault("reply-shape", "the reply is JSON encoded twice", todo=todo)
    return at((), "reply-shape", f"the reply is {_kind(data)}, not an object", data, redactor)


def _outline(data: Mapping[str, Any]) -> dict[str, Any]:
    """The reply without the contents of its records: the schema does not look at them."""
    outline = dict(data)
    for part in ("insert", "delete"):
        if isinstance(data.get(part), dict):
            outline[part] = {entity: _emptied(rows) for entity, rows in data[part].items()}
    return outline


def _emptied(rows: Any) -> Any:
    if not isinstance(rows, list):
        return rows
    return [{} if isinstance(row, dict) else row for row in rows]


def _fault(error: ValidationError, data: Any, redactor: Redactor) -> Fault:
    path = list(error.absolute_path)
    schema: Any = error.schema
    broken = str(schema["rule"])  # in every part of the schema that can be broken
    todo = _TODO.get(str(path[0]), "") if path and broken == "reply-shape" else ""
    if error.validator == "not" and error.instance is None:
        todo = _LEAVE_OUT
    return at(path, broken, _what(error, path), data, redactor, todo)


def _what(error: ValidationError, path: list[str | int]) -> str:
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]
    value: Any = error.validator_value
    found: Any = error.instance
    if error.validator == "required":
        return f"{'.'.join(filter(None, (where, value[0])))} is missing"
    if error.validator == "type":
        wanted = value[0] if isinstance(value, list) else value
        return f"{where} is {_kind(found)}, not {_NAMES[wanted]}"
    if error.validator in ("minItems", "maxItems"):
        return f"{where} has {len(found)} entries, not {value}"
    if error.validator == "not" and value == {}:
        return f"{where} is not a field of a reply{_meant(str(path[-1]))}"
    return f"{where} is {_kind(found)}"


def _meant(name: str) -> str:
    known = {field.lower(): field for field in _Sound.__struct_encode_fields__}
    meant = known.get(name.replace("_", "").replace("-", "").lower().removesuffix("s"))
    return f": is {meant} meant?" if meant else ""


def _kind(value: Any) -> str:
    """A JSON value in a sentence: `null`, `the text 'false'`, `the number 1`, `a list`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 40 else f"a text of {len(value)} characters"
    if isinstance(value, (int, Decimal)):
        return f"the number {value}"
    return "an object" if isinstance(value, dict) else "a list"
