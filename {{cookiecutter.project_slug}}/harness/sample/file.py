# Owned by fivetran-azfn-template: updates replace this file.
"""sample.toml read and checked; every error names the file, the entry and the rule."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args, get_type_hints

import msgspec

from harness.errors import UsageError
from harness.sample import bounds
from harness.sample.forms import Form
from harness.sample.paths import keys_of, value_at
from harness.sample.spec import Auth, Entity, Spec

_MOST_RECORDS = 100_000
_SECRETS = {"basic": 2, "oauth2_client_credentials": 2, "none": 0}
_KIND_OF = {
    "header": "api_key_header",
    "prefix": "api_key_header",
    "param": "api_key_query",
    "token_path": "oauth2_client_credentials",
    "expires_in": "oauth2_client_credentials",
}
_TOKENS = {
    "cursor": "cursor",
    "page_number": "page",
    "offset": "offset",
    "link_header": "cursor",
    "next_url": "cursor",
}

_TYPES = {
    "bool": "is true or false, without quotes",
    "int": "is a whole number, without quotes",
    "object": "is a table of entries",
    "str": "is text in quotes",
}

_T = TypeVar("_T", bound=msgspec.Struct)
_Fail = Callable[[str, str], NoReturn]


class SampleError(UsageError):
    """sample.toml is missing, is no TOML, or an entry of it breaks a rule."""


def load(path: Path) -> Spec:
    """Reads and checks sample.toml.

    Raises:
        SampleError: It cannot be read or breaks a rule.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    except OSError as error:
        raise SampleError(
            f"{path.name}: cannot be read: {error.strerror}",
            todo="docs/sample.md says how it is written; without --sample the real API is called",
        ) from None
    except ValueError as error:
        raise SampleError(f"{path.name}: is no TOML: {error}") from None

    def fail(entry: str, rule: str) -> NoReturn:
        raise SampleError(f"{path.name}: {entry}: {rule}")

    for name in tables.keys() - {"records", "auth", "entity"}:
        fail(name, "is unknown; there are records, [auth] and [entity.<name>]")
    records = tables.get("records", 2500)
    if type(records) is not int or not 0 <= records <= _MOST_RECORDS:
        fail("records", f"is a whole number from 0 to {_MOST_RECORDS}")
    auth = _auth(tables.get("auth", {}), _within("[auth]", fail))
    listed = tables.get("entity")
    if not isinstance(listed, dict) or not listed:
        fail("[entity.<name>]", "is missing: describe at least one entity")
    entities: dict[str, Entity] = {}
    for name, table in listed.items():
        fail_here = _within(f"[entity.{name}]", fail)
        entity = _entity(name, table, auth, fail_here)
        if entity.path in entities:
            fail_here("path", f"{entity.path} is that of {entities[entity.path].name} already")
        entities[entity.path] = entity
    return Spec(file=path.name, records=records, auth=auth, entities=entities)


def _within(table: str, fail: _Fail) -> _Fail:
    def fail_there(entry: str, rule: str) -> NoReturn:
        fail(f"{table} {entry}".strip(), rule)

    return fail_there


def _auth(table: Any, fail: _Fail) -> Auth:
    auth = _struct(table, Auth, fail)
    wanted = _SECRETS.get(auth.kind, 1)
    if len(set(auth.secrets)) != wanted or len(auth.secrets) != wanted:
        fail("secrets", f'kind = "{auth.kind}" takes {wanted} of different names')
    for key in table:
        if _KIND_OF.get(key, auth.kind) != auth.kind:
            fail(key, f'goes with kind = "{_KIND_OF[key]}", not "{auth.kind}"')
    if not auth.token_path.startswith("/"):
        fail("token_path", "starts with /")
    if auth.expires_in < 0:
        fail("expires_in", "is a number of seconds")
    return auth


def _entity(name: str, table: Any, auth: Auth, fail: _Fail) -> Entity:
    read = _struct(table, Entity, fail)
    token = read.token or _TOKENS.get(read.pagination, "")
    entity = msgspec.structs.replace(read, name=name, token=token)
    for broken, key, rule in _rules(entity, auth):
        if broken:
            fail(key, rule)
    places = (entity.rows, entity.next, entity.more, entity.deleted)
    paths = [keys_of(place) for place in places if place]
    for index, path in enumerate(paths):
        for other in paths[index + 1 :]:
            if path[: len(other)] == other[: len(path)]:
                fail("rows", "rows, next, more and deleted stand in places of their own")
    _check_record(entity, fail)
    return entity


