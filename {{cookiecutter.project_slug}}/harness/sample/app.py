"""The API that sample.toml describes: answers a request, or says what is wrong with it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from werkzeug import Request, Response

from harness import codec
from harness.sample import pages
from harness.sample.pages import SHOWN, Refused
from harness.sample.records import Item, Store
from harness.sample.spec import Auth, Entity, Spec, put

_OAUTH = "oauth2_client_credentials"
_A_TIME = re.compile(
    r"\d{4}-\d\d-\d\d|\d\d?[./]\d\d?[./]\d{4}|\d{4}/\d\d?/\d\d?|^1\d{9}(\d{3})?(\.\d+)?$"
)


def made_up(name: str) -> str:
    """The made-up value of the secret of this name; the same in every process."""
    return "sample-" + hashlib.sha256(name.encode()).hexdigest()[:20]


class Asked(NamedTuple):
    """What a request asks for."""

    entity: Entity | None  # None where the path is not that of one
    parameters: Mapping[str, str]  # with a value, without an API key; of a POST by dotted path


def read(spec: Spec, request: Request) -> Asked:
    """What a request asks for; it is not checked."""
    entities = spec.entities.values()
    entity = next((e for e in entities if e.path and e.path == request.path), None)
    values = dict(_query(spec.auth, request))
    if entity is not None and entity.method == "POST":
        values.update(_flat(_body_of(request) or {}, ""))
    return Asked(entity, {name: value for name, value in values.items() if name and value})


class App:
    """Answers requests from the stores, as the spec says."""

    def __init__(self, spec: Spec, stores: Mapping[str, Store], short_pages: bool) -> None:
        self._spec, self._stores, self._short_pages = spec, stores, short_pages
        self._numbers: dict[tuple[str, str], str] = {}  # the first ones, by entity and parameter

    def answer(self, request: Request, asked: Asked) -> Response:
        """The requested page; or what is wrong, with the line to change."""
        spec, entity, auth = self._spec, asked.entity, self._spec.auth
        if auth.kind == _OAUTH and "grant_type" in request.form:
            return _grant(auth, request)
        if entity is None:
            return self._not_found(request)
        table = f"entity.{entity.name}"
        if request.method != entity.method:
            text = (
                f"{spec.at(table, 'method')}: {entity.path} accepts only {entity.method}; write "
                f'method = "{request.method}" there if your API accepts it'
            )
            return _json({"message": text}, 405, {"Allow": entity.method})
        if refusal := _without_credentials(spec, request):
            return refusal
        try:
            if entity.method == "POST" and _body_of(request) is None:
                raise Refused(400, f"fetch.py: POST {entity.path} needs a JSON object as its body")
            for name, value in asked.parameters.items():
                if name not in (entity.since, entity.until, entity.token, entity.size):
                    self._check_unknown(asked, entity, name, value)
            page = pages.read(self._stores[entity.name], asked.parameters, self._short_pages)
        except Refused as refused:
            place = f"{spec.at(table, refused.key)}: " if refused.key else ""
            return _json({"message": f"{place}{refused}"}, refused.status)
        query = [each for each in _query(auth, request) if each[0] != entity.token]
        return _page(request.base_url, query, entity, page)

    def _not_found(self, request: Request) -> Response:
        spec, asked = self._spec, f"{request.method} {request.path}"
        if "grant_type" in request.form:
            text = f'{asked} asks for a token: write kind = "{_OAUTH}" in {spec.at("auth")}'
            return _json({"message": text}, 404)
        by_path = {entity.path: entity for entity in spec.entities.values() if entity.path}
        path, *others = get_close_matches(request.path, list(by_path), len(by_path), 0)
        nearest = by_path[path]
        more = f", {len(others)} more" if others else ""
        place = spec.at(f"entity.{nearest.name}", "path")
        text = (
            f"the sample has no {asked}, only {nearest.method} {path}{more}: write path = "
            f"{_quoted(request.path)} in {place} or in a new [entity.…]"
        )
        return _json({"message": text}, 404)

    def _check_unknown(self, asked: Asked, entity: Entity, name: str, value: str) -> None:
        """Refuse a parameter that chooses records or a page; one that stays the same is fine."""
        first = self._numbers.setdefault((entity.name, name), value) if value.isdigit() else value
        time = None if "version" in name else _A_TIME.search(value)
        if time and time.start():
            place = self._spec.at(f"entity.{entity.name}")
            text = f"{place}: no key describes the filter {name}={value[:SHOWN]} of fetch.py"
            raise Refused(400, f"{text}: it needs a WSGI app, see docs/sample.md")
        if time:
            key = "until" if entity.since in asked.parameters else "since"
        elif first != value or pages.TOKEN.fullmatch(value):
            key = "token"
        else:
            return
        known = getattr(entity, key)
        has = f"has {key} = {_quoted(known)}" if known else f"has no {key}"
        cursor = " and cursor" if time and not entity.cursor else ""
        todo = f"write {key} = {_quoted(name)}{cursor} there"
        raise Refused(400, f"{has}, but fetch.py sent {name}={value[:SHOWN]}: {todo}", key)


def _without_credentials(spec: Spec, request: Request) -> Response | None:
    """What a request gets that lacks the made-up credentials; None where it has them."""
    auth = spec.auth
    if auth.kind == "none":
        return None
    value, shown = ":".join(map(made_up, auth.secrets)), ":".join(f"<{n}>" for n in auth.secrets)
    if auth.kind == "basic":
        if len(auth.secrets) == 1:
            value, shown = f"{value}:", f"{shown}:"
        value, shown = base64.b64encode(value.encode()).decode(), f"{shown} in base64"
    elif auth.kind == _OAUTH:
        value, shown = made_up(value), "an access_token of the token endpoint"
    if auth.kind == "api_key_query":
        scheme, sent, wanted = "", request.args.get(auth.param), f"?{auth.param}={shown}"
    else:
        schemes = {"token": "Token ", "basic": "Basic ", "api_key_header": auth.prefix}
        header = auth.header if auth.kind == "api_key_header" else "Authorization"
        scheme, sent = schemes.get(auth.kind, "Bearer "), request.headers.get(header)
        wanted = f"{header}: {scheme}{shown}"
    if sent == scheme + value:
        return None
    text = (
        f"{spec.at('auth', 'kind')} expects {wanted}, but the request does not have it: "
        "change [auth] there or auth= in fetch.py"
    )
    challenge = f'{scheme.strip() or "ApiKey"} realm="sample"'
    return _json({"message": text}, 401, {"WWW-Authenticate": challenge})


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


def _page(base: str, query: list[tuple[str, str]], entity: Entity, page: pages.Page) -> Response:
    def url(token: str) -> str:
        parameters = urlencode([*query, (entity.token, token)] if token else query)
        return f"{base}?{parameters}" if parameters else base

    rows = _list(item for item in page.items if not item.deleted)
    body: Any = {} if entity.rows else rows
    if entity.rows:
        put(body, entity.rows, rows)
    if entity.deleted:
        put(body, entity.deleted, _list(item for item in page.items if item.deleted))
    if entity.next:
        following = page.token if entity.pagination == "cursor" else url(page.token)
        put(body, entity.next, following if page.token else None)
    if entity.more:
        put(body, entity.more, bool(page.token))
    if entity.pagination != "link_header":
        return _json(body)
    following = f', <{url(page.token)}>; rel="next"' if page.token else ""
    return _json(body, headers={"Link": f'<{url("")}>; rel="first"{following}'})


def _list(items: Iterator[Item]) -> msgspec.Raw:
    return msgspec.Raw(b"[" + b",".join(item.body for item in items) + b"]")


def _query(auth: Auth, request: Request) -> list[tuple[str, str]]:
    """The query without an API key."""
    key = auth.param if auth.kind == "api_key_query" else None
    return [(name, value) for name, value in request.args.items(multi=True) if name != key]


def _body_of(request: Request) -> dict[str, Any] | None:
    """The JSON object in a request's body; None where the body is anything else."""
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
