"""What Fivetran sends and what it expects: request, reply and error report.

Source: https://fivetran.com/docs/connectors/functions/azure-functions
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
# Fivetran reads a setup test's reply up to 64 KiB, which includes the state.
_LONGEST_MESSAGE = 16_000  # characters of all errors together
_LARGEST_MESSAGE = 40_000  # bytes as JSON
_LARGEST_TRACE = 12_000  # bytes as JSON
_FRAMES = 30
_LONGEST_LINE = 200  # characters of a line of code


class Request:
    """What Fivetran sent, from the members of its JSON; RequestError if one is wrong."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self.setup_test = members.get("setup_test") or False
        if not isinstance(self.setup_test, bool):
            raise RequestError("setup_test in the request must be true or false")
        if "state" not in members and not self.setup_test:
            raise RequestError(
                'the request has no state: Fivetran always sends one, at first "state": {}'
            )
        self.state = _object(members, "state")
        self.secrets = _object(members, "secrets")
        self.payload = _object(members, "customPayload")
        # A UUID or "setup-test", a digest of anything else, None if none came; and as it is logged.
        self.sync_id = self.logged_id = _sync_id(str(members.get("sync_id") or ""))
        if self.sync_id and self.sync_id.startswith("invalid"):
            self.logged_id = "invalid"


def members_of(body: bytes) -> dict[str, Any]:
    """The members of the request in a body, not checked yet."""
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


class Problem(msgspec.Struct, frozen=True):
    """An error, and where it happened."""

    error: BaseException  # as it was raised; it is not changed, for an exception may refuse that
    entity: str | None = None
    page: int | None = None  # of the walk, from 1
    advice: str = ""  # what to know or do besides what the error says
    kind: str = ""  # class of an error of an earlier call, whose text has its place already

    @property
    def error_type(self) -> str:
        """Class of the error."""
        return self.kind or type(self.error).__name__

    @property
    def text(self) -> str:
        """What happened, where, and what to do."""
        error, text = self.error, text_of(self.error)
        if not isinstance(error, ConnectorError):
            text = f"{self.error_type}{_last_place(error)}: {text}"
        if self.entity is not None and not self.kind:
            page = "" if self.page is None else f", page {self.page}"
            has_record = getattr(error, "record", None) is not None
            text = f"entity {self.entity}{page}{', ' if has_record else ': '}{text}"
        return f"{text}; {self.advice}" if self.advice else text


class Reply:
    """The reply of one call, built from the encoded records of its pages."""

    def __init__(self) -> None:
        self.size = 0  # bytes of its records
        self.rows = 0
        self._insert: dict[str, list[Batch]] = {}
        self._delete: dict[str, list[Batch]] = {}
        self._marked: list[str] = []
        # By table and side: the keys, and of how many batches they are.
        self._known_keys: dict[tuple[str, bool], tuple[set[tuple[str, ...]], int]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing at the destination."""
        return not self.rows and not self._marked

    def takes(self, batches: Iterable[Batch]) -> bool:
        """Whether the records may join: no key may be in both `insert` and `delete`.

        The order in which Fivetran applies the parts of one reply is documented nowhere.
        """
        for batch in batches:
            others = (self._insert if batch.delete else self._delete).get(batch.table)
            if others:
                known = self._keys(others, batch.table, not batch.delete)
                if not known.isdisjoint(batch.canonical()):
                    return False
        return True

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

    def _keys(self, batches: Sequence[Batch], table: str, delete: bool) -> set[tuple[str, ...]]:
        """The keys of a table on one side; few replies need them, so they are decoded here."""
        known, done = self._known_keys.get((table, delete), (set(), 0))
        for batch in batches[done:]:
            known.update(batch.canonical())
        self._known_keys[table, delete] = known, len(batches)
        return known


def error_report(
    problems: Sequence[Problem], state: Mapping[str, Any], redactor: Redactor
) -> bytes:
    """The reply that reports errors, the first with its trace, with the state that was sent.

    A state that contains a secret is left out.
    """
    body = {
        "state": {} if secret_places(state, redactor) else state,
        "hasMore": False,
        "errorMessage": _message(problems, redactor),
        "errorType": redactor.redact(problems[0].error_type),
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


def _sync_id(text: str) -> str | None:
    if text in ("", "setup-test"):
        return text or None
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
    texts: list[str] = [codec.jsonable(redactor.shorten(each.text, longest)) for each in problems]
    text = texts[0]
    if len(problems) > 1:
        text = "\n".join([f"{len(problems)} things are wrong:", *(f"- {each}" for each in texts)])
    while len(codec.encode(text)) > _LARGEST_MESSAGE:
        text = text[: len(text) * 3 // 4]
    return text


def _trace(error: BaseException, redactor: Redactor) -> list[list[Any]]:
    """`[file, line, function, code]` of this project's frames."""
    trace: list[list[Any]] = [
        [
            codec.jsonable(redactor.redact(path)),
            frame.lineno or 0,
            codec.jsonable(redactor.shorten(frame.name, _LONGEST_LINE)),
            codec.jsonable(redactor.shorten(frame.line or "", _LONGEST_LINE)),
        ]
        for path, frame in _frames(error)[-_FRAMES:]
    ]
    while len(codec.encode(trace)) > _LARGEST_TRACE:
        del trace[0]
    return trace


def _last_place(error: BaseException) -> str:
    """The last line of the user's code that the error came through, else of the runtime."""
    frames = _frames(error)
    users = [each for each in frames if not each[0].startswith("connector/")]
    for path, frame in (users or frames)[-1:]:
        return f" in {path}, line {frame.lineno}"
    return ""


def _frames(error: BaseException) -> list[tuple[str, traceback.FrameSummary]]:
    """This project's frames of an error, with the path of their file relative to the project."""
    found = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(PROJECT) and "site-packages" not in path.parts:
            found.append((path.relative_to(PROJECT).as_posix(), frame))
    return found
