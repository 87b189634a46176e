"""The API that sample.toml describes: what a request asks for, and what is wrong with it."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from werkzeug import Request, Response

from harness import codec
from harness.sample import pages
from harness.sample.pages import SHOWN, Refused
from harness.sample.records import Store
from harness.sample.spec import Auth, Entity, Spec, put

_OAUTH = "oauth2_client_credentials"
_A_TIME = re.compile(
    r"\d{4}-\d\d-\d\d|\d\d?[./]\d\d?[./]\d{4}|\d{4}/\d\d?/\d\d?|^1\d{9}(\d{3})?(\.\d+)?$"
)


def made_up(name: str) -> str:
    """The value that stands in for the secret of this name; the same in every process."""
    return "sample-" + hashlib.sha256(name.encode()).hexdigest()[:20]


class Asked(NamedTuple):
    """What a request asks for."""

    entity: Entity | None  # None where the path is not that of one
    parameters: Mapping[str, str]  # with a value; of a POST body by dotted path
    query: list[tuple[str, str]]  # without an API key


def read(spec: Spec, request: Request) -> Asked:
    """What a request asks for; it is not checked."""
    entities = spec.entities.values()
    entity = next((e for e in entities if e.path and e.path == request.path), None)
    hidden = spec.auth.param if spec.auth.kind == "api_key_query" else None
    query = [(n, v) for n, v in request.args.items(multi=True) if n != hidden]
    values = dict(query)
    if entity is not None and entity.method == "POST":
        values.update(_flat(_body_of(request) or {}, ""))
    return Asked(entity, {name: value for name, value in values.items() if value}, query)


class App:
    """Answers requests from the stores, as the spec says."""

    def __init__(self, spec: Spec, stores: Mapping[str, Store]) -> None:
        self._spec = spec
        self._stores = stores
        self._guard = _Guard(spec.auth)
        self._numbers: dict[tuple[str, str], str] = {}

    def answer(self, request: Request, asked: Asked) -> Response:
        """The page that is asked for; or what is wrong, with the line to change."""
        spec, entity, auth = self._spec, asked.entity, self._spec.auth
        if request.method == "POST" and request.path == auth.token_path and auth.kind == _OAUTH:
            return self._guard.grant(request)
        if entity is None:
            return self._not_found(request)
        table = f"entity.{entity.name}"
        if request.method != entity.method:
            text = (
                f"{spec.at(table, 'method')}: {entity.path} takes {entity.method}; write method = "
                f'"{request.method}" there if that is what your API takes'
            )
            return _message(405, text, Allow=entity.method)
        if not self._guard.admits(request):
            text = (
                f"{spec.at('auth', 'kind')} wants {self._guard.wanted}, but the request has "
                "no such credentials: change [auth] there or auth= in fetch.py"
            )
            return _message(401, text, WWW_Authenticate=f'{self._guard.scheme} realm="sample"')
        try:
            if entity.method == "POST" and _body_of(request) is None:
                raise Refused(400, f"fetch.py: POST {entity.path} takes a JSON object as its body")
            for name, value in asked.parameters.items():
                if name not in (entity.since, entity.until, entity.token, entity.size):
                    self._check_unknown(asked, entity, name, value)
            page = pages.read(self._stores[entity.name], asked.parameters)
        except Refused as refused:
            place = f"{spec.at(table, refused.key)}: " if refused.key else ""
            return _message(refused.status, f"{place}{refused}")
        return _page(request.host_url.rstrip("/") + entity.path, asked.query, entity, page)

    def _not_found(self, request: Request) -> Response:
        spec, asked = self._spec, f"{request.method} {request.path}"
        if "grant_type" in request.form:
            return _message(
                404,
                f"there is no {asked}: write token_path = {_quoted(request.path)} and "
                f'kind = "{_OAUTH}" in [auth] of {spec.at("auth", "token_path")}',
            )
        by_path = {entity.path: entity for entity in spec.entities.values() if entity.path}
        path, *others = get_close_matches(request.path, list(by_path), len(by_path), 0)
        nearest = by_path[path]
        more = f", {len(others)} more" if others else ""
        return _message(
            404,
            f"the sample has no {asked} but {nearest.method} {path}{more}: "
            f"{spec.at(f'entity.{nearest.name}', 'path')} or a new [entity.…] needs path = "
            f"{_quoted(request.path)}",
        )

    def _check_unknown(self, asked: Asked, entity: Entity, name: str, value: str) -> None:
        """Refuse a parameter that chooses records or a page; one that stays the same is fine."""
        key = ""
        if (time := _A_TIME.search(value)) and "version" not in name:
            if time.start():
                place = self._spec.at(f"entity.{entity.name}")
                text = f"{place}: no key describes the filter {name}={value[:SHOWN]} of fetch.py"
                raise Refused(400, f"{text}: it needs a WSGI app, see docs/sample.md")
            key = "until" if entity.since in asked.parameters else "since"
        first = self._numbers.setdefault((entity.name, name), value) if value.isdigit() else value
        if not key and (first != value or pages.is_token(value)):
            key = "token"
        if not key:
            return
        has = (
            f"has {key} = {_quoted(known)}" if (known := getattr(entity, key)) else f"has no {key}"
        )
        cursor = " and cursor" if key != "token" and not entity.cursor else ""
        todo = f"write {key} = {_quoted(name)}{cursor} there"
        text = f"{has}, but fetch.py sent {name}={value[:SHOWN]}: {todo}"
        raise Refused(400, text, key)


class _Guard:
    """Accepts the made-up credentials of one upstream and no others."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self._values = [made_up(name) for name in auth.secrets]
        self._tokens: set[str] = set()
        value, name = ":".join(self._values), ":".join(f"<{name}>" for name in auth.secrets)
        coded = base64.b64encode(value.encode()).decode()
        # The scheme of a challenge, what the request must carry, and how that is shown:
        self.scheme, self._value, shown = {
            "bearer": ("Bearer", f"Bearer {value}", f"Bearer {name}"),
            "token": ("Token", f"Token {value}", f"Token {name}"),
            "basic": ("Basic", f"Basic {coded}", f"Basic with {name} in base64"),
            "api_key_header": ("ApiKey", f"{auth.prefix}{value}", f"{auth.prefix}{name}"),
            "api_key_query": ("ApiKey", value, ""),
            _OAUTH: ("Bearer", "", f"Bearer with a token of POST {auth.token_path}"),
            "none": ("", "", ""),
        }[auth.kind]
        self._header = auth.header if auth.kind == "api_key_header" else "Authorization"
        is_query = auth.kind == "api_key_query"
        self.wanted = f"?{auth.param}={name}" if is_query else f"{self._header}: {shown}"

    def admits(self, request: Request) -> bool:
        """Whether a request carries the right credentials in the right place."""
        sent = request.headers.get(self._header, "")
        if self._auth.kind == "api_key_query":
            sent = request.args.get(self._auth.param, "")
        if self._auth.kind == _OAUTH:
            return sent.partition("Bearer ")[2] in self._tokens
        return self._auth.kind == "none" or sent == self._value

    def grant(self, request: Request) -> Response:
        """The response of the token endpoint (RFC 6749, 4.4 and 5.2)."""
        sent, form = request.authorization, request.form
        client = [form.get("client_id"), form.get("client_secret")]
        if sent is not None and sent.type == "basic":
            client = [sent.username, sent.password]
        if form.get("grant_type") != "client_credentials":
            return _json({"error": "unsupported_grant_type"}, 400)
        if client != self._values:
            return _json({"error": "invalid_client"}, 401, {"WWW-Authenticate": "Basic"})
        token = secrets.token_urlsafe(24)
        self._tokens.add(token)
        return _json({"access_token": token, "token_type": "Bearer", "expires_in": 3600})


