# Owned by fivetran-azfn-template: updates replace this file.
"""What sample.toml can say, table by table; it reads no file."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Auth(msgspec.Struct, frozen=True):
    """What the upstream wants to see with each request: `[auth]`.

    Attributes:
        secrets: Their names in connection.json, in the kind's order: user name and password,
            client id and client secret.
        prefix: What stands before the key in its header.
        expires_in: Seconds that a token of OAuth2 is good for.
    """

    kind: Literal[
        "bearer",
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
    token_path: str = "/oauth/token"
    expires_in: int = 3600


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """One list of records that the upstream has: `[entity.<name>]`.

    Paths are dotted; request parameters of a POST are too, into its JSON body.

    Attributes:
        rows: Path of the records in a page; "" where the page is the list.
        next: Path of the next page's token or URL.
        more: Path of a boolean that says whether there is a next page, or None.
        deleted: Path of the tombstones, or None where deleted records are just gone.
        token: Request parameter of the next page.
        size: Request parameter of the page size, or None where it is not the caller's to choose.
        since: Request parameter of the inclusive lower bound, or None.
        until: Request parameter of the exclusive upper bound, or None.
        since_as: How the bounds are written: `iso`, `epoch`, `epoch_ms` or a strftime text, as the
            fetch step's `since_as()` takes; None for ISO 8601 and numbers of all kinds.
        also: Further request parameters, which change nothing.
        newest_first: Whether the last changed come first.
        by_change: Whether positions count in the order of change, oldest first: what changes moves
            to the end, and its neighbours slip past who reads. Else by creation.
        last: What the last page has for `next`; "404": a page more is asked for, and not found.
        short_pages: Whether pages are at times shorter than asked; None: when the suite asks.
        nulls: Columns that are null now and then; None: those of free text.
        record: The example after which all records are made.
    """

    name: str = ""
    path: str
    method: Literal["GET", "POST"] = "GET"
    pagination: Literal["cursor", "page_number", "offset", "link_header", "next_url", "none"]
    rows: str = ""
    next: str | None = None
    more: str | None = None
    deleted: str | None = None
    token: str = ""
    size: str | None = None
    since: str | None = None
    until: str | None = None
    since_as: str | None = None
    also: tuple[str, ...] = ()
    primary_key: tuple[str, ...] = ()
    cursor: str | None = None
    newest_first: bool = False
    by_change: bool = False
    last: Literal["null", "absent", "empty", "404"] = "null"
    short_pages: bool | None = None
    nulls: tuple[str, ...] | None = None
    record: dict[str, Any]

    @property
    def pages(self) -> bool:
        """Whether it has pages, any of which may be shorter than asked."""
        return self.pagination != "none" and self.short_pages is not False

    @property
    def parameters(self) -> list[str]:
        """Names of the request parameters that mean something."""
        names = (self.since, self.until, self.token, self.size)
        return [name for name in names if name]


class Spec(msgspec.Struct, frozen=True):
    """The whole of sample.toml.

    Attributes:
        file: Its name, for messages.
        records: How many records each entity has at first.
        entities: By request path.
    """

    file: str
    records: int
    auth: Auth
    entities: dict[str, Entity]
