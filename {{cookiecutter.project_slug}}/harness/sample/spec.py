"""What sample.toml can say: its keys, read and checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

import msgspec

from harness import codec
from harness.errors import SampleError
from harness.sample.forms import Form, is_since_form

FILE = "sample.toml"
_MOST_RECORDS = 100_000
_SECRETS = {"basic": 2, "oauth2_client_credentials": 2, "none": 0}
_INTERNAL = ("name", "short_pages")
_WITH_INSIDE = {"inside", "parent", "primary_key", "record"}
_TOKENS = {"page_number": "page", "offset": "offset", "none": ""}
_TOML_WORDS = {
    "`str`": "text in quotes",
    "`int`": "a whole number",
    "`float`": "a number",
    "`bool`": "true or false",
    "`array`": "a list",
    "`object`": "a table",
}
_FORMER = {  # keys of former versions
    "also": "is not needed any more: delete the line, a parameter that stays the same is accepted",
    "short_pages": "is not read any more: delete the line",
    "nulls": "is not read any more: delete the line",
    "expires_in": "is not read any more: delete the line",
    "newest_first": "is not read any more: such an API needs a WSGI app (upstream = …)",
    "by_change": "is not read any more: such an API needs a WSGI app (upstream = …)",
}
_T = TypeVar("_T", bound=msgspec.Struct)


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
    """`[entity.<name>]`: one list of records. docs/sample.md explains the keys."""

    name: str = ""  # from the table's header
    short_pages: bool = False  # every second one; no key, the suite sets it
    path: str = ""
    method: Literal["GET", "POST"] = "GET"
    pagination: Literal["cursor", "page_number", "offset", "link_header", "next_url", "none"] = (
        "none"
    )
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
    def parameters(self) -> list[str]:
        """The request parameters that mean something."""
        return [name for name in (self.since, self.until, self.token, self.size) if name]

    @property
    def key_is_token(self) -> bool:
        """Whether the next page is asked for by the last record's primary key, as Stripe does."""
        return self.pagination == "cursor" and not self.next


class Spec(msgspec.Struct, frozen=True):
    """The whole of sample.toml."""

    text: str = ""
    upstream: str = ""  # module:app of a WSGI app to take instead
    records: int = 2500
    auth: Auth = Auth()
    entities: dict[str, Entity] = {}

    def at(self, table: str, key: str = "") -> str:
        """Where a key stands, or its table: "sample.toml line 14"."""
        return _at(self.text, table, key)

    def inside(self, entity: str) -> list[Entity]:
        """The entities whose records stand inside the records of this one."""
        return [inner for inner in self.entities.values() if inner.outer == entity]


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
    """Makes a Spec of the tables of a text, whose lines its errors name."""

    def __init__(self, text: str) -> None:
        self._text = text

    def fail(self, table: str, key: str, rule: str) -> NoReturn:
        named = " ".join(part for part in (f"[{table}]" if table else "", key) if part)
        raise SampleError(
            f"{_at(self._text, table, key)}: {named} {rule}", "docs/sample.md lists every key"
        )

    def spec(self, tables: dict[str, Any]) -> Spec:
        self._check_known(tables, ["upstream", "records", "auth", "entity"], "")
        records = tables.get("records", 2500)
        if type(records) is not int or not 0 <= records <= _MOST_RECORDS:
            self.fail("", "records", f"must be a whole number from 0 to {_MOST_RECORDS:,}")
        if upstream := tables.get("upstream"):
            return Spec(text=self._text, upstream=str(upstream))
        auth = self._auth(tables.get("auth", {}))
        listed = tables.get("entity")
        if not isinstance(listed, dict) or not listed:
            self.fail("", "[entity.<name>]", "is missing: describe at least one entity")
        entities = {name: self._entity(name, table, auth) for name, table in listed.items()}
        for entity in entities.values():
            self._check_beside(entity, entities)
        return Spec(text=self._text, records=records, auth=auth, entities=entities)

    def _auth(self, table: Any) -> Auth:
        auth = self._struct(table, Auth, "auth")
        wanted = _SECRETS.get(auth.kind, 1)
        if len(auth.secrets) != wanted or len(set(auth.secrets)) != wanted:
            count = {0: "no names", 1: "one name", 2: "two different names"}[wanted]
            self.fail("auth", "secrets", f'must have {count} with kind = "{auth.kind}"')
        if not auth.token_path.startswith("/"):
            self.fail("auth", "token_path", "must start with /")
        return auth

    def _entity(self, name: str, table: Any, auth: Auth) -> Entity:
        where = f"entity.{name}"
        read = self._struct(table, Entity, where)
        token = read.token or _TOKENS.get(read.pagination, "cursor")
        try:  # as JSON has it: a date without quotes is text
            record = codec.decode(codec.encode(read.record))
        except ValueError as error:
            self.fail(f"{where}.record", "", f"is not JSON: {error}")
        entity = msgspec.structs.replace(
            read, name=name, token="" if read.inside else token, record=record
        )
        if entity.inside:
            for key in table.keys() - _WITH_INSIDE:
                self.fail(where, key, f"goes into [entity.{entity.outer}]")
        elif "pagination" not in table:
            self.fail(where, "pagination", "is required")
        else:
            for broken, key, rule in _rules(entity, auth):
                if broken:
                    self.fail(where, key, rule)
        self._check_record(entity, where)
        return entity

    def _check_record(self, entity: Entity, where: str) -> None:
        table = f"{where}.record"
        for key in entity.primary_key:
            if key not in entity.record and key not in entity.parent:
                self.fail(table, "", f"has no {key}, which is in primary_key")
            if type(entity.record.get(key, 0)) not in (int, str):
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

    def _check_beside(self, entity: Entity, entities: dict[str, Entity]) -> None:
        where = f"entity.{entity.name}"
        first = next(other for other in entities.values() if other.path == entity.path)
        if first is not entity and not entity.inside:
            self.fail(
                where,
                "path",
                f"{entity.path} is that of {first.name} already; for records that stand inside its "
                f'records write inside = "{first.name}.COLUMN" instead of path',
            )
        if not entity.inside:
            return
        outer = entities.get(entity.outer)
        if outer is None or outer.inside or "." not in entity.inside:
            names = [f'"{other.name}.COLUMN"' for other in entities.values() if not other.inside]
            self.fail(where, "inside", f"must be {' or '.join(names)}")
        for column, source in entity.parent.items():
            if value_at(outer.record, source) is None:
                self.fail(where, "parent", f"{column}: {source} is no column of {outer.name}")

    def _struct(self, table: Any, kind: type[_T], where: str) -> _T:
        if not isinstance(table, dict):
            self.fail(where, "", "must be a table of keys")
        self._check_known(table, list(kind.__struct_fields__), where)
        try:
            return msgspec.convert(table, kind)
        except msgspec.ValidationError as error:
            self._fail_type(where, str(error))

    def _fail_type(self, where: str, error: str) -> NoReturn:
        """Reword `Expected `str | null`, got `int` - at `$.size``."""
        rule, _, place = error.partition(" - at `$.")
        if not place:
            self.fail(where, error.split("`")[1], "is required")
        rule = rule.replace(" | null", "").replace("Expected", "must be")
        for word, toml in _TOML_WORDS.items():
            rule = rule.replace(word, toml)
        self.fail(where, re.split(r"\W", place, maxsplit=1)[0], rule)

    def _check_known(self, table: dict[str, Any], fields: list[str], where: str) -> None:
        known = [name for name in fields if name not in _INTERNAL]
        for key in table:
            if key not in known:
                near = get_close_matches(key, known, 1)
                hint = f": is it {near[0]}?" if near else ";"
                rule = f"is not a key{hint} The keys are {', '.join(known)}"
                self.fail(where, key, _FORMER.get(key, rule))


