"""A step's page, checked against its entity and encoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation
from functools import lru_cache, partial
from itertools import chain, islice
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from connector import codec
from connector.budget import Budget
from connector.cursors import MISSING, PageCursors, dotted
from connector.errors import ConnectorError, StepError, text_of
from connector.response import Rows
from connector.source import Entity
from connector.step import Page
from connector.sync.state import short_digest

_CHUNK = 1000  # records that are encoded at a time
_LARGEST = 128 * 2**20  # bytes of memory, about, that the records of one table may take
_OVERHEAD = 100  # bytes of memory, about, that a record takes besides its JSON
_SHOWN = 20  # fields of a record that an error lists
_FROM_DICT = frozenset((str, int, bool, type(None)))  # exact in a dict; floats are not
_KEYS = frozenset((str, int, bool, float, Decimal))
_LONGEST_INT = 1300  # bits, which are fewer than 400 digits
_LARGEST_EXPONENT = 400
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


@dataclass(slots=True)
class Batch:
    """Encoded records of one table.

    Attributes:
        table: Its name.
        delete: Whether the records are deleted ones.
        data: The records as JSON, joined by commas.
        count: How many there are.
        key: Columns of the primary key.
        keys: Primary key of each, decoded; empty without one, and once the batch is in a reply.
    """

    table: str
    delete: bool
    data: bytes
    count: int
    key: tuple[str, ...]
    keys: list[tuple[Any, ...]] = field(default_factory=list)

    def canonical(self) -> list[tuple[str, ...]]:
        """The keys in a form in which 1, 1.0 and "1" are the same, for a column may hold all."""
        keys = self.keys
        if self.key and not keys:
            _, columns = _members(self.table, self.key, b"[%b]" % self.data)
            keys = list(zip(*(columns[name] for name in self.key), strict=True))
        return [tuple(map(_canonical, key)) for key in keys]

    def records(self) -> list[msgspec.Raw]:
        """The records one by one."""
        return codec.items(b"[%b]" % self.data)

    def keep(self, indexes: Sequence[int]) -> None:
        """Keep only these records."""
        records = self.records()
        self.data = b",".join(bytes(records[index]) for index in indexes)
        self.count = len(indexes)
        self.keys = [self.keys[index] for index in indexes] if self.keys else []


@dataclass(slots=True)
class EncodedPage:
    """A page, ready to be delivered.

    Attributes:
        batches: What goes into the reply: deleted records first, no empty batch.
        rows: How many records of the entity the step returned.
        count: How many records in all, deleted ones and those of other tables included.
        cursors: Those of the entity's records.
        deleted_cursors: Those of deleted records that carry one.
        identity: Digest by which two pages count as the same; "" without records. A server time
            or a signed URL in a record changes each time, so it is one of keys and cursors where
            the table has a key.
        digests: Of each record of the entity, where it has no primary key.
        next_token: Where the next page starts, as plain JSON, or None.
        position: A list of one: what the step returned with Page(cursor=), or None.
        entity_batch: That of the entity's records.
        secret_tables: Tables of which a record holds a secret.
    """

    batches: list[Batch]
    rows: int
    count: int
    cursors: PageCursors
    deleted_cursors: PageCursors
    identity: str
    digests: list[str]
    next_token: Any
    position: list[Any] | None
    entity_batch: Batch
    secret_tables: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes that the page adds to a reply."""
        return sum(len(batch.data) for batch in self.batches)

    def keep(self, indexes: list[int]) -> None:
        """Keep only these of the entity's records."""
        self.entity_batch.keep(indexes)
        self.batches = [batch for batch in self.batches if batch.count]


def encode_page(entity: Entity, page: Page, budget: Budget) -> EncodedPage:
    """Check a page against its entity's declaration and encode it.

    Raises:
        StepError: It breaks the step's contract; the text names table and field.
        DeadlineExceeded: A generator of records does not end in the time of this call.
        ConnectorError: What a generator of records raised.
    """
    token, position = _token(page.next_token), _position(entity, page)
    every, deleted, deleted_cursors = list[Batch](), dict[str, set[tuple[str, ...]]](), list[Any]()
    for table, rows in _deleted(entity, page).items():
        key = _key(entity, table, delete=True)
        batch, cursors = _read(table, key, rows, entity.cursor, budget, delete=True)
        deleted[table] = set(batch.canonical())
        deleted_cursors += [value for value in cursors if value is not MISSING]
        every.append(batch)
    entity_batch, cursors = _read(entity.name, entity.primary_key, page.rows, entity.cursor, budget)
    every.append(entity_batch)
    for table, rows in page.tables.items():
        every.append(_read(table, _key(entity, table), rows, None, budget)[0])
    encoded = EncodedPage(
        batches=[],
        rows=entity_batch.count,
        count=sum(batch.count for batch in every),
        cursors=PageCursors(entity.cursors, cursors),
        deleted_cursors=PageCursors(entity.cursors, deleted_cursors),
        identity=_identity(every, cursors, deleted_cursors),
        digests=[] if entity.primary_key else list(map(short_digest, entity_batch.records())),
        next_token=token,
        position=position,
        entity_batch=entity_batch,
    )
    for batch in every:
        if not batch.delete and deleted.get(batch.table):
            keys = enumerate(batch.canonical())
            batch.keep([index for index, key in keys if key not in deleted[batch.table]])
    encoded.batches = [batch for batch in every if batch.count]
    return encoded


