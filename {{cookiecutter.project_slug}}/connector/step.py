"""What a fetch step receives and returns: Fetch and Page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from connector.cursors import CursorError, Cursors
from connector.errors import StepError
from connector.log import StepLog
from connector.response import Response
from connector.secrets import Settings

Record = Mapping[str, Any]


class Page:
    """One page of an entity, as the step returns it.

    Args:
        rows: The records: `response.rows(...)`, or any iterable of dicts.
        next_token: Where the next page starts, any JSON value; None, "" and False end the walk.
        deleted: Deleted records with at least the primary key, or a mapping of declared table to
            such records; within a page they win over `rows`.
        tables: Records of further tables, as declared with `tables=`; they only ever add.
        cursor: A position that the upstream handed out (an event id, a delta link): any JSON
            value, committed as it is when the walk ends and handed back as `fetch.since`; None
            keeps the one before. Not together with the entity's `cursor`.
    """

    def __init__(
        self,
        rows: Iterable[Record] = (),
        next_token: Any = None,
        *,
        deleted: Iterable[Record] | Mapping[str, Iterable[Record]] = (),
        tables: Mapping[str, Iterable[Record]] | None = None,
        cursor: Any = None,
    ) -> None:
        self.rows = rows
        self.next_token = next_token
        self.deleted = deleted
        self.tables = tables or {}
        self.cursor = cursor

    def __repr__(self) -> str:
        return "<Page>"


class Fetch(msgspec.Struct, frozen=True, eq=False):
    """What a step reads one page with.

    Attributes:
        entity: The entity's name.
        since: Inclusive lower bound as the upstream wrote it, or `start`, or None: everything.
        until: Exclusive upper bound, with `window` only.
        token: Where this page starts, as an earlier page returned it; None on the first page.
        page_size: How many records to ask for.
        started: When the walk began, an aware datetime in UTC. `since`, `until`, `page_size` and
            `started` are the same on every page of a walk (of a slice, with `window`).
        secrets: Secrets by name; a missing one raises an error that says where to enter it.
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
    log: StepLog
    _request: Callable[..., Response]
    _cursors: Cursors

    def __repr__(self) -> str:
        return f"<Fetch {self.entity}>"

    def since_as(self, form: str) -> Any:
        """`since` in another form, in the entity's `timezone`, else in the offset of the value.

        Args:
            form: "iso", "epoch" (seconds), "epoch_ms" (milliseconds), or a strftime text. Rounded
                down. A form without `%z` of a value without an offset needs `timezone=`.

        Returns:
            Text, or an int for the epochs; None when `since` is None.

        Raises:
            StepError: `since` is not an instant, or the form does not fit it.
        """
        if self.since is None:
            return None
        try:
            point = self._cursors.parse(self.since) if self._cursors.is_time else None
            if point is None:
                raise StepError(
                    f"since_as({form!r}): since is {self.since!r}, which is not an instant"
                )
            return self._cursors.format(point, form)
        except CursorError as error:
            raise StepError(f"since_as({form!r}): {error}") from None

    def get(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        ok: Iterable[int] = (),
        auth: bool = True,
    ) -> Response:
        """GET a path below `base_url`, or a whole URL of its origin; see `request`."""
        return self.request("GET", path, params=params, headers=headers, ok=ok, auth=auth)

    def post(
        self,
        path: str,
        *,
        json: Any = None,
        data: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        ok: Iterable[int] = (),
        auth: bool = True,
        retry: bool = False,
    ) -> Response:
        """POST; tried again on 429 and 503 only, since it may create something, unless `retry`."""
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
        headers: Mapping[str, Any] | None = None,
        ok: Iterable[int] = (),
        auth: bool = True,
    ) -> Response:
        """GET the URL in `token`, or on the first page this path with these params.

        The page's `next_token` is then a link: it is resolved by RFC 3986 against the URL of this
        response, and stored whole.
        """
        if self.token is not None and not isinstance(self.token, str):
            raise StepError(
                f"follow() needs a URL as token, not a {type(self.token).__name__}: pass the link "
                "as next_token, such as response.link('next')"
            )
        return self._request(
            "GET",
            path,
            params=params if self.token is None else None,
            headers=headers,
            ok=_statuses(ok),
            auth=auth,
            follow=True,
            link=self.token,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Any = None,
        ok: Iterable[int] = (),
        auth: bool = True,
        retry: bool | None = None,
    ) -> Response:
        """Send a request and return its complete response.

        Args:
            method: HTTP method.
            path: Appended to `base_url`; or a whole URL of its origin or of an allowed host.
            params: Query parameters. None is left out, True and False are written in lower case,
                dates in ISO form, a list repeats its name. Headers and forms are written alike.
            headers: Headers of this request.
            json: Body, sent as JSON.
            data: Body, sent as it is or, a mapping, as a form.
            ok: Statuses besides 2xx that are returned instead of raised (404 past the last page).
            auth: False sends it without credentials.
            retry: Whether connection errors, 408, 425 and 5xx are tried again; by default for all
                methods but POST. 429 and 503 always are.

        Raises:
            UpstreamError: Another status, no connection, or no complete response in time.
            RetryLater: The upstream requires a wait that does not fit into this call.
            StepError: The arguments are not a request that can be sent.
        """
        return self._request(
            method,
            path,
            params=params,
            headers=headers,
            json=json,
            data=data,
            ok=_statuses(ok),
            auth=auth,
            retry=method.upper() != "POST" if retry is None else retry,
        )


def _statuses(ok: Any) -> frozenset[int]:
    if isinstance(ok, str) or not isinstance(ok, Iterable):
        raise StepError(f"ok is {ok!r}; it must be a list of statuses, such as ok=[404]")
    return frozenset(ok)
