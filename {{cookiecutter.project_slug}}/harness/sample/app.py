"""The API that sample.toml describes: what a request asks for, and what is wrong with it."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn
from urllib.parse import urlencode

import msgspec
from werkzeug import Request, Response

from harness import codec
from harness.sample import pages
from harness.sample.auth import Guard
from harness.sample.records import Store
from harness.sample.spec import Entity, Spec, keys_of, put

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_A_TIME = re.compile(
    r"\d{4}-\d\d-\d\d|\d\d?[./]\d\d?[./]\d{4}|\d{4}/\d\d?/\d\d?|^1\d{9}(\d{3})?(\.\d+)?$"
)
_SHOWN = 30  # characters of a value


class Asked(NamedTuple):
    """What a request asks for."""

    entity: Entity | None  # None where the path is not that of one
    parameters: Mapping[str, str]  # with a value; of a POST body by dotted path
    query: list[tuple[str, str]]  # without an API key


class Refused(Exception):
    """A request gets an error, whose text (200 characters are quoted) names the line to change."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class App:
    """Answers requests from the stores, as the spec says."""

    def __init__(self, spec: Spec, stores: Mapping[str, Store]) -> None:
        self._spec = spec
        self._stores = stores
        self._guard = Guard(spec.auth)
        self._by_path = {entity.path: entity for entity in spec.entities.values() if entity.path}
        self._numbers: dict[tuple[str, str], str] = {}

    def read(self, request: Request) -> Asked:
        """What the request asks for; it is not checked."""
        entity = self._by_path.get(request.path)
        auth = self._spec.auth
        hidden = auth.param if auth.kind == "api_key_query" else None
        query = [(n, v) for n, v in request.args.items(multi=True) if n != hidden]
        values = dict(query)
        if entity is not None and entity.method == "POST":
            values.update(_flat(_body_of(request) or {}, ""))
        return Asked(entity, {name: value for name, value in values.items() if value}, query)

    def answer(self, request: Request, asked: Asked) -> Response:
        """The page that is asked for, or what is wrong with the request."""
        try:
            return self._answer(request, asked)
        except Refused as refused:
            text = str(refused)
            for value in self._guard.secrets.values():
                text = text.replace(value, "[secret]")
            return _json({"message": text}, refused.status, refused.headers)

    def _answer(self, request: Request, asked: Asked) -> Response:
        spec, entity = self._spec, asked.entity
        takes_tokens = spec.auth.kind == "oauth2_client_credentials"
        if takes_tokens and request.path == spec.auth.token_path and request.method == "POST":
            status, body = self._guard.grant(request)
            return _json(body, status, {"WWW-Authenticate": "Basic"} if status == 401 else None)
        if entity is None:
            raise self._not_found(request)
        where = f"entity.{entity.name}"
        if request.method != entity.method:
            raise Refused(
                405,
                f"{spec.at(where, 'method')}: {entity.path} takes {entity.method}; write method = "
                f'"{request.method}" there if that is what your API takes',
                {"Allow": entity.method},
            )
        if why := self._guard.refusal(request):
            raise Refused(
                401,
                f"{spec.at('auth', 'kind')} wants {self._guard.wanted}, but {why}: change [auth] "
                "there or auth= in fetch.py",
                {"WWW-Authenticate": self._guard.challenge},
            )
        self._check_parameters(request, entity, asked.parameters)
        try:
            page = pages.read(self._stores[entity.name], asked.parameters)
        except pages.BadParameter as bad:
            place = spec.at(where, bad.key)
            raise Refused(400, f"{bad}: change fetch.py or {bad.key} at {place}") from None
        except pages.PastTheEnd:
            raise Refused(404, "there is no such page: the last one is before it") from None
        return _page(request.host_url.rstrip("/") + entity.path, asked.query, entity, page)

    def _not_found(self, request: Request) -> Refused:
        spec = self._spec
        asked = f"{request.method} {request.path}"
        if "grant_type" in request.form:
            kind = "oauth2_client_credentials"
            return Refused(
                404,
                f"there is no {asked}: write token_path = {_quoted(request.path)} in [auth] of "
                f"{spec.at('auth', 'token_path')}"
                + (f' and kind = "{kind}"' if spec.auth.kind != kind else ""),
            )
        paths = get_close_matches(request.path, list(self._by_path), len(self._by_path), 0)
        nearest = self._by_path[paths[0]]
        others = f", {len(paths) - 1} more" if len(paths) > 1 else ""
        return Refused(
            404,
            f"the sample has no {asked} but {nearest.method} {paths[0]}{others}: "
            f"{spec.at(f'entity.{nearest.name}', 'path')} or a new [entity.…] needs path = "
            f"{_quoted(request.path)}",
        )

    def _check_parameters(
        self, request: Request, entity: Entity, parameters: Mapping[str, str]
    ) -> None:
        if entity.method == "POST" and _body_of(request) is None:
            raise Refused(400, f"fetch.py: POST {entity.path} takes a JSON object as its body")
        for name, value in parameters.items():
            if name not in entity.parameters:
                self._check_unknown(entity, name, value)
            elif len(request.args.getlist(name)) > 1:
                raise Refused(400, f"fetch.py: send {name} once, it came twice")

    def _check_unknown(self, entity: Entity, name: str, value: str) -> None:
        """Refuse a parameter that chooses records or a page; one that stays the same is fine."""
        place = self._spec.at(f"entity.{entity.name}")
        if (time := _A_TIME.search(value)) and "version" not in name:
            if time.start() or entity.cursor is None:
                lacks = "cursor and since for" if entity.cursor is None else "key for"
                todo = "add both" if entity.cursor is None else "it needs a WSGI app"
                raise Refused(
                    400,
                    f"{place} has no {lacks} the filter {name}={value[:_SHOWN]} of fetch.py: "
                    f"{todo}, see docs/sample.md",
                )
            is_until = entity.since and re.search("until|before|end|_to$|lt", name)
            self._refuse(entity, "until" if is_until else "since", name, value)
        first = self._numbers.setdefault((entity.name, name), value) if value.isdigit() else value
        if first != value or pages.is_token(value):
            self._refuse(entity, "token", name, value)

    def _refuse(self, entity: Entity, key: str, name: str, value: str) -> NoReturn:
        known = getattr(entity, key)
        has = f"has {key} = {_quoted(known)}" if known else f"has no {key}"
        raise Refused(
            400,
            f"{self._spec.at(f'entity.{entity.name}', key)} {has}, but fetch.py sent "
            f"{name}={value[:_SHOWN]}: write {key} = {_quoted(name)} there",
        )