def _rules(entity: Entity, auth: Auth) -> Iterator[tuple[bool, str, str]]:
    """What must not be: whether it is, the key, and the rule."""
    style, names = entity.pagination, entity.parameters
    places = [place for place in (entity.rows, entity.next, entity.more, entity.deleted) if place]
    oauth = auth.kind == "oauth2_client_credentials"
    is_url = style in ("link_header", "next_url")
    yield not re.fullmatch(r"/[^?]*", entity.path), "path", "is required, with / first, without ?"
    yield oauth and entity.path == auth.token_path, "path", "is token_path of [auth] already"
    yield is_url and entity.method != "GET", "method", f"must be GET: {style} gives URLs to get"
    yield style == "next_url" and not entity.next, "next", "is required with next_url"
    yield (
        entity.key_is_token and len(entity.primary_key) != 1,
        "next",
        "is required, unless the token is the last record's primary key (of one column)",
    )
    for key in ("next", "last", "token"):
        is_set = bool(getattr(entity, key)) and getattr(entity, key) != "null"
        yield is_set and style == "none", key, "does not go with one page (none)"
    yield bool(entity.next) and style == "link_header", "next", "stands in the Link header"
    yield entity.last in ("absent", "empty") and not entity.next, "last", "needs next"
    yield not entity.rows and bool(places), "rows", "is required with next, more and deleted"
    yield len(set(places)) < len(places), "rows", "is also the place of next, more or deleted"
    yield len(set(names)) < len(names), "token", f"and others have one name: {', '.join(names)}"
    for key in ("since", "until"):
        yield bool(getattr(entity, key)) and not entity.cursor, key, "needs cursor"
    yield (
        not is_since_form(entity.since_as or "iso"),
        "since_as",
        'must be "iso", "epoch", "epoch_ms" or a strftime text such as "%d/%m/%Y"',
    )
    yield bool(entity.deleted) and not entity.primary_key, "deleted", "needs primary_key"
    logs = entity.cursor in entity.primary_key
    yield bool(entity.deleted) and logs, "deleted", "needs a cursor outside primary_key"
    yield bool(entity.parent), "parent", "needs inside"


def _at(text: str, table: str, key: str) -> str:
    """The line with a key of a table, else of the table's header, else the file."""
    current, found = "", 0
    wanted = re.compile(rf'\s*"?{re.escape(key.partition(".")[0])}"?\s*[=.]')
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[([^\[\]]+)\]\s*(#.*)?$", line):
            current = header[1].replace('"', "").replace(" ", "")
            found = number if current == table else found
        elif key and current == table and wanted.match(line):
            return f"{FILE} line {number}"
    return f"{FILE} line {found}" if found else FILE
