"""A step's page, checked against its entity and encoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import suppress
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
_LISTED = 20  # fields of a record that an error lists
_FROM_DICT = frozenset((str, int, bool, type(None)))  # exact in a dict; floats are not
_KEYS = frozenset((str, int, bool, float, Decimal))
_LONGEST_NUMBER = 400  # digits that are written out, unlike those of 1e1000000
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


class Batch(msgspec.Struct):
    """Encoded records of one table."""

    table: str
    delete: bool  # whether the records are deleted ones
    data: bytes  # the records as a JSON list
    count: int
    key: tuple[str, ...]  # columns of the primary key
    keys: list[tuple[Any, ...]]  # of each record, decoded; empty once the batch is in a reply

    def canonical(self) -> list[tuple[str, ...]]:
        """The keys in a form in which 1, 1.0 and "1" are the same, for a column may hold all."""
        keys = self.keys
        if self.key and not keys:
            _, columns = _decoded(self.table, self.key, self.data)
            keys = list(zip(*(columns[name] for name in self.key), strict=True))
        return [tuple(map(_canonical, key)) for key in keys]

    def records(self) -> list[msgspec.Raw]:
        """The records one by one."""
        return codec.items(self.data)

    def select(self, indexes: Sequence[int]) -> None:
        """Leave out all other records."""
        records = self.records()
        self.data = b"[%b]" % b",".join(bytes(records[index]) for index in indexes)
        self.count = len(indexes)
        self.keys = [self.keys[index] for index in indexes] if self.keys else []


class EncodedPage(msgspec.Struct):
    """A page, ready to be delivered."""

    batches: list[Batch]  # what goes into the reply: deleted records first, no empty batch
    rows: int  # records of the entity that the step returned
    count: int  # records in all, deleted ones and those of other tables included
    cursors: PageCursors  # of the entity's records
    deleted_cursors: PageCursors  # of deleted records that carry one
    identity: str  # by which two pages count as the same; "" without records
    digests: list[str]  # of each record of the entity, if it has no primary key
    next_token: Any  # where the next page starts, as JSON values, or None
    position: list[Any] | None  # a list of one: what the step returned with Page(cursor=)
    entity_batch: Batch
    secret_tables: list[str] = []  # tables of which a record contains a secret

    @property
    def size(self) -> int:
        """Bytes that the page adds to a reply."""
        return sum(len(batch.data) - 2 for batch in self.batches)

    def select(self, indexes: list[int]) -> None:
        """Leave out all other records of the entity."""
        self.entity_batch.select(indexes)
        self.batches = [batch for batch in self.batches if batch.count]


def encode_page(entity: Entity, page: Page, budget: Budget) -> EncodedPage:
    """Check a page against its entity's declaration and encode it; StepError names the fault."""
    token = None if page.next_token is False else _stored(page.next_token, "next_token")
    has_position = page.cursor is not None
    if has_position and entity.cursor is not None:
        raise StepError("Page(cursor=) does not go with the entity's cursor: use one of them")
    if has_position and entity.soft_delete:
        raise StepError("Page(cursor=) does not go with soft_delete, which reads everything")
    position = [_stored(page.cursor, "Page(cursor=)")] if has_position else None
    deleted = page.deleted
    if not isinstance(deleted, Mapping):
        is_empty = isinstance(deleted, Sized) and not len(deleted)
        deleted = {} if is_empty else {entity.name: deleted}
    batches, deleted_cursors = list[Batch](), list[Any]()
    for table, rows in deleted.items():
        batch, found = _encode(
            table, _key_of(entity, table, True), rows, entity.cursor, budget, True
        )
        deleted_cursors += [value for value in found if value is not MISSING]
        batches.append(batch)
    deleted_keys = {batch.table: set(batch.canonical()) for batch in batches}
    entity_batch, cursors = _encode(
        entity.name, entity.primary_key, page.rows, entity.cursor, budget
    )
    batches.append(entity_batch)
    for table, rows in page.tables.items():
        batches.append(_encode(table, _key_of(entity, table), rows, None, budget)[0])
    encoded = EncodedPage(
        batches=[],
        rows=entity_batch.count,
        count=sum(batch.count for batch in batches),
        cursors=PageCursors(entity.cursors, cursors),
        deleted_cursors=PageCursors(entity.cursors, deleted_cursors),
        identity=_identity(batches, [*deleted_cursors, *cursors]),
        digests=[] if entity.primary_key else list(map(short_digest, entity_batch.records())),
        next_token=None if token == "" else token,
        position=position,
        entity_batch=entity_batch,
    )
    for batch in batches:
        if not batch.delete and (keys := deleted_keys.get(batch.table)):
            batch.select([at for at, key in enumerate(batch.canonical()) if key not in keys])
    encoded.batches = [batch for batch in batches if batch.count]
    return encoded


