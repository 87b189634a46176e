# Owned by fivetran-azfn-template: updates replace this file.
"""One entity's reading, page by page; it builds no reply.

`read` changes nothing and may run anywhere; `begin`, `accept`, `start_over` and `mark` move the
progress and are called under the call's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from connector import clock, codec
from connector.appended import REMEMBERED, Appended, appends, too_many
from connector.bounds import Bounds
from connector.checks import check
from connector.commits import Commits
from connector.entity import Entity
from connector.errors import ConnectorError, StartOver, StepError, TokenExpired, UpstreamError
from connector.log import StepLog, line
from connector.observed import Observed
from connector.page import Packed, digest, pack
from connector.progress import Progress
from connector.rows import Response
from connector.secrets import Redactor, Settings
from connector.state import State, cursor_of
from connector.step import Fetch, Page

_REFUSED = (400, 404, 410, 422)
_TWICE = (
    f"the reading would have to begin anew, and more than {REMEMBERED} records that it has "
    "delivered have no primary key and would come twice: declare primary_key, or re-sync"
)
_MARKED = "the table {} is marked as deleted until this walk is through"


@dataclass
class Walk:
    """The walk of one entity within one call.

    Attributes:
        entity: What is read.
        state: The call's state, of which this walk moves its own part.
        send: `Upstream.send`.
        secrets: The call's secrets.
        payload: The call's custom payload.
        redactor: Knows the secrets.
        sync_id: As it may be logged.
        done: Whether the walk is through.
        pages: Pages accepted in this call.
        fresh: Whether the token came from a page of this call.
        early: Whether an entity declared before this one, for the same table, is not through: what
            is read now is delivered, and read again in its turn.
        later: Entities declared after this one for the same table.
    """

    entity: Entity
    state: State
    send: Callable[..., Response]
    secrets: Settings
    payload: Settings
    redactor: Redactor
    sync_id: str | None
    done: bool = False
    pages: int = 0
    fresh: bool = False
    early: bool = False
    later: tuple[str, ...] = ()
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self._appended = Appended(self.entity, self.state)
        self._commits = Commits(self.entity, self.state)
        self._bounds = Bounds(self.entity, self.state, self.payload)

    def begin(self) -> str | None:
        """Go on with the walk that the state holds, or start one; why it begins anew, if it does.

        Raises:
            ConnectorError: `start` is missing or can be no cursor.
        """
        entity, sync, rest = self.entity, self.state.sync, self.state.rest
        if self.early:
            if entity.name not in sync.early:
                sync.early.append(entity.name)
        elif entity.name in sync.early:
            sync.early.remove(entity.name)
            sync.walks.pop(entity.name, None)
        held = sync.walks.get(entity.name)
        if held is not None and held.shape == entity.fingerprint:
            self.progress = held
            return None
        if held is not None:
            self._check_again(held)
            if not entity.has_the_cursor_of(held.shape):
                rest.pop(entity.name, None)  # a value of the other column is no bound of this one
        # Without a primary key records may be remembered before a cursor could be committed.
        bare = entity.cursor is not None and cursor_of(entity, rest) is None
        first = entity.name not in rest or bare or (held is not None and held.first)
        self._follow(self._bounds.begun(first=first, held=held))
        return "its declaration was changed in mid-walk" if held is not None else None

    def _check_again(self, held: Progress) -> None:
        """Refuse to begin anew after a deployment where records would be appended twice."""
        if too_many(self.entity, held):
            raise StepError(_TWICE)
        other = not self.entity.has_the_cursor_of(held.shape)
        if other and held.page and appends(self.entity):
            raise StepError(
                "cursor= was changed in mid-walk, and without a primary key records would come "
                "twice: deploy the former one until the walk is through, or re-sync"
            )

    def trial(self) -> Walk:
        """The same walk from its first page, on a copy of the state: nothing of it stays."""
        return replace(self, state=self.state.scratch(), done=False, pages=0, fresh=False)

    def read(self, observed: Observed) -> Packed:
        """Read the next page and check it.

        Raises:
            ConnectorError: With entity, page and record.
            Exception: Whatever the step itself raises.
        """
        entity, progress = self.entity, self.progress
        try:
            packed = pack(entity, self.page(observed))
            check(entity, self.state, progress, packed, observed, self.redactor)
            return packed
        except ConnectorError as error:
            error.entity, error.page = entity.name, progress.page + 1
            status = getattr(error, "status", None)
            if status in _REFUSED and progress.token is not None:
                error.why += (
                    f"; if {status} means that there are no more pages, say so with ok=[{status}]; "
                    "if the upstream gives no more than so many results, that would lose the rest: "
                    "see docs/fetch.md, a search that stops"
                )
            if progress.marked:
                error.why += f"; {_MARKED.format(entity.name)}"
            raise
        except Exception as error:
            error.add_note(f"entity {entity.name}, page {progress.page + 1}")
            if progress.marked:
                error.add_note(_MARKED.format(entity.name))
            raise

    def page(self, observed: Observed) -> Page:
        """What the step returns for the next page, unchecked."""
        entity, progress, place = self.entity, self.progress, self._place()

        def send(method: str, path: str, **options: Any) -> Response:
            return self.send(method, path, seen=observed.see, place=place, **options)

        fetch = Fetch(
            entity.name,
            codec.loose(progress.since),
            codec.loose(progress.until),
            codec.loose(progress.token),
            progress.page_size,
            datetime.fromtimestamp(progress.started, UTC),
            self.secrets,
            self.payload,
            StepLog(line("step", **place)),
            send,
            entity.cursors,
        )
        try:
            page = entity.step(fetch)
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:  # sys.exit() in a step must not end the worker
            raise StepError(f"the step raised {type(error).__name__}({error})") from error
        if not isinstance(page, Page):
            raise StepError(
                f"the step returned a {type(page).__name__}: return Page(rows, next_token=...)"
            )
        return page

    def accept(self, packed: Packed, observed: Observed) -> None:
        """Move on past a page: what was read is going to be delivered with this progress."""
        progress = self.progress
        if progress.page == 0 and observed.at_sending is not None:
            progress.bound = min(progress.started, observed.at_sending)
            progress.horizon = max(progress.started, observed.at_sending + 1)
        self.pages += 1
        progress.page += 1
        progress.rows += packed.rows
        progress.read_at = clock.now()
        progress.wait_until = 0.0
        progress.digest = packed.digest
        if packed.given is not None:
            progress.given = packed.given
        if self.entity.cursor is not None:
            self._commits.note(progress, packed)
        if not self.entity.primary_key:
            self._appended.leave_out(progress, packed)
        if not all(self.entity.tables.values()):
            progress.many = progress.many or any(not piece.keys for piece in packed.pieces)
        if self.early:  # it is read again, and what has no key would be appended again
            packed.pieces = [piece for piece in packed.pieces if piece.keys]
        ends = packed.next_token is None
        if ends or self._bounds.through(progress, packed, observed):
            self._commits.close(progress)
            self.done = not self._bounds.next_slice(progress)
            self._commit(all_read=ends and self.done)
            if self.done:
                self._end()
            return
        progress.cycle.meets(digest(codec.encode(packed.next_token)))
        progress.token, self.fresh = packed.next_token, True
        if self.entity.order == "asc":
            self._commit(all_read=False)

    def _commit(self, *, all_read: bool) -> None:
        if not self.early:
            self._commits.commit(self.progress, all_read=all_read)

    def _end(self) -> None:
        """The walk is through; those that were read ahead of it are read again in their turn."""
        sync = self.state.sync
        sync.walks.pop(self.entity.name, None)
        sync.done.append(self.entity.name)
        if not self.early:
            ahead = {name for name in self.later if name in sync.early}
            sync.done = [name for name in sync.done if name not in ahead]
            sync.early = [name for name in sync.early if name not in ahead]
            for name in ahead:
                sync.walks.pop(name, None)

    def start_over(self, error: Exception) -> bool:
        """Whether the walk starts over after this error; it does so once in a sync.

        With order="asc" it does so again whenever the committed cursor has moved since: search
        APIs stop at 10,000 records.
        """
        if not self._may_start_over(error):
            return False
        held = self.progress
        if isinstance(error, StartOver):
            fresh = self._bounds.begun(first=held.first, whole=True, held=held)
        else:
            fresh = self._bounds.again(held)
        if too_many(self.entity, fresh):
            if isinstance(error, ConnectorError):
                error.why += f"; {_TWICE}"
            return False
        self._follow(fresh)
        return True

    def _may_start_over(self, error: Exception) -> bool:
        held = self.progress
        if isinstance(error, StartOver):
            return not held.whole and (held.since is not None or held.token is not None)
        refused = isinstance(error, TokenExpired)
        if isinstance(error, UpstreamError):
            # A token may be a URL from before a deployment with another base_url.
            refused = error.status in _REFUSED or error.elsewhere
        if held.token is None or not refused:
            return False
        if self.entity.order == "asc":
            return held.restarted != [self._bounds.again_from(held)]
        return not self.fresh and held.restarted is None

    @property
    def wants_mark(self) -> bool:
        """Whether the table is yet to be marked before rows may be delivered (soft_delete)."""
        return bool(self.entity.soft_delete) and not self.progress.marked

    def mark(self, read: int) -> None:
        """Begin the reading that follows the mark.

        Args:
            read: How many records the reading before the mark had.
        """
        held = self.progress
        self._follow(self._bounds.begun(first=held.first))
        self.progress.marked, self.progress.expected = True, read
        self.progress.restarted = held.restarted
        self.progress.read_at = clock.now()
        self.pages += 1

    def _follow(self, progress: Progress) -> None:
        self.progress, self.fresh = progress, False
        self.state.sync.walks[self.entity.name] = progress

    def told(self, page: int, packed: Packed, seconds: float) -> dict[str, Any]:
        """Fields of a page's log line.

        Args:
            page: Its number, from 1.
            packed: The page, as it is delivered.
            seconds: How long it took.
        """
        return {
            "sync_id": self.sync_id,
            "entity": self.entity.name,
            "page": page,
            "rows": packed.rows,
            "count": packed.count,
            "bytes": packed.size,
            "ms": round(seconds * 1000),
            "more": str(packed.next_token is not None).lower(),
        }

    def _place(self) -> dict[str, Any]:
        return {
            "sync_id": self.sync_id,
            "entity": self.entity.name,
            "page": self.progress.page + 1,
        }
