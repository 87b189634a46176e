# Owned by fivetran-azfn-template: updates replace this file.
"""The upstream's outage: a WSGI layer that lets a walk begin and fails what it asks for next."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from werkzeug import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Outage:
    """An upstream that can be made to fail for as long as somebody likes.

    Args:
        app: The upstream.
        whole: Paths whose first answer is the whole list: they fail from the first request on,
            every other path from its second.

    Attributes:
        refused: Requests that were answered with HTTP 500.
    """

    def __init__(self, app: WSGIApplication, whole: Collection[str]) -> None:
        self.refused = 0
        self._app = app
        self._whole = whole
        self._under_way = False
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def begin(self) -> None:
        """From now on requests fail, but for the first of each path."""
        self._under_way = True

    def end(self) -> None:
        """All is well again."""
        self._under_way = False

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._under_way:
            path = environ["PATH_INFO"]
            with self._lock:
                self._asked[path] += 1
                refuses = path in self._whole or self._asked[path] > 1
                self.refused += refuses
            if refuses:
                body = b'{"message": "the suite lets this upstream fail"}'
                return Response(body, 500, mimetype="application/json")(environ, start_response)
        return self._app(environ, start_response)