def _token(value: Any) -> Any:
    if value is None or value is False:
        return None
    token = _plain(value, "next_token")
    return None if token == "" else token


def _position(entity: Entity, page: Page) -> list[Any] | None:
    if not page.has_cursor:
        return None
    if entity.cursor is not None:
        raise StepError("Page(cursor=) does not go with the entity's cursor: use one of them")
    if entity.soft_delete:
        raise StepError("Page(cursor=) does not go with soft_delete, which reads everything")
    return [_plain(page.cursor, "Page(cursor=)")]


def _plain(value: Any, name: str) -> Any:
    """A value of the step's as it will come back from the state."""
    try:
        return codec.decode_exact(codec.encode(codec.plain(value, exact=True)))
    except TypeError as error:
        raise StepError(f"{name} is not a JSON value: {error}") from None
    except RecursionError:
        raise StepError(f"{name} is nested too deeply, or holds itself") from None


def _deleted(entity: Entity, page: Page) -> Mapping[str, Any]:
    if isinstance(page.deleted, Mapping):
        return page.deleted
    if isinstance(page.deleted, Sized) and not len(page.deleted):
        return {}
    return {entity.name: page.deleted}


def _key(entity: Entity, table: str, *, delete: bool = False) -> tuple[str, ...]:
    if table == entity.name and not delete:
        raise StepError(f"tables= of a page has {table!r}: pass its records as rows")
    if table not in entity.keys:
        raise StepError(
            f"the page has records of {table!r}, which {entity.name!r} does not declare: "
            f'add tables={{"{table}": ["id"]}} to its @source.entity'
        )
    if delete and not entity.keys[table]:
        raise StepError(
            f"{table!r} has no primary_key, and without one nothing can be deleted: "
            "declare primary_key"
        )
    return entity.keys[table]


def _read(
    table: str,
    key: tuple[str, ...],
    rows: Any,
    cursor: str | None,
    budget: Budget,
    *,
    delete: bool = False,
) -> tuple[Batch, list[Any]]:
    """Encode records, and decode only their keys and cursors.

    Returns:
        The records, and the cursor of each, MISSING where it has none.
    """
    root = cursor.partition(".")[0] if cursor else ""
    names = tuple(dict.fromkeys((*key, *((cursor, root) if cursor else ()))))
    raw = rows.untouched if isinstance(rows, Rows) else None
    if raw is not None:
        data = bytes(memoryview(raw)[1:-1]).strip()
        count, columns = _members(table, names, raw)
    else:
        data, count, columns = _encode(table, names, rows, budget)
    batch = Batch(table, delete, data, count, key)
    for name in key:
        _check_key(batch, name, columns[name])
    if key:
        batch.keys = list(zip(*(columns[name] for name in key), strict=True))
    if not cursor:
        return batch, []
    cursors = columns[cursor]
    if root != cursor:
        cursors = [
            dotted({root: top}, cursor, MISSING) if value is MISSING else value
            for value, top in zip(cursors, columns[root], strict=True)
        ]
    return batch, cursors


def _encode(
    table: str, names: tuple[str, ...], rows: Any, budget: Budget
) -> tuple[bytes, int, dict[str, list[Any]]]:
    """Records of Python values as JSON, how many there are, and these members of each."""
    pieces: list[bytes] = []
    columns: dict[str, list[Any]] = {name: [] for name in names}
    count = size = 0
    for chunk in _chunks(table, rows):
        kinds, data, found = set(map(type, chunk)), None, None
        if all(issubclass(kind, dict) for kind in kinds):
            chunk = chunk if kinds == {dict} else list(map(dict, chunk))
            data, found = codec.encode_quickly(chunk), _from_dicts(names, chunk)
        if data is None:
            data, found = _encode_slowly(table, chunk, count), None
        if found is None:
            found = _members(table, names, data)[1]
        for name, values in found.items():
            columns[name] += values
        pieces.append(data[1:-1])
        count += len(chunk)
        size += len(data) + _OVERHEAD * len(chunk)
        if size > _LARGEST:
            raise StepError(
                f"the records of {table} take more than {_LARGEST >> 20} MiB: does their generator "
                "end? Return them in several pages (next_token=)"
            )
        if not isinstance(rows, Sized) and len(chunk) == _chunk_size(rows):
            budget.check(f"a page of {table}")
    return b",".join(pieces), count, columns


