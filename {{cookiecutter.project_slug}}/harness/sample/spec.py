"""What sample.toml can say: its keys, read and checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_type_hints

import msgspec

from harness.errors import SampleError
from harness.sample.forms import Form, is_since_form

FILE = "sample.toml"
_MOST_RECORDS = 100_000
_SECRETS = {"basic": 2, "oauth2_client_credentials": 2, "none": 0}
_KIND_OF = {
    "header": "api_key_header",
    "prefix": "api_key_header",
    "param": "api_key_query",
    "token_path": "oauth2_client_credentials",
}
_TOKENS = {"page_number": "page", "offset": "offset", "none": ""}
_WITH_INSIDE = {"inside", "parent", "primary_key", "record"}
_NO_LONGER_READ = "is no longer read: delete the line"
_OWN_APP = 'is no key any more: write the API as a WSGI app and name it with upstream = "…"'
_FORMER = {
    "also": "is no longer needed, any parameter that stays the same is accepted: delete the line",
    "short_pages": _NO_LONGER_READ,
    "nulls": _NO_LONGER_READ,
    "expires_in": _NO_LONGER_READ,
    "newest_first": _OWN_APP,
    "by_change": _OWN_APP,
}
_TOML_TYPES = {
    "str": "text in quotes",
    "int": "a whole number without quotes",
    "bool": "true or false without quotes",
    "array": 'a list: ["…"]',
    "object": "a table of keys",
}
_T = TypeVar("_T", bound=msgspec.Struct)


def keys_of(path: str) -> list[str]:
    """The keys of a dotted path; those of OData (`@odata.nextLink`) contain the dot."""
    return [path] if path.startswith("@") else path.split(".")


def value_at(record: dict[str, Any], path: str) -> Any:
    """The value at a column or a dotted path; None where there is none."""
    if path in record:
        return record[path]
    value: Any = record
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def put(record: dict[str, Any], keys: list[str], value: Any) -> None:
    """Set the value where the keys lead; objects on the way are copied or made."""
    for key in keys[:-1]:
        inner = record.get(key)
        record[key] = dict(inner) if isinstance(inner, dict) else {}
        record = record[key]
    record[keys[-1]] = value


class Auth(msgspec.Struct, frozen=True):
    """`[auth]`: what each request must carry. docs/sample.md explains the keys."""

    kind: Literal[
        "bearer",
        "token",
        "api_key_header",
        "api_key_query",
        "basic",
        "oauth2_client_credentials",
        "none",
    ] = "none"
    secrets: tuple[str, ...] = ()
    header: str = "X-Api-Key"
    prefix: str = ""
    param: str = "api_key"
    token_path: str = "/oauth/token"


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """`[entity.<name>]`: one list of records. docs/sample.md explains the keys.

    Attributes:
        name: From the table's header; no key.
        short_pages: Whether every second page is shorter than asked; no key, the suite sets it.
    """

    name: str = ""
    short_pages: bool = False
    path: str = ""
    method: Literal["GET", "POST"] = "GET"
    pagination: Literal[
        "cursor", "page_number", "offset", "link_header", "next_url", "none", ""
    ] = ""
    rows: str = ""
    next: str | None = None
    more: str | None = None
    deleted: str | None = None
    token: str = ""
    size: str | None = None
    since: str | None = None
    until: str | None = None
    since_as: str | None = None
    primary_key: tuple[str, ...] = ()
    cursor: str | None = None
    last: Literal["null", "absent", "empty", "404"] = "null"
    inside: str | None = None
    parent: dict[str, str] = {}
    record: dict[str, Any]

    @property
    def outer(self) -> str:
        """The entity whose records hold the records of this one, "" for an entity with a path."""
        return (self.inside or "").partition(".")[0]

    @property
    def parameters(self) -> dict[str, str]:
        """The request parameters that mean something, by key of sample.toml."""
        names = {key: getattr(self, key) for key in ("since", "until", "token", "size")}
        return {key: name for key, name in names.items() if name}

    @property
    def key_is_token(self) -> bool:
        """Whether the next page is asked for by the last record's primary key, as Stripe does."""
        return self.pagination == "cursor" and not self.next