def _page(base: str, query: list[tuple[str, str]], entity: Entity, page: pages.Page) -> Response:
    def url(token: str) -> str:
        others = [(name, value) for name, value in query if name != entity.token]
        parameters = urlencode([*others, (entity.token, token)] if token else others)
        return f"{base}?{parameters}" if parameters else base

    rows = _list(item.body for item in page.items if not item.deleted)
    body: Any = {} if entity.rows else rows
    if entity.rows:
        put(body, keys_of(entity.rows), rows)
    if entity.deleted:
        deleted = _list(item.body for item in page.items if item.deleted)
        put(body, keys_of(entity.deleted), deleted)
    if entity.next and (page.token or entity.last != "absent"):
        end = "" if entity.last == "empty" else None
        following = page.token if entity.pagination == "cursor" else url(page.token)
        put(body, keys_of(entity.next), following if page.token else end)
    if entity.more:
        put(body, keys_of(entity.more), page.more)
    if entity.pagination != "link_header":
        return _json(body)
    following = f', <{url(page.token)}>; rel="next"' if page.token else ""
    return _json(body, headers={"Link": f'<{url("")}>; rel="first"{following}'})


class Wsgi:
    """A WSGI app of the project's, of which nothing is known."""

    def __init__(self, app: WSGIApplication, name: str) -> None:
        self._app = app
        self._name = name

    def read(self, request: Request) -> Asked:
        """Only the query."""
        query = list(request.args.items(multi=True))
        return Asked(None, dict(query), query)

    def answer(self, request: Request, asked: Asked) -> Response:
        """What the app answers; where it raises, a 500 that names the line."""
        try:
            return Response.from_app(self._app, request.environ, buffered=True)
        except Exception as error:
            return Response(f"{self._name}: {raised(error)}", 500, mimetype="text/plain")


def _list(bodies: Iterator[bytes]) -> msgspec.Raw:
    return msgspec.Raw(b"[" + b",".join(bodies) + b"]")


def _body_of(request: Request) -> dict[str, Any] | None:
    """The JSON object in a request's body; None where it is none."""
    try:
        body = codec.decode(request.get_data() or b"{}")
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _flat(body: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Parameters of a JSON body; those of an inner object have a dotted name, null is absent."""
    for key, value in body.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    return codec.encode(text).decode("utf-8", "replace")


def _json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(codec.encode(body), status, headers, mimetype="application/json")


def raised(error: Exception) -> str:
    """What an exception of the project's says, and the line that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
