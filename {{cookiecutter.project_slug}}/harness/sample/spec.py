"""Reads and checks sample.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from harness import codec
from harness.errors import SampleError
from harness.sample.forms import Form

FILE = "sample.toml"
# How many, by kind; one for all others. A key as user name has a blank password.
_SECRETS = {"basic": (1, 2), "oauth2_client_credentials": (2,), "none": (0,)}
_COUNTS = ("no names", "one name", "two different names")
_TOKENS = {"page_number": "page", "offset": "offset", "last_id": "starting_after", "none": ""}
_T = TypeVar("_T", bound=msgspec.Struct)


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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


class Entity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[entity.<name>]`: one list of records. docs/sample.md explains the keys."""

    name: str  # from the table's header
    path: Annotated[str, msgspec.Meta(pattern=r"^/[^?]*$")] = ""
    method: Literal["GET", "POST"] = "GET"
    pagination: (
        Literal["cursor", "page_number", "offset", "last_id", "link_header", "next_url", "none"]
        | None
    ) = None
    rows: str = ""
    next: str = ""
    more: str = ""
    deleted: str = ""
    token: str = ""
    size: str = ""
    since: str = ""
    until: str = ""
    primary_key: tuple[str, ...] = ()
    cursor: str = ""
    inside: str = ""
    parent: dict[str, str] = {}
    record: dict[str, Any]

    @property
    def place(self) -> tuple[str, str]:
        """The entity and the column where `inside` puts the records, ("", "") without it."""
        outer, _, column = self.inside.partition(".")
        return outer, column

    @property
    def by_change(self) -> bool:
        """Whether records are listed by their cursor, not by their creation."""
        return self.pagination in ("cursor", "link_header", "next_url")


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"entities": "entity"}):
    """The whole of sample.toml."""

    text: str = ""  # of the file
    upstream: str = ""  # module:app of a WSGI app to take instead
    records: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 2500
    auth: Auth = Auth()
    entities: dict[str, Entity] = {}

    def at(self, table: str, key: str = "") -> str:
        """The line of a key, or of its table: "sample.toml line 14"."""
        return _at(self.text, table, key)

    def inside(self, entity: str) -> list[Entity]:
        """The entities whose records are inside the records of this one."""
        return [inner for inner in self.entities.values() if inner.place[0] == entity]


def value_at(record: dict[str, Any], path: str) -> Any:
    """The value at a column or a dotted path; None where there is none."""
    if path in record:
        return record[path]
    value: Any = record
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def put(record: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a column or a dotted path; objects on the way are copied or made."""
    # Keys of OData (`@odata.nextLink`) contain the dot.
    *outer, last = [path] if path in record or path.startswith("@") else path.split(".")
    for key in outer:
        record[key] = dict(record.get(key) or {})
        record = record[key]
    record[last] = value


def load(path: Path) -> Spec:
    """Read and check sample.toml.

    Raises:
        SampleError: It cannot be read or breaks a rule; the text names line, table and key.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        tables = tomllib.loads(text, parse_float=Decimal)
        tables = codec.decode(codec.encode(tables))  # a date without quotes is text
    except OSError as error:
        raise SampleError(
            f"{path} cannot be read: {error.strerror}",
            "docs/sample.md explains the file; without --sample the real API is called",
        ) from None
    except ValueError as error:
        raise SampleError(f"{FILE} cannot be used: {error}") from None
    if tables.get("upstream"):
        return Spec(upstream=str(tables["upstream"]))
    auth = _convert(text, "auth", tables.get("auth", {}), Auth)
    listed = tables.get("entity")
    if not isinstance(listed, dict) or not listed:
        raise _error(text, "", "", "[entity.<name>] is missing: describe at least one entity")
    entities = {name: _entity(text, name, table) for name, table in listed.items()}
    others = {**tables, "text": text, "auth": auth, "entity": entities}
    spec = _convert(text, "", others, Spec)
    for table, key, rule in _broken(spec):
        raise _error(text, table, key, rule)
    return spec


def _entity(text: str, name: str, table: Any) -> Entity:
    named = {**table, "name": name} if isinstance(table, dict) else table
    entity = _convert(text, f"entity.{name}", named, Entity)
    default = _TOKENS.get(entity.pagination or "none", "cursor")
    return msgspec.structs.replace(entity, token=entity.token or default)


def _convert(text: str, table: str, value: Any, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        # "Expected `str`, got `int` - at `$.size`", "Object missing required field `record`"
        key = re.findall(r"`(?:\$\.)?(\w+)", str(error))[-1]
        rule = f"is wrong: {str(error).partition(' - at')[0]}"
        raise _error(text, table, key, rule) from None


def _error(text: str, table: str, key: str, rule: str) -> SampleError:
    what = " ".join(part for part in (f"[{table}]" if table else "", key, rule) if part)
    return SampleError(f"{_at(text, table, key)}: {what}", "docs/sample.md lists every key")


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


def _broken(spec: Spec) -> Iterator[tuple[str, str, str]]:
    """The rules that a spec breaks: table, key and what is wrong."""
    wanted, names = _SECRETS.get(spec.auth.kind, (1,)), spec.auth.secrets
    if len(names) not in wanted or len(set(names)) < len(names):
        counts = " or ".join(_COUNTS[number] for number in wanted)
        yield "auth", "secrets", f'must have {counts} with kind = "{spec.auth.kind}"'
    paths: dict[str, str] = {}
    for entity in spec.entities.values():
        table, record = f"entity.{entity.name}", f"entity.{entity.name}.record"
        rules = _broken_inside(spec, entity) if entity.inside else _broken_list(entity, paths)
        for key, rule in rules:
            yield table, key, rule
        for key in entity.primary_key:
            if key not in entity.record and key not in entity.parent:
                yield record, "", f"has no {key}, which is in primary_key"
        if entity.cursor:
            try:
                Form(value_at(entity.record, entity.cursor))
            except ValueError as error:
                yield record, entity.cursor, f"is the cursor, but {error}"


def _broken_inside(spec: Spec, entity: Entity) -> Iterator[tuple[str, str]]:
    name, column = entity.place
    outer = spec.entities.get(name)
    if outer is None or outer.inside or not column:
        names = [f'"{each.name}.COLUMN"' for each in spec.entities.values() if not each.inside]
        yield "inside", f"must be {' or '.join(names)}"
    for column, source in entity.parent.items():
        if outer and value_at(outer.record, source) is None:
            yield "parent", f"{column}: {outer.name} has no column {source}"


def _broken_list(entity: Entity, paths: dict[str, str]) -> Iterator[tuple[str, str]]:
    for key in ("path", "pagination"):
        if not getattr(entity, key):
            yield key, "is required"
    first = paths.setdefault(entity.path, entity.name)
    if first != entity.name:
        yield (
            "path",
            f"{entity.path} is already the path of {first}; for records inside its records write "
            f'inside = "{first}.COLUMN" instead of path',
        )
    if entity.pagination in ("cursor", "next_url") and not entity.next:
        yield "next", f"is required with {entity.pagination}"
    if entity.pagination == "last_id" and len(entity.primary_key) != 1:
        yield "primary_key", "must have one column with last_id"
    if entity.deleted and entity.deleted == entity.rows:
        yield "deleted", "is the place of rows too: deleted records need a list of their own"
    if not entity.rows and (entity.next or entity.more or entity.deleted):
        yield "rows", "is required with next, more and deleted"
    for key in ("since", "until"):
        if getattr(entity, key) and not entity.cursor:
            yield key, "needs cursor"