class Spec(msgspec.Struct, frozen=True):
    """The whole of sample.toml.

    Attributes:
        text: The file's text.
        upstream: `module:app` of a WSGI app to take instead, "" for none.
        records: How many records each entity has at first.
        entities: By name.
    """

    text: str
    upstream: str = ""
    records: int = 2500
    auth: Auth = Auth()
    entities: dict[str, Entity] = {}

    def at(self, table: str, key: str = "") -> str:
        """Where a key stands, or would stand: "sample.toml line 14"."""
        number = _line(self.text, table, key)
        return f"{FILE} line {number}" if number else f"[{table}] of {FILE}" if table else FILE

    def inside(self, entity: str) -> list[Entity]:
        """The entities whose records stand inside the records of this one."""
        return [inner for inner in self.entities.values() if inner.outer == entity]


def load(path: Path) -> Spec:
    """Read and check sample.toml.

    Raises:
        SampleError: It cannot be read or breaks a rule; the text names line, table and key.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        tables = tomllib.loads(text, parse_float=Decimal)
    except OSError as error:
        raise SampleError(
            f"{path} cannot be read: {error.strerror}",
            "docs/sample.md explains the file; without --sample the real API is called",
        ) from None
    except ValueError as error:
        raise SampleError(f"{FILE} is not TOML: {error}") from None
    return _Reader(text).spec(tables)


class _Reader:
    """Makes a Spec of the tables; knows where to point in the file."""

    def __init__(self, text: str) -> None:
        self._text = text

    def fail(self, table: str, key: str, rule: str) -> NoReturn:
        number = _line(self._text, table, key)
        where = f"{FILE} line {number}" if number else FILE
        named = " ".join(part for part in (f"[{table}]" if table else "", key) if part)
        raise SampleError(f"{where}: {named} {rule}", "docs/sample.md lists every key")

    def spec(self, tables: dict[str, Any]) -> Spec:
        self._check_known(tables, ["upstream", "records", "auth", "entity"], "")
        own = tables.get("upstream", "")
        if own:
            if not isinstance(own, str):
                self.fail("", "upstream", 'must be text in quotes: "tests.upstream:app"')
            return Spec(text=self._text, upstream=own)
        records = tables.get("records", 2500)
        if type(records) is not int or not 0 <= records <= _MOST_RECORDS:
            self.fail("", "records", f"must be a whole number from 0 to {_MOST_RECORDS:,}")
        auth = self._auth(tables.get("auth", {}))
        listed = tables.get("entity")
        if not isinstance(listed, dict) or not listed:
            self.fail("", "", "has no [entity.<name>]: describe at least one entity")
        entities = {name: self._entity(name, table, auth) for name, table in listed.items()}
        paths: dict[str, str] = {}
        for entity in entities.values():
            if entity.inside:
                self._check_inside(entity, entities)
            elif entity.path in paths:
                self.fail(
                    f"entity.{entity.name}",
                    "path",
                    f"{entity.path} is the path of {paths[entity.path]} already; for records that "
                    f'stand inside its records write inside = "{paths[entity.path]}.COLUMN" '
                    "instead of path",
                )
            paths[entity.path] = entity.name
        return Spec(text=self._text, records=records, auth=auth, entities=entities)

    def _auth(self, table: Any) -> Auth:
        auth = self._struct(table, Auth, "auth", [])
        wanted = _SECRETS.get(auth.kind, 1)
        if len(auth.secrets) != wanted or len(set(auth.secrets)) != wanted:
            count = {0: "no names", 1: "one name", 2: "two different names"}[wanted]
            self.fail("auth", "secrets", f'must have {count} with kind = "{auth.kind}"')
        for key in table:
            if _KIND_OF.get(key, auth.kind) != auth.kind:
                self.fail("auth", key, f'goes with kind = "{_KIND_OF[key]}", not "{auth.kind}"')
        if not auth.token_path.startswith("/"):
            self.fail("auth", "token_path", "must start with /")
        return auth

    def _entity(self, name: str, table: Any, auth: Auth) -> Entity:
        where = f"entity.{name}"
        read = self._struct(table, Entity, where, ["name", "short_pages"])
        token = read.token or _TOKENS.get(read.pagination, "cursor")
        entity = msgspec.structs.replace(read, name=name, token=token)
        if entity.inside:
            for key in table.keys() - _WITH_INSIDE:
                self.fail(where, key, f"is a matter of [entity.{entity.outer}], not of inside")
        else:
            for broken, key, rule in _rules(entity, auth):
                if broken:
                    self.fail(where, key, rule)
            self._check_places(entity, where)
        self._check_record(entity, where)
        return entity

    def _check_places(self, entity: Entity, where: str) -> None:
        places = [p for p in (entity.rows, entity.next, entity.more, entity.deleted) if p]
        paths = [keys_of(place) for place in places]
        for index, path in enumerate(paths):
            for other in paths[index + 1 :]:
                if path[: len(other)] == other[: len(path)]:
                    self.fail(where, "rows", "must differ from next, more and deleted")

    def _check_inside(self, entity: Entity, entities: dict[str, Entity]) -> None:
        where = f"entity.{entity.name}"
        outer = entities.get(entity.outer)
        if outer is None or outer.inside or "." not in str(entity.inside):
            listed = ", ".join(f'"{e.name}.COLUMN"' for e in entities.values() if not e.inside)
            self.fail(where, "inside", f"must name an entity with a path and its column: {listed}")
        for column, source in entity.parent.items():
            if value_at(outer.record, source) is None:
                self.fail(
                    where, "parent", f'{column} = "{source}": the record of {outer.name} has none'
                )

    def _check_record(self, entity: Entity, where: str) -> None:
        table = f"{where}.record"
        for place, value in _leaves(entity.record, ""):
            if isinstance(value, (date, time)):
                self.fail(table, place, "must be text in quotes, written as the API writes it")
            if isinstance(value, Decimal) and not value.is_finite():
                self.fail(table, place, "must be a number: JSON has no nan and no inf")
        columns = [*entity.record, *entity.parent]
        for key in entity.primary_key:
            if key not in columns:
                self.fail(table, "", f"has no {key}, which is in primary_key")
            if key in entity.record and type(entity.record[key]) not in (int, str):
                self.fail(table, key, "must be text or a whole number: it is in primary_key")
        if entity.cursor is None:
            return
        example = value_at(entity.record, entity.cursor)
        if example is None:
            self.fail(table, "", f"has no {entity.cursor}, which is the cursor")
        try:
            form = Form(example)
        except ValueError as error:
            self.fail(table, entity.cursor, f"is the cursor, but {error}")
        if entity.since_as and not form.is_time:
            self.fail(where, "since_as", f"needs a time, and {entity.cursor} only counts")

    def _struct(self, table: Any, kind: type[_T], where: str, internal: list[str]) -> _T:
        if not isinstance(table, dict):
            self.fail(where, "", "must be a table of keys")
        self._check_known(table, [f for f in kind.__struct_fields__ if f not in internal], where)
        try:
            read: _T = msgspec.convert(table, kind)
        except msgspec.ValidationError as error:
            why, _, place = str(error).partition(" - at `$.")
        else:
            return read
        if not place:
            self.fail(where, "", f"has no {why.split('`')[1]}, which is required")
        key = re.split(r"\W", place, maxsplit=1)[0]
        if "enum" in why:
            choices = [choice for choice in get_args(get_type_hints(kind)[key]) if choice]
            self.fail(where, key, f"must be {_one_of(choices, str(table[key]))}")
        inner = "[" in place or "." in place or "…" in place
        expected = "array" if isinstance(table[key], list) else why.split("`")[1].split(" | ")[0]
        rule = _TOML_TYPES.get("str" if inner else expected, expected)
        self.fail(where, key, f"must {'hold ' if inner else 'be '}{rule}")

    def _check_known(self, table: dict[str, Any], known: list[str], where: str) -> None:
        for key in table:
            if key not in known:
                rule = _FORMER.get(key) or f"is not a key here; it must be {_one_of(known, key)}"
                self.fail(where, key, rule)


def _rules(entity: Entity, auth: Auth) -> Iterator[tuple[bool, str, str]]:
    """What must not be: whether it is, the key, and the rule."""
    style = f'pagination = "{entity.pagination}"'
    names = list(entity.parameters.values())
    if auth.kind == "api_key_query":
        names.append(auth.param)
    is_token_path = auth.kind == "oauth2_client_credentials" and entity.path == auth.token_path
    gives_urls = entity.pagination in ("link_header", "next_url")
    yield not entity.path.startswith("/"), "path", "is required and must start with /"
    yield "?" in entity.path, "path", "must end before the ?"
    yield is_token_path, "path", f"{entity.path} is token_path of [auth] already"
    styles = "cursor, page_number, offset, link_header, next_url or none"
    yield not entity.pagination, "pagination", f"is required: {styles}"
    yield entity.pagination == "next_url" and not entity.next, "next", f"is required with {style}"
    yield (
        bool(entity.next) and entity.pagination in ("link_header", "none"),
        "next",
        f"does not go with {style}",
    )
    yield (
        entity.key_is_token and len(entity.primary_key) != 1,
        "next",
        f"is required with {style}, unless the token is the last record's primary key",
    )
    yield bool(entity.token) and entity.pagination == "none", "token", f"does not go with {style}"
    yield (
        gives_urls and entity.method == "POST",
        "method",
        f'must be "GET" with {style}: its URLs are read with GET',
    )
    yield (
        not entity.rows and bool(entity.next or entity.more or entity.deleted),
        "rows",
        "is required with next, more and deleted: a response that is the list has no room for them",
    )
    yield (
        entity.last in ("absent", "empty") and not entity.next,
        "last",
        f'= "{entity.last}" is about next, which is not there',
    )
    yield (
        entity.last == "404" and entity.pagination == "none",
        "last",
        f"there is one page: {style}",
    )
    yield len(set(names)) < len(names), "token", f"two parameters have one name: {', '.join(names)}"
    yield (
        entity.since_as is not None and not is_since_form(entity.since_as),
        "since_as",
        'must be "iso", "epoch", "epoch_ms" or a strftime text such as "%d/%m/%Y"',
    )
    for key in ("since", "until"):
        yield bool(getattr(entity, key)) and entity.cursor is None, key, "needs cursor"
    yield bool(entity.deleted) and not entity.primary_key, "deleted", "needs primary_key"
    yield (
        bool(entity.deleted) and entity.cursor in entity.primary_key,
        "deleted",
        "needs a cursor that is not in primary_key: a deletion changes the cursor",
    )
    yield bool(entity.parent), "parent", "needs inside"


def _one_of(known: list[str], given: str) -> str:
    near = get_close_matches(given, known, 1)
    nearest = f"{near[0]} (the nearest), or " if near else ""
    rest = [name for name in known if name not in near]
    return f"{nearest}one of {', '.join(rest)}"


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, place)
    else:
        yield place, value


def _line(text: str, table: str, key: str) -> int:
    """Number of the line with a key of a table, else of the table's header, else 0."""
    current, header = "", 0
    wanted = re.compile(rf'\s*"?{re.escape(key.partition(".")[0])}"?\s*[=.]') if key else None
    for number, line in enumerate(text.splitlines(), 1):
        if opened := re.match(r"\s*\[([^\[\]]+)\]\s*(#.*)?$", line):
            current = opened[1].replace('"', "").replace(" ", "")
            header = number if current == table else header
        elif current == table and wanted and wanted.match(line):
            return number
    return header