def _page(base: str, query: list[tuple[str, str]], entity: Entity, page: pages.Page) -> Response:
    def url(token: str) -> str:
        others = [(name, value) for name, value in query if name != entity.token]
        parameters = urlencode([*others, (entity.token, token)] if token else others)
        return f"{base}?{parameters}" if parameters else base

    rows = _list(item.body for item in page.items if not item.deleted)
    body: Any = {} if entity.rows else rows
    if entity.rows:
        put(body, entity.rows, rows)
    if entity.deleted:
        put(body, entity.deleted, _list(item.body for item in page.items if item.deleted))
    if entity.next and (page.token or entity.last != "absent"):
        following = page.token if entity.pagination == "cursor" else url(page.token)
        end = "" if entity.last == "empty" else None
        put(body, entity.next, following if page.token else end)
    if entity.more:
        put(body, entity.more, page.more)
    if entity.pagination != "link_header":
        return _json(body)
    following = f', <{url(page.token)}>; rel="next"' if page.token else ""
    return _json(body, headers={"Link": f'<{url("")}>; rel="first"{following}'})


def _list(bodies: Iterator[bytes]) -> msgspec.Raw:
    return msgspec.Raw(b"[" + b",".join(bodies) + b"]")


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


def _message(status: int, text: str, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return _json({"message": text}, status, named)


def _json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(codec.encode(body), status, headers, mimetype="application/json")
