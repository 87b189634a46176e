"""What Fivetran sends and what it expects: request, reply and error report.

Source: https://fivetran.com/docs/connectors/functions/azure-functions
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from connector import codec
from connector.errors import ConnectorError, RequestError, text_of
from connector.secrets import Redactor, texts_in
from connector.sync.page import Batch
from connector.sync.state import secret_places, short_digest

PROJECT = Path(__file__).resolve().parents[2]
_LONGEST = 8000  # characters of one error
# Fivetran reads a setup test's reply up to 64 KiB, and the state stands in it too.
_LONGEST_MESSAGE = 16_000  # characters of all errors together
_LARGEST_MESSAGE = 40_000  # bytes as JSON
_LARGEST_TRACE = 12_000  # bytes as JSON
_FRAMES = 30
_LONGEST_LINE = 200  # characters of a line of code


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """What Fivetran sent.

    Attributes:
        state: What the last successful reply carried; `{}` at first and after a re-sync.
        secrets: Keys typed in the setup form.
        payload: Custom payload typed in the setup form.
        setup_test: Whether this is a setup test.
        sync_id: UUID of the sync or "setup-test"; a digest of anything else; None if none came.
    """

    state: Mapping[str, Any]
    secrets: Mapping[str, Any]
    payload: Mapping[str, Any]
    setup_test: bool
    sync_id: str | None

    @classmethod
    def parse(cls, members: Mapping[str, Any]) -> Request:
        """The request that these members of a JSON object make.

        Raises:
            RequestError: One is missing, or of the wrong type.
        """
        setup_test = members.get("setup_test") or False
        if not isinstance(setup_test, bool):
            raise RequestError("setup_test in the request must be true or false")
        if "state" not in members and not setup_test:
            raise RequestError(
                'the request has no state: Fivetran always sends one, at first "state": {}'
            )
        return cls(
            state=_object(members, "state"),
            secrets=_object(members, "secrets"),
            payload=_object(members, "customPayload"),
            setup_test=setup_test,
            sync_id=_sync_id(members.get("sync_id")),
        )

    @property
    def logged_id(self) -> str | None:
        """The sync id as it may be logged."""
        return "invalid" if (self.sync_id or "").startswith("invalid") else self.sync_id


def members_of(body: bytes) -> dict[str, Any]:
    """The members of the request in a body, not checked yet.

    Raises:
        RequestError: It is not a JSON object.
    """
    try:
        members = codec.decode_exact(codec.utf8(body))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RequestError(
            f"the body is not JSON ({error}): send a request as Fivetran does, "
            'such as {"agent": "test", "state": {}, "secrets": {}}'
        ) from None
    if not isinstance(members, dict):
        raise RequestError("the body is JSON but not an object: send a request as Fivetran does")
    return members


def secret_texts(members: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The name and each text of the secrets in a request, whether it is well-formed or not."""
    secrets = members.get("secrets")
    for name, value in secrets.items() if isinstance(secrets, dict) else [("", secrets)]:
        if value is not None:
            yield from ((name, text) for text in {str(value), *texts_in(value)})


@dataclass(frozen=True, slots=True)
class Problem:
    """An error, and where it happened.

    Attributes:
        error: As it was raised; it is not changed, for an exception may refuse that.
        entity: Name of the entity that failed, or None.
        page: Number of the page within the walk, from 1, or None.
        advice: What to know or do besides what the error says, or "".
        kind: Class of the error, where it was raised in an earlier call, or "".
    """

    error: BaseException
    entity: str | None = None
    page: int | None = None
    advice: str = ""
    kind: str = ""

    @property
    def text(self) -> str:
        """What happened, where, and what to do."""
        text = text_of(self.error)
        if not isinstance(self.error, ConnectorError):
            text = f"{type(self.error).__name__}{_last_place(self.error)}: {text}"
        if self.entity is not None and not text.startswith(f"entity {self.entity}"):
            page = "" if self.page is None else f", page {self.page}"
            text = f"entity {self.entity}{page}: {text}"
        return f"{text}; {self.advice}" if self.advice else text


