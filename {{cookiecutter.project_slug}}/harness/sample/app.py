# Owned by fivetran-azfn-template: updates replace this file.
"""The sample upstream as a WSGI app: what is asked for, who asks, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn
from urllib.parse import urlencode

import msgspec
from werkzeug import Request, Response

from harness.sample import pages
from harness.sample.auth import Guard
from harness.sample.paths import keys_of, put
from harness.sample.spec import Entity, Spec
from harness.sample.store import Store

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_ROOM = 190  # characters of a refusal: the function's error may show no more of it
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class _Refused(Exception):
    """The request gets an error: HTTP status, and a text that begins with what to change where.

    Args:
        status: The status.
        message: The text.
        known: What there is instead; ends the text, as much of it as fits.
        headers: Of the answer.
    """

    def __init__(
        self, status: int, message: str, known: Sequence[str] = (), **headers: str
    ) -> None:
        super().__init__(_fitting(message, known))
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Asked(NamedTuple):
    """A request for a page of an entity: the entity's name, and the parameters with a value."""

    entity: str
    parameters: Mapping[str, str]


class App:
    """Answers requests from the stores, as the spec says.

    Attributes:
        asked: The requests for pages that were understood so far, oldest first.
    """

    def __init__(self, spec: Spec, stores: Mapping[str, Store], guard: Guard) -> None:
        self._spec = spec
        self._stores = stores
        self._guard = guard
        self.asked: list[Asked] = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        try:
            response = self._answer(request)
        except _Refused as refused:
            response = _json({"message": self._masked(str(refused))}, refused.status)
            response.headers.extend(refused.headers)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if self._grants(request.path):
            _check_method(request, "POST", "get OAuth2 tokens with POST")
            status, body = self._guard.grant(request)
            response = _json(body, status)
            if status == 401:
                response.headers["WWW-Authenticate"] = 'Basic realm="sample"'
            return response
        entity = self._spec.entities.get(request.path)
        if entity is None:
            self._not_found(request)
        _check_method(request, entity.method, f"change method in {self._place(entity)}")
        self._check_credentials(request)
        parameters = self._parameters(request, entity)
        self.asked.append(Asked(entity.name, parameters))
        try:
            page = pages.read(entity, self._stores[entity.name], parameters)
        except pages.BadParameter as bad:
            raise _Refused(400, f"see {self._place(entity)}: {bad}") from None
        except pages.PastTheEnd:
            raise _Refused(404, "there is no such page: the last one is before it") from None
        return _page(request, entity, page, parameters)

    def _place(self, entity: Entity) -> str:
        return f"[entity.{entity.name}] of {self._spec.file}"

    def _grants(self, path: str) -> bool:
        auth = self._spec.auth
        return auth.kind == "oauth2_client_credentials" and path == auth.token_path

    def _not_found(self, request: Request) -> NoReturn:
        auth, entities = self._spec.auth, self._spec.entities
        asked = f"{request.method} {request.path}"
        oauth = auth.kind == "oauth2_client_credentials"
        posts = any(entity.method == "POST" for entity in entities.values())
        if "grant_type" in request.form or (oauth and request.method == "POST" and not posts):
            place = f'token_path = "{request.path}" in [auth] of {self._spec.file}'
            if oauth:
                message = f"set {place}: there is no {asked}, but POST {auth.token_path}"
            else:
                message = f'set kind = "oauth2_client_credentials" and {place}: no tokens here'
            raise _Refused(404, message)
        raise _Refused(
            404,
            f"set path in [entity.…] of {self._spec.file}, or take your own app (--sample "
            f"tests.upstream:app): there is no {asked}, but ",
            [f"{entity.method} {path}" for path, entity in entities.items()],
        )

    def _check_credentials(self, request: Request) -> None:
        why = self._guard.refusal(request)
        if why is not None:
            raise _Refused(
                401,
                f"see [auth] in {self._spec.file}: it wants {self._guard.wanted}, but {why}",
                WWW_Authenticate=self._guard.challenge,
            )

    def _parameters(self, request: Request, entity: Entity) -> dict[str, str]:
        given = list(request.args.items(multi=True))
        if self._spec.auth.kind == "api_key_query":
            given = [(name, value) for name, value in given if name != self._spec.auth.param]
        if entity.method == "POST":
            given += self._body_of(request, entity)
        known = entity.parameters
        read: dict[str, str] = {}
        for name, value in given:
            if any(name == other or name.startswith(f"{other}.") for other in entity.also):
                continue
            if name not in known:
                raise _Refused(
                    400,
                    f'rename one in {self._place(entity)}, or add also = ["{name}"] to it: '
                    "it has no such parameter, but ",
                    list(known) or ["none"],
                )
            if name in read:
                raise _Refused(400, f"send {name} once: it came twice")
            if value:
                read[name] = value
        return read

    def _body_of(self, request: Request, entity: Entity) -> list[tuple[str, str]]:
        try:
            body = msgspec.json.decode(request.get_data() or b"{}")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            body = None
        if not isinstance(body, dict):
            raise _Refused(400, f"send a body: POST {entity.path} takes a JSON object")
        return list(_flat(body, ""))

    def _masked(self, text: str) -> str:
        for value in self._guard.secrets.values():
            text = text.replace(value, "***")
        return text


def _flat(body: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, str]]:
    """Parameters of a JSON body; those of an inner object have a dotted name, null is absent."""
    for key, value in body.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value if isinstance(value, str) else str(value)


def _check_method(request: Request, method: str, todo: str) -> None:
    if request.method != method:
        raise _Refused(
            405,
            f"{todo}: there is no {request.method} {request.path}, but {method}",
            Allow=method,
        )


def _page(
    request: Request, entity: Entity, page: pages.Part, parameters: Mapping[str, str]
) -> Response:
    def url(token: str | None) -> str:
        kept = {name: value for name, value in parameters.items() if name != entity.token}
        query = urlencode({**kept, **({entity.token: token} if token else {})})
        return request.host_url.rstrip("/") + entity.path + (f"?{query}" if query else "")

    rows = [item.record for item in page.items if not item.deleted]
    body: Any = rows
    if entity.rows:
        body = {}
        put(body, keys_of(entity.rows), rows)
    if entity.deleted is not None:
        put(body, keys_of(entity.deleted), [i.record for i in page.items if i.deleted])
    if entity.next is not None and (page.token or entity.last != "absent"):
        end = "" if entity.last == "empty" else None
        following = url(page.token) if entity.pagination == "next_url" else page.token
        put(body, keys_of(entity.next), following if page.token else end)
    if entity.more is not None:
        put(body, keys_of(entity.more), page.more)
    response = _json(body, 200)
    if entity.pagination == "link_header":
        following = f', <{url(page.token)}>; rel="next"' if page.token else ""
        response.headers["Link"] = f'<{url(None)}>; rel="first"{following}'
    return response


def _fitting(message: str, known: Sequence[str]) -> str:
    """The message with the names that fit behind it."""
    for count in range(len(known), 0, -1):
        rest = len(known) - count
        text = message + ", ".join(known[:count]) + (f" and {rest} more" if rest else "")
        if len(_ENCODER.encode({"message": text}).decode()) < _ROOM:
            return text
    return message + (f"{len(known)} others" if known else "")


def _json(body: Any, status: int) -> Response:
    return Response(_ENCODER.encode(body), status, mimetype="application/json")