def _stored(value: Any, name: str) -> Any:
    """A value of the step's as it will come back from the state."""
    try:
        return codec.decode_exact(codec.encode(codec.jsonable(value, exact=True)))
    except TypeError as error:
        raise StepError(f"{name} is not a JSON value: {error}") from None
    except RecursionError:
        raise StepError(f"{name} is nested too deeply, or contains itself") from None


def _key_of(entity: Entity, table: str, delete: bool = False) -> tuple[str, ...]:
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


def _encode(
    table: str,
    key: tuple[str, ...],
    rows: Any,
    cursor: str | None,
    budget: Budget,
    delete: bool = False,
) -> tuple[Batch, list[Any]]:
    """Encode records; return them and the cursor of each, MISSING if it has none.

    Only their keys and cursors are decoded.
    """
    root = cursor.partition(".")[0] if cursor else ""
    names = tuple(dict.fromkeys((*key, *((cursor, root) if cursor else ()))))
    raw = rows.untouched if isinstance(rows, Rows) else None
    if raw is not None:
        data = bytes(raw)
        count, columns = _decoded(table, names, data)
    else:
        data, count, columns = _from_python(table, names, rows, budget)
    batch = Batch(table, delete, data, count, key, [])
    for name in key:
        _check_key(batch, name, columns[name])
    if key:
        batch.keys = list(zip(*(columns[name] for name in key), strict=True))
    if not cursor or root == cursor:
        return batch, columns[cursor] if cursor else []
    pairs = zip(columns[cursor], columns[root], strict=True)
    return batch, [
        dotted({root: top}, cursor, MISSING) if value is MISSING else value for value, top in pairs
    ]


