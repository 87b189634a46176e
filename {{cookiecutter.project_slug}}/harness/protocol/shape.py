"""The shape of one reply, by schema/reply.json, whose parts name their rules."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from harness.protocol.body import MOST, as_json, at
from harness.protocol.rule import ERROR, WARNING, Fault, rule

_FILE = Path(__file__).parent / "schema" / "reply.json"
_SCHEMA = Draft202012Validator(json.loads(_FILE.read_text(encoding="utf-8")))
_TYPES = {"object": "an object", "array": "a list", "string": "text", "boolean": "true or false"}

rule("reply-shape", ERROR, "a part of the reply is missing or has not the documented shape",
     "requires the documented shape (what it does otherwise is not documented)",
     'answer {"state": {…}, "insert": {"order": [{…}]}, "schema": {"order": {"primary_key": '
     '["id"]}}, "hasMore": false}; an error as {"errorMessage": "…"}')  # fmt: skip
rule("has-more-not-boolean", ERROR, "hasMore is missing, or not a boolean",
     "requires a JSON boolean (what it does otherwise is not documented; here the sync ends, as "
     "after false)",
     "answer with hasMore: true or hasMore: false each time, without quotes")  # fmt: skip
rule("unknown-field", WARNING, "a field of the reply is not in the protocol, or null",
     "does not look at such fields (for null that is not documented)",
     "look for a typing mistake: the fields are state, hasMore, insert, delete, schema, "
     "softDelete, errorMessage, errorType and stackTrace; what must be remembered goes into "
     "state")  # fmt: skip


def faults(reply: Any) -> list[Fault]:
    """What is wrong with the shape of a decoded reply."""
    return [_fault(error, reply) for error in islice(_SCHEMA.iter_errors(_outline(reply)), MOST)]


def _outline(reply: Any) -> Any:
    """The reply without its records: the schema looks at those that are not objects alone."""
    if not isinstance(reply, dict):
        return reply
    outline = dict(reply)
    for part in ("insert", "delete"):
        if isinstance(reply.get(part), dict):
            outline[part] = {entity: _no_records(rows) for entity, rows in reply[part].items()}
    return outline


def _no_records(rows: Any) -> Any:
    if not isinstance(rows, list):
        return rows
    if set(map(type, rows)) <= {dict}:
        return []
    return [{} if isinstance(row, dict) else row for row in rows]


def _fault(error: ValidationError, reply: Any) -> Fault:
    schema: Any = error.schema
    value: Any = error.validator_value
    path = list(error.absolute_path)
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]
    if error.validator == "required":
        what = f"{value[0]} is missing"
    elif "what" in schema:
        what = f"{where or 'the reply'} {schema['what']}"
    else:
        what = f"{where or 'the reply'} is {as_json(error.instance)}"
        if error.validator == "type":
            what += f", not {_TYPES[value[0] if isinstance(value, list) else value]}"
    return at(path, schema["rule"], what, reply, schema.get("todo", ""))