def _rules(entity: Entity, auth: Auth) -> Iterator[tuple[bool, str, str]]:
    """What must not be: whether it is, the entry, and the rule."""
    style = f'pagination = "{entity.pagination}"'
    tells = entity.pagination in ("cursor", "next_url")
    gives_urls = entity.pagination in ("link_header", "next_url")
    names = [*entity.parameters, *entity.also]
    if auth.kind == "api_key_query":
        names.append(auth.param)
    takes_tokens = auth.kind == "oauth2_client_credentials" and entity.path == auth.token_path
    yield not entity.path.startswith("/"), "path", "starts with /"
    yield takes_tokens, "path", f"{entity.path} is token_path of [auth] already"
    yield tells and not entity.next, "next", f"{style} says where the next one stands"
    yield bool(entity.next) and not tells, "next", f"{style} has none"
    yield bool(entity.token) and entity.pagination == "none", "token", f"{style} has none"
    yield (
        gives_urls and entity.method == "POST",
        "method",
        f"{style} gives out URLs, which are read with GET",
    )
    yield (
        not entity.rows and bool(entity.next or entity.more or entity.deleted),
        "rows",
        "a body that is the list has no room for next, more or deleted: give rows a path",
    )
    yield (
        entity.last in ("absent", "empty") and not entity.next,
        "last",
        f'"{entity.last}" is said of next, and {style} has none',
    )
    yield entity.last == "404" and entity.pagination == "none", "last", f"{style} has one page"
    yield len(set(names)) < len(names), "also", f"two parameters have one name: {', '.join(names)}"
    yield (
        entity.by_change and entity.pagination not in ("page_number", "offset"),
        "by_change",
        'is said of positions: pagination = "page_number" or "offset"',
    )
    yield entity.by_change and entity.newest_first, "by_change", "does not go with newest_first"
    since_as = entity.since_as
    yield since_as is not None and not bounds.is_known(since_as), "since_as", bounds.RULE
    for key in ("since", "until", "newest_first", "by_change"):
        yield bool(getattr(entity, key)) and entity.cursor is None, key, "needs cursor"
    yield bool(entity.deleted) and not entity.primary_key, "deleted", "needs primary_key"
    yield (
        bool(entity.deleted) and entity.cursor in entity.primary_key,
        "deleted",
        "needs a cursor that is no part of primary_key, or no tombstone would ever be found",
    )


def _check_record(entity: Entity, fail: _Fail) -> None:
    for place, value in _leaves(entity.record, "record"):
        if isinstance(value, (date, time)):
            fail(place, "a moment is written as the API writes it, as text in quotes")
        if isinstance(value, Decimal) and not value.is_finite():
            fail(place, "JSON has no nan and no inf")
    for key in (*entity.primary_key, *(entity.nulls or ())):
        if key not in entity.record:
            fail("record", f"has no {key}; it has {', '.join(entity.record) or 'nothing'}")
    for key in entity.nulls or ():
        if key in (*entity.primary_key, entity.cursor, (entity.cursor or "").partition(".")[0]):
            fail("nulls", f"{key} is never null: primary_key or cursor stands there")
    for key in entity.primary_key:
        if type(entity.record[key]) not in (int, str):
            fail("primary_key", f"{key} of the record is no text and no whole number")
    if entity.cursor is not None:
        example = value_at(entity.record, entity.cursor)
        if example is None:
            fail("record", f"has no {entity.cursor}, which is its cursor")
        try:
            form = Form(example)
        except ValueError as error:
            fail("cursor", f"{entity.cursor} of the record is {error}")
        if entity.since_as is not None and not form.is_time:
            fail("since_as", f"is said of moments, and {entity.cursor} of the record only counts")


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, f"{place}[]")
    else:
        yield place, value


def _struct(table: Any, kind: type[_T], fail: _Fail) -> _T:
    if not isinstance(table, dict):
        fail("", "is a table of entries")
    known = [name for name in kind.__struct_fields__ if name != "name"]
    for key in table:
        if key not in known:
            fail(key, f"is unknown; there are {', '.join(known)}")
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        why, _, place = str(error).partition(" - at `$.")
        if not place:  # Object missing required field `path`
            fail(why.split("`")[1], "is missing")
        key = re.split(r"\W", place, maxsplit=1)[0]
        if "enum" in why:
            fail(key, f"is one of {', '.join(get_args(get_type_hints(kind)[key]))}")
        fail(key, _wanted(why.split("`")[1].split(" | ")[0], place, table[key]))


def _wanted(expected: str, place: str, given: Any) -> str:
    """What an entry of another type should be, in TOML's words and with what was given."""
    if expected == "array" or "[" in place:
        texts = given if isinstance(given, list) else [given]
        return f"is a list: {json.dumps([str(text) for text in texts], ensure_ascii=False)}"
    if expected == "str" and isinstance(given, (int, Decimal)):
        return f'is text in quotes: "{str(given).lower()}"'
    return _TYPES[expected]