def _chunks(table: str, rows: Any) -> Iterator[list[Any]]:
    if isinstance(rows, (str, bytes, Mapping)) or not isinstance(rows, Iterable):
        raise StepError(
            f"the records of {table} are of type {type(rows).__name__}: return a list of dicts"
        )
    records, done = chain.from_iterable([rows]), 0
    while True:
        chunk: list[Any] = []
        try:
            chunk.extend(islice(records, _chunk_size(rows)))
        except ConnectorError:
            raise
        except BaseException as error:  # sys.exit() in a generator must not end the worker
            raise StepError(
                f"the records of {table} could not be read to the end: "
                f"{type(error).__name__}: {text_of(error)}",
                record=done + len(chunk),
            ) from error
        if not chunk:
            return
        yield chunk
        done += len(chunk)


def _chunk_size(rows: Any) -> int:
    """A generator may never end, and its records may be large."""
    return _CHUNK if isinstance(rows, Sized) else max(1, _CHUNK // 10)


def _encode_slowly(table: str, chunk: list[Any], start: int) -> bytes:
    """Records that must be converted, or refused with their place."""
    plain = []
    for index, record in enumerate(chunk, start):
        if not isinstance(record, Mapping):
            why = f"a record of {table} is not a JSON object but {type(record).__name__}"
            raise StepError(why, record=index)
        try:
            plain.append(codec.plain(record))
        except TypeError as error:
            raise StepError(f"a record of {table}, {error}", record=index) from None
        except RecursionError:
            why = f"a record of {table} is nested too deeply, or holds itself"
            raise StepError(why, record=index) from None
    return codec.encode(plain)


def _from_dicts(names: tuple[str, ...], chunk: list[Any]) -> dict[str, list[Any]] | None:
    """These members of each record; None where they must be decoded from the JSON."""
    try:
        columns = {name: list(map(itemgetter(name), chunk)) for name in names}
    except KeyError:
        return None
    kinds = {kind for values in columns.values() for kind in set(map(type, values))}
    return columns if kinds <= _FROM_DICT else None


def _members(table: str, names: tuple[str, ...], raw: Any) -> tuple[int, dict[str, list[Any]]]:
    """How many records a JSON list has, and these members of each; MISSING where not there."""
    try:
        records = _decoder(names).decode(raw)
    except (msgspec.DecodeError, InvalidOperation):
        records = codec.decode_exact(raw)
        for index, record in enumerate(records):
            if not isinstance(record, dict):
                why = f"a record of {table} is not a JSON object but {type(record).__name__}"
                raise StepError(why, record=index) from None
        return len(records), {name: [r.get(name, MISSING) for r in records] for name in names}
    fields = {name: attrgetter(f"f{index}") for index, name in enumerate(names)}
    return len(records), {name: list(map(fields[name], records)) for name in names}


@lru_cache(maxsize=256)
def _decoder(names: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
    field_of = partial(msgspec.field, default=MISSING)
    fields = [(f"f{i}", Any, field_of(name=name)) for i, name in enumerate(names)]
    record = msgspec.defstruct("Record", fields, gc=False)
    return msgspec.json.Decoder(list[record], float_hook=Decimal)  # type: ignore[valid-type]


def _check_key(batch: Batch, name: str, values: list[Any]) -> None:
    if set(map(type, values)) <= _KEYS:
        return
    index = next(index for index, value in enumerate(values) if type(value) not in _KEYS)
    fields = list(codec.members(batch.records()[index]) or ())
    # A byte order mark in the first name of a CSV file cannot be seen.
    shown = [each if each.isprintable() and each.strip() == each else repr(each) for each in fields]
    has = ", ".join(shown[:_SHOWN]) + (" …" if len(shown) > _SHOWN else "") or "no field"
    what = "is not a single value" if type(values[index]) in (list, dict) else "is missing"
    raise StepError(
        f"the primary key {name!r} of a {batch.table} {what}: every record needs it "
        f"(this one has {has})",
        record=index,
    )


def _identity(every: list[Batch], cursors: list[Any], deleted_cursors: list[Any]) -> str:
    filled = [batch for batch in every if batch.count]
    parts = [
        (batch.table, batch.delete, batch.keys or short_digest(batch.data)) for batch in filled
    ]
    dates = [value for value in (*deleted_cursors, *cursors) if value is not MISSING]
    return short_digest(codec.encode((parts, dates))) if parts else ""


def _canonical(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):  # beyond all that Decimal can hold
        return str(value)
    if isinstance(value, int):
        if value.bit_length() < _LONGEST_INT:
            return str(value)
        value = Decimal(value)
    number = _EXACT.normalize(value)
    if not number:
        return "0"
    # Not the digits of 1e1000000.
    small = abs(number.adjusted()) < _LARGEST_EXPONENT
    return format(number, "f") if small else str(number)
