"""The API that sample.toml describes: answers a request, or says what is wrong with it."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from werkzeug import Request, Response

from harness import codec
from harness.sample.records import Item, Store
from harness.sample.spec import Auth, Entity, Spec, put

_OAUTH = "oauth2_client_credentials"
_SIZE = 100  # of a page if the request has none
_MOST_EMPTY = 50  # pages after the last one, in a row
_SHOWN = 30  # characters of a wrong value
_TOKEN = re.compile(r"after:(-?\d+):(\d+)")
_A_TIME = re.compile(
    r"\d{4}-\d\d-\d\d|\d\d?[./]\d\d?[./]\d{4}|\d{4}/\d\d?/\d\d?|^1\d{9}(\d{3})?(\.\d+)?$"
)


def made_up(name: str) -> str:
    """The made-up value of the secret of this name; the same in every process."""
    return "sample-" + hashlib.sha256(name.encode()).hexdigest()[:20]


class Asked(NamedTuple):
    """What a request asks for."""

    entity: Entity | None  # None if the path is not that of one
    parameters: Mapping[str, str]  # with a value, without an API key; of a POST by dotted path


class Refused(Exception):
    """A request gets an error, which may be about a key of the entity's table in sample.toml."""

    def __init__(
        self, status: int, text: str, key: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.status, self.key, self.headers = status, key, headers


def read(spec: Spec, request: Request) -> Asked:
    """What a request asks for; it is not checked."""
    entities = spec.entities.values()
    entity = next((each for each in entities if each.path == request.path), None)
    values = dict(_query(spec.auth, request))
    if entity is not None and entity.method == "POST":
        values.update(_flat(_body_of(request) or {}, ""))
    return Asked(entity, {name: value for name, value in values.items() if name and value})


class App:
    """Answers requests from the stores, as the spec says."""

    def __init__(self, spec: Spec, stores: Mapping[str, Store], short_pages: bool) -> None:
        self._spec, self._stores, self._short_pages = spec, stores, short_pages
        self._numbers: dict[tuple[str, str], str] = {}  # the first ones, by entity and parameter
        self._empty: Counter[str] = Counter()  # pages after the last one, in a row, by entity

    def answer(self, request: Request, asked: Asked) -> Response:
        """The requested page; or what is wrong, with the line to change."""
        try:
            return self._answer(request, asked)
        except Refused as refused:
            table = f"entity.{asked.entity.name}" if asked.entity else ""
            place = f"{self._spec.at(table, refused.key)}: " if refused.key else ""
            return _json({"message": f"{place}{refused}"}, refused.status, refused.headers)

    def _answer(self, request: Request, asked: Asked) -> Response:
        auth, entity = self._spec.auth, asked.entity
        if auth.kind == _OAUTH and "grant_type" in request.form:
            return _grant(auth, request)
        if entity is None:
            raise self._not_found(request)
        if request.method != entity.method:
            text = (
                f'{entity.path} accepts only {entity.method}; write method = "{request.method}" '
                "there if your API accepts it"
            )
            raise Refused(405, text, "method", {"Allow": entity.method})
        _check_credentials(self._spec, request)
        if entity.method == "POST" and _body_of(request) is None:
            raise Refused(400, f"fetch.py: POST {entity.path} needs a JSON object as its body")
        for name, value in asked.parameters.items():
            if name not in (entity.since, entity.until, entity.token, entity.size):
                self._check_unknown(asked, entity, name, value)
        store = self._stores[entity.name]
        items, token = _read_page(store, asked.parameters, self._short_pages)
        self._check_end(entity, asked.parameters.get(entity.token, "1"), items)
        query = [each for each in _query(auth, request) if each[0] != entity.token]
        url, following = request.base_url, urlencode([*query, (entity.token, token)])
        first = f"{url}?{urlencode(query)}" if query else url
        return _page(entity, items, token, first, f"{url}?{following}")

    def _check_end(self, entity: Entity, token: str, items: list[Item]) -> None:
        """Refuse a walk that goes on and on after the last page."""
        past = not items and token not in ("0", "1")
        self._empty[entity.name] = self._empty[entity.name] + 1 if past else 0
        if self._empty[entity.name] >= _MOST_EMPTY:
            text = (
                f"{_MOST_EMPTY} pages in a row had no records: the step in fetch.py never ends the "
                "walk; return no next_token with a page without rows (… if rows else None)"
            )
            raise Refused(400, text)

    def _not_found(self, request: Request) -> Refused:
        spec, asked = self._spec, f"{request.method} {request.path}"
        if "grant_type" in request.form:
            todo = f'write kind = "{_OAUTH}" in {spec.at("auth")}'
            return Refused(404, f"{asked} asks for a token: {todo}")
        by_path = {entity.path: entity for entity in spec.entities.values() if entity.path}
        path, *others = get_close_matches(request.path, list(by_path), len(by_path), 0)
        nearest = by_path[path]
        more = f", {len(others)} more" if others else ""
        place = spec.at(f"entity.{nearest.name}", "path")
        return Refused(
            404,
            f"the sample has no {asked}, only {nearest.method} {path}{more}: write path = "
            f"{_quoted(request.path)} in {place} or in a new [entity.…]",
        )

    def _check_unknown(self, asked: Asked, entity: Entity, name: str, value: str) -> None:
        """Refuse a parameter that chooses records or a page; one that stays the same is fine."""
        first = self._numbers.setdefault((entity.name, name), value) if value.isdigit() else value
        time = None if "version" in name else _A_TIME.search(value)
        if time and time.start():
            place = self._spec.at(f"entity.{entity.name}")
            text = f"{place}: no key describes the filter {name}={value[:_SHOWN]} of fetch.py"
            raise Refused(400, f"{text}: it needs a WSGI app, see docs/sample.md")
        if time:
            key = "until" if entity.since in asked.parameters else "since"
        elif first != value or _TOKEN.fullmatch(value):
            key = "token"
        else:
            return
        known = getattr(entity, key)
        has = f"has {key} = {_quoted(known)}" if known else f"has no {key}"
        cursor = " and cursor" if time and not entity.cursor else ""
        todo = f"write {key} = {_quoted(name)}{cursor} there"
        raise Refused(400, f"{has}, but fetch.py sent {name}={value[:_SHOWN]}: {todo}", key)


def _check_credentials(spec: Spec, request: Request) -> None:
    """Refuse a request that lacks the made-up credentials."""
    auth = spec.auth
    if auth.kind == "none":
        return
    value, shown = ":".join(map(made_up, auth.secrets)), ":".join(f"<{n}>" for n in auth.secrets)
    if auth.kind == "basic":
        blank = ":" if len(auth.secrets) == 1 else ""
        value = base64.b64encode(f"{value}{blank}".encode()).decode()
        shown = f"{shown}{blank} in base64"
    elif auth.kind == _OAUTH:
        value, shown = made_up(value), "an access_token of the token endpoint"
    if auth.kind == "api_key_query":
        scheme, sent, wanted = "", request.args.get(auth.param), f"?{auth.param}={shown}"
    else:
        schemes = {"token": "Token ", "basic": "Basic ", "api_key_header": auth.prefix}
        header = auth.header if auth.kind == "api_key_header" else "Authorization"
        scheme, sent = schemes.get(auth.kind, "Bearer "), request.headers.get(header)
        wanted = f"{header}: {scheme}{shown}"
    if sent != scheme + value:
        text = (
            f"{spec.at('auth', 'kind')} expects {wanted}, but the request does not have it: "
            "change [auth] there or auth= in fetch.py"
        )
        challenge = f'{scheme.strip() or "ApiKey"} realm="sample"'
        raise Refused(401, text, headers={"WWW-Authenticate": challenge})


def _grant(auth: Auth, request: Request) -> Response:
    """The response of the token endpoint (RFC 6749, 4.4 and 5.2)."""
    sent, form = request.authorization, request.form
    client = [form.get("client_id"), form.get("client_secret")]
    if sent is not None and sent.type == "basic":
        client = [sent.username, sent.password]
    if form["grant_type"] != "client_credentials":
        return _json({"error": "unsupported_grant_type"}, 400)
    values = [made_up(name) for name in auth.secrets]
    if client != values:
        return _json({"error": "invalid_client"}, 401, {"WWW-Authenticate": "Basic"})
    token = made_up(":".join(values))
    return _json({"access_token": token, "token_type": "Bearer", "expires_in": 3600})


def _read_page(store: Store, parameters: Mapping[str, str], short: bool) -> tuple[list[Item], str]:
    """The page that the parameters ask for, half as long if `short`, and the next one's token."""
    entity = store.entity
    low = _bound("since", store, parameters, -math.inf)
    high = _bound("until", store, parameters, math.inf)
    items = [item for item in store.items if low <= item.moment < high]
    if entity.pagination == "none":
        return items, ""
    size = _whole("size", entity.size, parameters, least=1, default=_SIZE)
    size = max(size // 2, 1) if short else size
    token, page = parameters.get(entity.token), 0
    if entity.pagination == "offset":
        start = _whole("token", entity.token, parameters, least=0, default=0)
    elif entity.pagination == "page_number":
        page = _whole("token", entity.token, parameters, least=1, default=1)
        start = (page - 1) * size
    elif token is None:
        start = 0
    elif entity.by_change:
        if (place := _TOKEN.fullmatch(token)) is None:
            raise _wrong("token", f"{entity.token} is not a token of this upstream")
        start = bisect_left(items, (int(place[1]), int(place[2]) + 1))
    else:
        if (number := store.number_of(token)) is None:
            raise _wrong("token", f"{entity.token} is not the primary key of a record")
        start = bisect_left(items, number + 1, key=lambda item: item.number)
    end = start + size
    found = items[start:end]
    if page > 1 and not found and entity.next:
        raise Refused(404, "there is no such page: it is after the last one")
    if end >= len(items):
        return found, ""
    if entity.by_change:
        return found, f"after:{found[-1].moment}:{found[-1].number}"
    return found, str(page + 1 if page else end)


def _bound(key: str, store: Store, parameters: Mapping[str, str], default: float) -> float:
    name: str = getattr(store.entity, key)
    text = parameters.get(name)
    if text is None or store.form is None:
        return default
    try:
        return store.form.read(text)
    except ValueError:
        takes = "a whole number"
        if store.form.is_time:
            takes = "an ISO 8601 text or a number (another form needs a WSGI app)"
        raise _wrong(key, f"{name} is {text[:_SHOWN]!r}, not {takes}") from None


def _whole(key: str, name: str, parameters: Mapping[str, str], *, least: int, default: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16) or int(text) < least:
        raise _wrong(key, f"{name} is {text[:_SHOWN]!r}, not a whole number of at least {least}")
    return int(text)


def _wrong(key: str, what: str) -> Refused:
    return Refused(400, f"{what}: change fetch.py or {key} there", key)


def _page(entity: Entity, items: list[Item], token: str, first: str, following: str) -> Response:
    """The response with these records; `first` and `following` are URLs of pages."""
    rows = _list(item for item in items if not item.deleted)
    body: Any = {} if entity.rows else rows
    if entity.rows:
        put(body, entity.rows, rows)
    if entity.deleted:
        put(body, entity.deleted, _list(item for item in items if item.deleted))
    if entity.next:
        shown = token if entity.pagination == "cursor" else following
        put(body, entity.next, shown if token else None)
    if entity.more:
        put(body, entity.more, bool(token))
    if entity.pagination != "link_header":
        return _json(body)
    link = f'<{first}>; rel="first"' + (f', <{following}>; rel="next"' if token else "")
    return _json(body, headers={"Link": link})


def _list(items: Iterator[Item]) -> msgspec.Raw:
    return msgspec.Raw(b"[" + b",".join(item.body for item in items) + b"]")


def _query(auth: Auth, request: Request) -> list[tuple[str, str]]:
    """The query without an API key."""
    key = auth.param if auth.kind == "api_key_query" else None
    return [(name, value) for name, value in request.args.items(multi=True) if name != key]


def _body_of(request: Request) -> dict[str, Any] | None:
    """The JSON object in a request's body; None if the body is anything else."""
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
            yield f"{prefix}{key}", str(value)


def _quoted(text: str) -> str:
    return codec.encode(text).decode("utf-8", "replace")


def _json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(codec.encode(body), status, headers, mimetype="application/json")