class Reply:
    """The reply of one call, built from the encoded records of its pages."""

    def __init__(self) -> None:
        self._insert: dict[str, list[Batch]] = {}
        self._delete: dict[str, list[Batch]] = {}
        self._marked: list[str] = []
        # By table and side: the keys, and of how many batches they are.
        self._known_keys: dict[tuple[str, bool], tuple[set[tuple[str, ...]], int]] = {}
        self.size = 0  # bytes
        self.rows = 0

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing at the destination."""
        return not self.rows and not self._marked

    def takes(self, batches: Iterable[Batch]) -> bool:
        """Whether the records may join: no table marked, no key in both `insert` and `delete`.

        The order in which Fivetran applies the parts of one reply is documented nowhere.
        """
        for batch in batches:
            if batch.table in self._marked:
                return False
            if batch.table in (self._insert if batch.delete else self._delete):
                known = self._keys(batch.table, delete=not batch.delete)
                if not known.isdisjoint(batch.canonical()):
                    return False
        return True

    def takes_mark(self, table: str) -> bool:
        """Whether the table may be marked: no records of it are in the reply."""
        return table not in self._insert and table not in self._delete

    def add(self, batches: Iterable[Batch]) -> None:
        """Put in the records of one page."""
        for batch in batches:
            side = self._delete if batch.delete else self._insert
            side.setdefault(batch.table, []).append(batch)
            batch.keys = []  # of a million records they would take more than the reply
            self.size += len(batch.data) - 1  # brackets out, a comma in
            self.rows += batch.count

    def mark(self, table: str) -> None:
        """Mark all rows of a table as deleted; its rows follow in a later reply."""
        self._marked.append(table)

    def encode(
        self, state: Mapping[str, Any], schema: Mapping[str, Any], *, has_more: bool
    ) -> bytes:
        """The reply as JSON."""
        parts: list[bytes | memoryview] = [
            b'{"state":',
            codec.encode(state),
            b',"insert":',
            *_tables(self._insert),
        ]
        if self._delete:
            parts += [b',"delete":', *_tables(self._delete)]
        if schema:
            parts += [b',"schema":', codec.encode(schema)]
        if self._marked:
            parts += [b',"softDelete":', codec.encode(self._marked)]
        parts += [b',"hasMore":', b"true" if has_more else b"false", b"}"]
        return b"".join(parts)

    def _keys(self, table: str, *, delete: bool) -> set[tuple[str, ...]]:
        """The keys of a table on one side; only few replies need them, so they are not kept."""
        batches = (self._delete if delete else self._insert).get(table, [])
        known, done = self._known_keys.get((table, delete), (set(), 0))
        for batch in batches[done:]:
            known.update(batch.canonical())
        self._known_keys[table, delete] = known, len(batches)
        return known


def error_report(
    problems: Sequence[Problem], state: Mapping[str, Any], redactor: Redactor
) -> bytes:
    """The reply that reports errors, with the state that was sent.

    Args:
        problems: What failed; the first gives the type and the trace.
        state: The request's state; it is left out if a secret stands in it.
        redactor: Knows the secrets.
    """
    body = {
        "state": {} if secret_places(state, redactor) else state,
        "hasMore": False,
        "errorMessage": _message(problems, redactor),
        "errorType": redactor.redact(problems[0].kind or type(problems[0].error).__name__),
        "stackTrace": _trace(problems[0].error, redactor),
    }
    return codec.encode(body)


def _object(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = members.get(name, {})
    if value is None and name != "state":
        return {}
    if not isinstance(value, dict):
        raise RequestError(f"{name} in the request must be an object")
    return value


def _sync_id(value: Any) -> str | None:
    if value is None or value == "":
        return None
    text = str(value)
    if text == "setup-test":
        return text
    try:
        return str(UUID(text))
    except ValueError:
        return f"invalid-{short_digest(text.encode('utf-8', 'replace'))}"


def _tables(side: Mapping[str, list[Batch]]) -> list[bytes | memoryview]:
    parts: list[bytes | memoryview] = [b"{"]
    for table, batches in side.items():
        parts += [b"," if len(parts) > 1 else b"", codec.encode(table), b":["]
        for index, batch in enumerate(batches):
            parts += [b"," if index else b"", memoryview(batch.data)[1:-1]]
        parts.append(b"]")
    parts.append(b"}")
    return parts


def _message(problems: Sequence[Problem], redactor: Redactor) -> str:
    """What all problems say, as long as Fivetran takes it."""
    longest = min(_LONGEST, _LONGEST_MESSAGE // len(problems))
    texts: list[str] = [codec.plain(redactor.shorten(each.text, longest)) for each in problems]
    text = texts[0]
    if len(problems) > 1:
        text = "\n".join([f"{len(problems)} things are wrong:", *(f"- {each}" for each in texts)])
    while len(codec.encode(text)) > _LARGEST_MESSAGE:
        text = text[: len(text) * 3 // 4]
    return text


def _last_place(error: BaseException) -> str:
    """The last line of the user's own code that the error came through."""
    frames = _project_frames(error)
    users = [frame for frame in frames if not _relative(frame.filename).startswith("connector/")]
    frame = next(iter(reversed(users or frames)), None)
    return f" in {_relative(frame.filename)}, line {frame.lineno}" if frame else ""


def _project_frames(error: BaseException) -> list[traceback.FrameSummary]:
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if _is_inside(frame.filename)]


def _trace(error: BaseException, redactor: Redactor) -> list[list[Any]]:
    """`[file, line, function, code]` of this project's frames, paths relative to it."""
    frames: list[list[Any]] = [
        [
            codec.plain(redactor.redact(_relative(frame.filename))),
            frame.lineno or 0,
            codec.plain(redactor.shorten(frame.name, _LONGEST_LINE)),
            codec.plain(redactor.shorten(frame.line or "", _LONGEST_LINE)),
        ]
        for frame in _project_frames(error)[-_FRAMES:]
    ]
    while len(codec.encode(frames)) > _LARGEST_TRACE:
        del frames[0]
    return frames


def _is_inside(filename: str) -> bool:
    path = Path(filename)
    return path.is_relative_to(PROJECT) and "site-packages" not in path.parts


def _relative(filename: str) -> str:
    return Path(filename).relative_to(PROJECT).as_posix()
