"""Reads and checks sample.toml, and the form of the cursors in it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from harness import codec
from harness.errors import SampleError

FILE = "sample.toml"
SECOND = 10**6
DAY = 86400 * SECOND
# How many, by kind; one for all others. A key as user name has a between password.
_SECRETS = {"basic": (1, 2), "oauth2_client_credentials": (2,), "none": (0,)}
_COUNTS = ("no names", "one name", "two different names")
_TOKENS = {"page_number": "page", "offset": "offset", "last_id": "starting_after", "none": ""}
_FORMS = (
    "an ISO 8601 text (2026-01-05T08:30:00Z, with an offset or without), a date, a number of "
    "seconds, milliseconds or microseconds since 1970, or an ever growing whole number; another "
    "form needs a WSGI app, see docs/sample.md"
)
_ISO = re.compile(
    r"""(?P<digits> \d{4}-\d\d-\d\d
        ((?P<between>[T ]) \d\d:\d\d (?P<second>:\d\d)? (\.(?P<fraction>\d+))?)?)
        (?P<offset> Z | [+-]\d\d(:?\d\d)?)?""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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
    timezone: str = ""
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

    def form(self) -> Form | None:
        """How its cursor is written, None if it has none; ValueError if that is unknown."""
        return Form(value_at(self.record, self.cursor), self.timezone) if self.cursor else None


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
    spec = _convert(text, "", {**tables, "text": text, "auth": auth, "entity": entities}, Spec)
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
        yield from ((table, key, rule) for key, rule in rules)
        for key in entity.primary_key:
            if key not in entity.record and key not in entity.parent:
                yield record, "", f"has no {key}, which is in primary_key"
        try:
            entity.form()
        except ValueError as error:
            yield record, entity.cursor, f"is the cursor, but {error}"


def _broken_inside(spec: Spec, entity: Entity) -> Iterator[tuple[str, str]]:
    name, column = entity.place
    outer = spec.entities.get(name)
    if outer is None or outer.inside or not column:
        places = (f'"{each.name}.COLUMN"' for each in spec.entities.values() if not each.inside)
        yield "inside", f"must be {' or '.join(places)}"
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


class Form:
    """How cursor values are written: like one example; ValueError if its form is not known.

    A value is counted in microseconds since 1970, or as it is in a sequence, which counts no time.
    `unit` is the smallest step that the form can show, `first` the example's value.
    """

    def __init__(self, example: Any, timezone: str = "") -> None:
        text = str(example)
        self._is_text = isinstance(example, str)
        self._iso = _ISO.fullmatch(text) if self._is_text else None
        self._zone = zone = _zone(timezone)
        self._places, self.is_time = 0, True
        if self._iso is not None:
            self._zone = datetime.fromisoformat(text).tzinfo or zone
            step = SECOND if self._iso["second"] else 60 * SECOND if self._iso["between"] else DAY
            self.unit: int = max(step // 10 ** len(self._iso["fraction"] or ""), 1)
        elif isinstance(example, bool) or not _NUMBER.fullmatch(text):
            raise ValueError(f"{example!r} is not {_FORMS}")
        else:
            number = Decimal(text)
            self._places = -int(number.as_tuple().exponent)
            self.is_time = _scale(number) > 0
            if self._places and not self.is_time:
                raise ValueError(f"{example!r} is not {_FORMS}")
            self.unit = max(_scale(number) // 10**self._places, 1)
        if timezone and (self._iso is None or self._iso["offset"]):
            raise ValueError("timezone is for a time without an offset: remove it")
        self.first = self.read(text)

    def read(self, text: str) -> int:
        """The value of a bound in any known form, in the example's offset if it has none."""
        if _NUMBER.fullmatch(text):
            number = Decimal(text)
            return int(number * _scale(number) if self.is_time else number)
        if not self.is_time:
            raise ValueError("not a number")
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
        return (moment - _EPOCH) // timedelta(microseconds=1)

    def floor(self, moment: int) -> int:
        """The last value that the form can show and that is not after a moment."""
        if self._zone is UTC:
            return moment // self.unit * self.unit
        return self.read(str(self.write(moment)))

    def write(self, value: int) -> Any:
        """The value as the example is written."""
        if self._iso is None:
            number = Decimal(value // self.unit).scaleb(-self._places)
            return str(number) if self._is_text else number if self._places else int(number)
        local = (_EPOCH + timedelta(microseconds=value)).astimezone(self._zone)
        text = f"{local:%Y-%m-%d{self._iso['between'] or ' '}%H:%M:%S.%f}"
        length = len(self._iso["digits"])
        return text.ljust(length, "0")[:length] + (self._iso["offset"] or "")


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError(
            f'timezone = "{name}" is not an IANA name; one is America/Denver'
        ) from None


def _scale(number: Decimal) -> int:
    """Microseconds that a number since 1970 counts, by its size; 0 if it counts no time."""
    if number < 10**8:  # 1973, in seconds
        return 0
    return SECOND if number < 10**11 else 1000 if number < 10**14 else 1


def value_at(record: dict[str, Any], path: str) -> Any:
    """The value at a column or a dotted path; None if there is none."""
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
