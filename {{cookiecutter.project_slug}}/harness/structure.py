# Owned by fivetran-azfn-template: updates replace this file.
"""The shape of one reply, held against schema/reply.json; it knows no other reply."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from harness.findings import Fault
from harness.rules import ERROR, RULES

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

FOLDER = Path(__file__).parent / "schema"
_MOST = 50  # faults of one reply; the rest repeats them
_NAMES = {"object": "an object", "array": "a list", "string": "text", "boolean": "true or false"}


class _Key(msgspec.Struct):
    primary_key: list[Annotated[str, msgspec.Meta(min_length=1)]]


class _Sound(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A reply that schema/reply.json has nothing against; not all that are sound pass.

    For these jsonschema, which takes a third of a second to load, is not needed.
    """

    state: dict[str, Any]
    has_more: bool
    insert: dict[str, list[Any]] = msgspec.field(default_factory=dict)
    delete: dict[str, list[Any]] = msgspec.field(default_factory=dict)
    schema: dict[str, _Key] = msgspec.field(default_factory=dict)
    soft_delete: list[str] = msgspec.field(default_factory=list)


def faults(data: dict[str, Any]) -> list[Fault]:
    """What is wrong with the shape of a reply: at most fifty faults.

    Args:
        data: The decoded reply.
    """
    found = [] if is_sound(data) else _judged(data)
    if any(RULES[fault.rule].severity == ERROR for fault in found):
        return found
    if data.get("errorMessage") is not None:
        return found
    return [*found, *_unkeyed(data)]


def is_sound(data: dict[str, Any]) -> bool:
    """Whether a reply with data passes at first sight; if not, the schema says what is wrong."""
    try:
        msgspec.convert(data, _Sound)
    except msgspec.ValidationError:
        return False
    return all(
        set(map(type, rows)) <= {dict}
        for part in ("insert", "delete")
        for rows in data.get(part, {}).values()
    )


@cache
def validator(name: str) -> Draft202012Validator:
    """The JSON Schema of `request` or `reply`, ready for use."""
    from jsonschema import Draft202012Validator

    schema = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema)


def kind(value: Any) -> str:
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


def _judged(data: Mapping[str, Any]) -> list[Fault]:
    errors = validator("reply").iter_errors(_outline(data))
    return [_fault(error) for error in islice(errors, _MOST)]


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
    if set(map(type, rows)) <= {dict}:
        return []
    return [{} if isinstance(row, dict) else row for row in rows]


def _fault(error: ValidationError) -> Fault:
    path = list(error.absolute_path)
    schema: Any = error.schema
    names = [str(step) for step in path[:2]] if path[:1] in (["insert"], ["delete"]) else []
    part, entity = (*names, "", "")[:2]
    record = path[2] if entity and len(path) > 2 else None
    # A rule stands in every part of the schema that can be broken; a test says so.
    return Fault(
        schema["rule"],
        _said(error, path),
        part,
        entity,
        record if isinstance(record, int) else None,
    )


def _said(error: ValidationError, path: list[str | int]) -> str:
    where = _dotted(path)
    value: Any = error.validator_value
    found: Any = error.instance
    if error.validator == "required":
        return f"{_dotted([*path, value[0]])} is missing"
    if error.validator == "type":
        wanted = value[0] if isinstance(value, list) else value
        return f"{where} is {kind(found)}, not {_NAMES.get(wanted, f'an {wanted}')}"
    if error.validator in ("minItems", "maxItems"):
        return f"{where} has {len(found)} entries, not {value}"
    if error.validator == "not":
        return f"{where} is no field of a reply{_meant(str(path[-1]))}"
    return f"{where} is {kind(found)}"


def _meant(name: str) -> str:
    known = json.loads((FOLDER / "reply.json").read_text(encoding="utf-8"))["properties"]
    plain = {field.lower(): field for field in known}
    meant = plain.get(name.replace("_", "").replace("-", "").lower().removesuffix("s"))
    return f": is {meant} meant?" if meant else ""


def _dotted(path: list[str | int]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _unkeyed(data: Mapping[str, Any]) -> Iterator[Fault]:
    schema = data.get("schema", {})
    for entity, rows in data.get("delete", {}).items():
        if rows and not schema.get(entity, {}).get("primary_key"):
            yield Fault(
                "delete-without-schema",
                f"delete.{entity} comes without schema.{entity}.primary_key",
                "delete",
                entity,
            )
