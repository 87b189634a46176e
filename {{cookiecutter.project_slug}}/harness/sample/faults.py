# Owned by fivetran-azfn-template: updates replace this file.
"""The upstream's bad days: a WSGI layer that fails requests and changes records between pages.

What happens to a request follows from the seed, its path and how many of this path came before,
so the threads of a function change nothing. It knows no function.
"""

from __future__ import annotations

import io
import random
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from time import sleep
from typing import TYPE_CHECKING

import msgspec
from werkzeug import Request, Response
from werkzeug.test import run_wsgi_app

from harness.sample.paths import keys_of
from harness.sample.spec import Entity
from harness.sample.store import Store

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SLOW_SECONDS = 0.05
_KINDS = ("429", "500", "reset", "slow", "expired")
_EXPIRING = ("cursor", "link_header", "next_url")  # positions do not expire
_POSITIONS = ("page_number", "offset")


class Faults:
    """An upstream that fails at times.

    Args:
        app: The upstream.
        seed: Says what goes wrong, and how often.
        entities: Its entities by path; empty for an app that no table describes: its requests
            fail, its records and tokens are left alone.
        stores: Their records, by name.

    Attributes:
        quiet: True from when all goes well; tokens that have expired stay so until their walk
            begins anew.
        deletes: Whether records may be deleted without being told of, because the function finds
            out (it marks all rows and reads them again).
        done: What happened, and how often.
    """

    def __init__(
        self,
        app: WSGIApplication,
        seed: int,
        entities: Mapping[str, Entity],
        stores: Mapping[str, Store],
    ) -> None:
        self.quiet = False
        self.deletes = False
        self.done: Counter[str] = Counter()
        self._app = app
        self._seed = seed
        self._entities = entities
        self._stores = stores
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()
        self._expired: dict[str, set[str]] = {path: set() for path in entities}
        mood = random.Random(f"{seed} mood")
        self._failing = mood.choice((0.15, 0.3, 0.45))
        self._changing = mood.choice((0.2, 0.5))
        self._weights = [mood.choice((1, 1, 3)) for _ in _KINDS]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        body = request.get_data()
        environ["wsgi.input"] = io.BytesIO(body)
        with self._lock:
            number = self._asked[request.path]
            self._asked[request.path] += 1
            entity = self._entities.get(request.path)
            chance = random.Random(f"{self._seed} {request.path} {number}")
            token = _token(entity, request, body) if entity else None
            if not self.quiet and entity:
                self._change(entity, chance)
            kind = self._kind(entity, token, chance)
            if kind:
                self.done[kind] += 1
        return self._answer(kind, chance, environ)(environ, start_response)

    def _kind(self, entity: Entity | None, token: str | None, chance: random.Random) -> str:
        """What is wrong with this request; "" for nothing."""
        fails = chance.random() < self._failing
        kind = chance.choices(_KINDS, self._weights)[0]
        if entity and entity.pagination in _EXPIRING:
            expired = self._expired[entity.path]
            if token is None:
                expired.clear()  # a walk begins anew: its tokens are new ones
            elif token in expired:
                return "expired"
        if self.quiet or not fails:
            return ""
        if kind != "expired":
            return kind
        # Without a primary key, a walk that starts over has its rows twice, by the protocol.
        if not entity or token is None or not entity.primary_key:
            return ""
        if entity.pagination not in _EXPIRING:
            return ""
        self._expired[entity.path].add(token)
        return kind

    def _change(self, entity: Entity, chance: random.Random) -> None:
        """Insert, update and delete, as far as a correct function gets to know of it."""
        seed, count = chance.getrandbits(32), chance.choices((0, 1, 2, 4), k=3)
        if chance.random() >= self._changing:
            return
        positions = entity.pagination in _POSITIONS
        # Without a key, rows are appended: what shifts is read twice, and an older version stays.
        keyed = bool(entity.primary_key)
        insert = count[0] if keyed or not (positions and entity.newest_first) else 0
        update = count[1] if keyed else 0
        told = entity.deleted is not None or (self.deletes and not positions)
        delete = count[2] if told else 0
        change = self._stores[entity.name].change(insert, update, delete, seed)
        for name in ("inserted", "updated", "deleted"):
            if records := getattr(change, name):
                self.done[name] += len(records)

    def _answer(self, kind: str, chance: random.Random, environ: WSGIEnvironment) -> Response:
        if kind == "429":
            return _refusal(429, {"Retry-After": chance.choice("01")})
        if kind == "500":
            return _refusal(500)
        if kind == "expired":
            return _refusal(chance.choice((410, 400)))
        if kind == "slow":
            sleep(SLOW_SECONDS)
        chunks, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        body = b"".join(chunks)
        response = Response(body, status, headers)
        if kind == "reset":
            response.set_data(body[: len(body) // 2])
            # The server closes the connection after a body that is shorter than announced.
            response.headers["Content-Length"] = str(len(body) or 1)
        return response


def _refusal(status: int, headers: Mapping[str, str] | None = None) -> Response:
    words = {
        429: b'{"message": "chaos: too many requests"}',
        500: b"<h1>chaos: internal server error</h1>",
        410: b'{"message": "chaos: this page token has expired"}',
        400: b'{"message": "chaos: this page token is not valid any more"}',
    }
    kind = "text/html" if status == 500 else "application/json"
    return Response(words[status], status, headers, mimetype=kind)


def _token(entity: Entity, request: Request, body: bytes) -> str | None:
    """The page token that a request carries, or None."""
    if entity.method != "POST":
        return request.args.get(entity.token) or None
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    for key in keys_of(entity.token):
        value = value.get(key) if isinstance(value, dict) else None
    return str(value) if value else None
