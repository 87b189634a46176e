# Owned by fivetran-azfn-template: updates replace this file.
"""One entity as declared, and what in a declaration contradicts itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from connector.cursors import Cursors
from connector.errors import SourceError
from connector.step import Fetch, Page

if TYPE_CHECKING:
    from connector.source import Source

Step = Callable[[Fetch], Page]
UNSET: Any = object()
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Payload:
    """A value typed in Fivetran's form as custom payload: a start date, or a part of `base_url`.

    Args:
        key: The key as it is typed.
        default: What counts when it is missing; without one a missing key is an error.
    """

    key: str
    default: Any = UNSET

    def of(self, payload: Mapping[str, Any]) -> Any:
        """The value in this call's payload.

        Raises:
            MissingSetting: It is missing or blank and has no default.
        """
        return payload[self.key] if self.default is UNSET else payload.get(self.key, self.default)


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity as declared; `Source.entity` says what each field means."""

    name: str
    step: Step
    primary_key: tuple[str, ...]
    cursor: str | None
    cursors: Cursors
    start: Any
    order: str | None
    lookback: timedelta | None
    window: timedelta | None
    soft_delete: bool | str
    page_size: int
    tables: Mapping[str, tuple[str, ...]]
    source: Source

    @property
    def fingerprint(self) -> str:
        """Changes with what a page token depends on, so that a deployment cannot mix two walks.

        The part before the dot changes with the column of the cursor alone.
        """
        rest = (self.cursors.cursor_type, self.window, self.order, bool(self.soft_delete))
        return ".".join(
            hashlib.blake2b(repr(part).encode(), digest_size=6).hexdigest()
            for part in (self.cursor, rest)
        )

    def has_the_cursor_of(self, fingerprint: str) -> bool:
        """Whether a walk of this fingerprint went by the column that is declared now."""
        return fingerprint.partition(".")[0] == self.fingerprint.partition(".")[0]


def check(entity: Entity, others: Mapping[str, Entity]) -> None:
    """Refuse a declaration that contradicts itself or another.

    Raises:
        SourceError: With the rule.
    """
    name = entity.name

    def refuse(when: bool, why: str) -> None:
        if when:
            raise SourceError(f"entity {name!r}: {why}")

    for table in (name, *entity.tables):
        refuse(
            not isinstance(table, str) or not _NAME.fullmatch(table),
            f"{table!r} is no table name; it matches [a-z][a-z0-9_]*, as sales_order",
        )
    refuse(name in others, "it is declared twice")
    refuse(
        entity.order not in (None, "asc", "desc"),
        f'order is {entity.order!r}; it is "asc" or "desc"',
    )
    refuse(
        not (entity.cursor is None or (isinstance(entity.cursor, str) and entity.cursor)),
        f"cursor is {entity.cursor!r}; it is the name of a column, or left out",
    )
    for option in ("window", "lookback"):
        value = getattr(entity, option)
        refuse(
            not (value is None or isinstance(value, timedelta)),
            f"{option} is {value!r}; it is a duration, as timedelta(days=1)",
        )
    refuse(
        entity.name in entity.tables, f"tables has {name!r}, whose key is primary_key: leave it out"
    )
    for table, key in entity.tables.items():
        refuse(
            not key and entity.cursor is not None,
            f"table {table!r} needs a primary key: its records come again with those of {name!r}",
        )
    refuse(
        entity.soft_delete not in (True, False, "may_be_empty"),
        f'soft_delete is {entity.soft_delete!r}; it is True, False or "may_be_empty"',
    )
    refuse(
        isinstance(entity.page_size, bool)
        or not isinstance(entity.page_size, int)
        or entity.page_size < 1,
        f"page_size is {entity.page_size!r}; it is a number from 1",
    )
    for option in ("order", "lookback", "window"):
        given = getattr(entity, option) is not None
        refuse(given and not entity.cursor, f"{option} needs cursor=, the column that it goes by")
    refuse(
        bool(entity.soft_delete and entity.cursor), "soft_delete reads everything: leave out cursor"
    )
    refuse(bool(entity.soft_delete and not entity.primary_key), "soft_delete needs a primary_key")
    refuse(
        entity.window is not None and entity.start is None, "window needs start, where it begins"
    )
    refuse(
        entity.window is not None and entity.window <= timedelta(),
        f"window is {entity.window}; it is a duration above zero",
    )
    refuse(
        entity.window is not None and entity.cursors.cursor_type == "sequence",
        "window is a duration; it does not go with a sequence",
    )
    refuse(
        entity.lookback is not None and entity.lookback < timedelta(),
        f"lookback is {entity.lookback}; it is no negative time",
    )
    refuse(
        bool(entity.lookback) and not entity.primary_key,
        "lookback without a primary_key would append records twice",
    )
    refuse(
        bool(entity.lookback) and entity.cursors.cursor_type == "sequence",
        "lookback is a duration; it does not go with a sequence",
    )
    declared = dict(entity.tables)
    for other in others.values():
        shared = {other.name: other.primary_key, **other.tables}
        mine = {name: entity.primary_key, **declared}
        for table in shared.keys() & mine.keys():
            refuse(
                shared[table] != mine[table],
                f"table {table!r} has the primary key {list(shared[table])} at entity "
                f"{other.name!r} and {list(mine[table])} here; a schema never varies",
            )
            marks = (entity.soft_delete and table == name) or (
                other.soft_delete and table == other.name
            )
            refuse(
                bool(marks), f"table {table!r} has soft_delete and is filled by {other.name!r} too"
            )