def _from_python(
    table: str, names: tuple[str, ...], rows: Any, budget: Budget
) -> tuple[bytes, int, dict[str, list[Any]]]:
    """Records of Python values as JSON, how many there are, and these members of each."""
    if isinstance(rows, (str, bytes, Mapping)) or not isinstance(rows, Iterable):
        raise StepError(
            f"the records of {table} are of type {type(rows).__name__}: return a list of dicts"
        )
    # A generator may never end, and its records may be large.
    chunk_size = _CHUNK if isinstance(rows, Sized) else max(1, _CHUNK // 10)
    records = chain.from_iterable([rows])
    pieces, count, size = list[bytes](), 0, 0
    columns: dict[str, list[Any]] = {name: [] for name in names}
    while chunk := _next_chunk(table, records, chunk_size, count):
        data, found = _encode_chunk(table, names, chunk, count)
        for name, values in found.items():
            columns[name] += values
        pieces.append(data)
        count += len(chunk)
        size += len(data) + _OVERHEAD * len(chunk)
        if size > _LARGEST:
            raise StepError(
                f"the records of {table} take more than {_LARGEST >> 20} MiB: does their generator "
                "end? Return them in several pages (next_token=)"
            )
        if not isinstance(rows, Sized) and len(chunk) == chunk_size:
            budget.check(f"a page of {table}")
    data = pieces[0] if len(pieces) == 1 else b"[%b]" % b",".join(piece[1:-1] for piece in pieces)
    return data, count, columns


def _next_chunk(table: str, records: Iterator[Any], size: int, start: int) -> list[Any]:
    chunk: list[Any] = []
    try:
        chunk.extend(islice(records, size))
    except ConnectorError:
        raise
    except BaseException as error:  # sys.exit() in a generator must not end the worker
        raise StepError(
            f"the records of {table} could not be read to the end: "
            f"{type(error).__name__}: {text_of(error)}",
            record=start + len(chunk),
        ) from error
    return chunk


def _encode_chunk(
    table: str, names: tuple[str, ...], chunk: list[Any], start: int
) -> tuple[bytes, dict[str, list[Any]]]:
    """Records as a JSON list, and these members of each."""
    kinds = set(map(type, chunk))
    if all(issubclass(kind, dict) for kind in kinds):
        # A copy, because a defaultdict would add each member that is looked up.
        chunk = chunk if kinds == {dict} else list(map(dict, chunk))
        data = codec.encode_quickly(chunk)
        if data is not None:
            with suppress(KeyError):
                columns = {name: list(map(itemgetter(name), chunk)) for name in names}
                if _FROM_DICT.issuperset(map(type, chain.from_iterable(columns.values()))):
                    return data, columns
            return data, _decoded(table, names, data)[1]
    converted = []
    for index, record in enumerate(chunk, start):
        if not isinstance(record, Mapping):
            raise _not_an_object(table, record, index)
        try:
            converted.append(codec.jsonable(record))
        except TypeError as error:
            raise StepError(f"a record of {table}, {error}", record=index) from None
        except RecursionError:
            why = f"a record of {table} is nested too deeply, or contains itself"
            raise StepError(why, record=index) from None
    data = codec.encode(converted)
    return data, _decoded(table, names, data)[1]


def _decoded(table: str, names: tuple[str, ...], raw: Any) -> tuple[int, dict[str, list[Any]]]:
    """How many records a JSON list has, and these members of each; MISSING if a record lacks it."""
    try:
        records = _decoder(names).decode(raw)
        get: list[Any] = [attrgetter(f"f{index}") for index in range(len(names))]
    except (msgspec.DecodeError, InvalidOperation):
        records = codec.decode_exact(raw)
        for index, record in enumerate(records):
            if not isinstance(record, dict):
                raise _not_an_object(table, record, index) from None
        get = [lambda record, name=name: record.get(name, MISSING) for name in names]
    return len(records), {name: list(map(get[i], records)) for i, name in enumerate(names)}


def _not_an_object(table: str, record: Any, index: int) -> StepError:
    why = f"a record of {table} is not a JSON object but {type(record).__name__}"
    return StepError(why, record=index)


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
    listed = [
        each if each.isprintable() and each.strip() == each else repr(each) for each in fields
    ]
    has = ", ".join(listed[:_LISTED]) + (" …" if len(listed) > _LISTED else "") or "no field"
    value, what = values[index], "is not a single value"
    if value is None or value is MISSING:
        what = "is null" if value is None else "is missing"
    raise StepError(
        f"the primary key {name!r} of a {batch.table} {what}: every record needs it "
        f"(this one has {has})",
        record=index,
    )


def _identity(batches: list[Batch], cursors: list[Any]) -> str:
    """A digest of keys and cursors if there is a key: a signed URL changes each time."""
    parts = [
        (batch.table, batch.delete, batch.keys or short_digest(batch.data))
        for batch in batches
        if batch.count
    ]
    dates = [value for value in cursors if value is not MISSING]
    return short_digest(codec.encode((parts, dates))) if parts else ""


def _canonical(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):  # beyond all that Decimal can hold
        return str(value)
    number = _EXACT.normalize(Decimal(value)) or Decimal(0)
    return format(number, "f") if abs(number.adjusted()) < _LONGEST_NUMBER else str(number)
