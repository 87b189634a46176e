# Owned by fivetran-azfn-template: updates replace this file.
"""What a fetch step is given and what it returns; neither knows of walks, state or replies."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_FLOOR
from typing import Any

from connector.cursors import Cursors
from connector.errors import StepError
from connector.rows import Response
from connector.secrets import Settings

Record = Mapping[str, Any]
_UNSET: Any = object()


class Page:
    """One page of an entity, as the step returns it.

    Args:
        rows: The records: `response.rows(...)`, or any iterable of dicts.
        next_token: Where the next page starts, any JSON value; None, "" and False end the walk.
        deleted: Deleted records with at least the primary key, or a mapping of declared table to
            such records; within a page they win over `rows`.
        tables: Records of further tables, as declared with `tables=`; they only ever add.
        cursor: A position that the upstream handed out (an event id, a delta link): any JSON
            value, committed as given when the walk ends and handed back as `fetch.since`. Not
            together with the entity's `cursor`.
    """

    def __init__(
        self,
        rows: Iterable[Record] = (),
        next_token: Any = None,
        *,
        deleted: Iterable[Record] | Mapping[str, Iterable[Record]] = (),
        tables: Mapping[str, Iterable[Record]] | None = None,
        cursor: Any = _UNSET,
    ) -> None:
        self.rows = rows
        self.next_token = next_token
        self.deleted = deleted
        self.tables = tables or {}
        self._cursor = cursor

    @property
    def has_cursor(self) -> bool:
        """Whether the step gave a position of the upstream's own."""
        return self._cursor is not _UNSET

    @property
    def cursor(self) -> Any:
        """The position that the step gave, or None."""
        return self._cursor if self.has_cursor else None

    def __repr__(self) -> str:
        return "<Page>"


@dataclass(frozen=True, slots=True, repr=False)
class Fetch:
    """What a step reads one page with.

    Attributes:
        entity: The entity's name.
        since: Inclusive lower bound as the upstream wrote it, or `start`, or None: everything.
        until: Exclusive upper bound, with `window` only.
        token: Where this page starts, as an earlier page gave it; None on the first page.
        page_size: How many records to ask for.
        started: When the walk began, an aware datetime in UTC. `since`, `until`, `page_size` and
            `started` are the same on every page of a walk (of a slice, with `window`).
        secrets: Secrets by name; a missing one raises an error that says where to give it.
        payload: Custom payload by key, likewise.
        log: A logger whose lines carry the sync id and the entity.
    """

    entity: str
    since: Any
    until: Any
    token: Any
    page_size: int
    started: datetime
    secrets: Settings
    payload: Settings
    log: logging.LoggerAdapter[logging.Logger]
    _send: Callable[..., Response]
    _cursors: Cursors

    def __repr__(self) -> str:
        return f"<Fetch {self.entity}>"

    def since_as(self, form: str) -> Any:
        """`since` in another form.

        Args:
            form: "iso" (UTC, with Z), "epoch" (seconds), "epoch_ms" (milliseconds), or a strftime
                text. Rounded down; an instant without an offset stays in its own zone.

        Returns:
            Text, or an int for the epochs; None when `since` is None.

        Raises:
            StepError: `since` is no instant.
        """
        if self.since is None:
            return None
        try:
            point = self._cursors.read(self.since)
        except ValueError as error:
            raise StepError(f"since_as({form!r}): {error}") from None
        if point is None or not self._cursors.is_instant(point):
            raise StepError(f"since_as({form!r}): since is {self.since!r}, which is no instant")
        seconds = int(point.at.to_integral_value(ROUND_FLOOR))
        if form == "epoch":
            return seconds
        if form == "epoch_ms":
            return int((point.at * 1000).to_integral_value(ROUND_FLOOR))
        moment = datetime.fromtimestamp(seconds, UTC)
        if form == "iso":
            fraction = format(point.at - seconds, "f")[1:].rstrip("0").rstrip(".")
            return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"
        if point.kind == "naive" and self._cursors.zone is not None:
            moment = moment.astimezone(self._cursors.zone)
        return moment.strftime(form)

    def get(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        ok: Iterable[int] = (),
        auth: bool = True,
    ) -> Response:
        """GET a path below `base_url`, or a full URL of its origin; see `request`."""
        return self.request("GET", path, params=params, headers=headers, ok=ok, auth=auth)

    def post(
        self,
        path: str,
        *,
        json: Any = None,
        data: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        ok: Iterable[int] = (),
        auth: bool = True,
        retry: bool = False,
    ) -> Response:
        """POST; tried again on 429 and 503 only, for it may create something, unless `retry`."""
        return self.request(
            "POST",
            path,
            json=json,
            data=data,
            params=params,
            headers=headers,
            ok=ok,
            auth=auth,
            retry=retry,
        )

    def follow(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        ok: Iterable[int] = (),
        auth: bool = True,
    ) -> Response:
        """GET the URL that `token` holds, or on the first page this path with these params.

        A URL that begins with the path of `base_url` lies below the server's root; one that begins
        with a question mark is this path's.
        """
        if self.token is None:
            return self.get(path, params=params, headers=headers, ok=ok, auth=auth)
        if not isinstance(self.token, str):
            raise StepError(f"follow() needs a URL as token, not {type(self.token).__name__}")
        return self._send(
            "GET", path, token=self.token, headers=headers, ok=ok, signed=auth, retry=True
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: Any = None,
        ok: Iterable[int] = (),
        auth: bool = True,
        retry: bool | None = None,
    ) -> Response:
        """Send a request and return its reply, whole.

        Args:
            method: HTTP method.
            path: Appended to `base_url`; or a full URL of its origin or of an allowed host.
            params: Query parameters; None is left out, True and False are written in lower case.
            headers: Headers of this request.
            json: Body, sent as JSON.
            data: Body, sent as it is or as a form.
            ok: Statuses besides 2xx that are returned instead of raised (404 past the last page).
            auth: False sends it without credentials.
            retry: Whether connection errors and 500, 502, 504 are tried again; by default all
                methods but POST.

        Raises:
            UpstreamError: Another status, no connection, or no whole reply in time.
            RetryLater: The upstream asked for a wait that does not fit into this call.
        """
        return self._send(
            method,
            path,
            params=params,
            headers=headers,
            json=json,
            data=data,
            ok=frozenset(ok),
            signed=auth,
            retry=method.upper() != "POST" if retry is None else retry,
        )
