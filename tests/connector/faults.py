"""A real HTTP server on loopback, with a route for each thing that goes wrong with an upstream."""

import base64
import contextlib
import gzip
import json
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

MIB = 2**20
ROWS = [{"id": 1, "name": "Zoë"}, {"id": 2, "name": "10 €"}]
GOOD = json.dumps({"data": ROWS, "next": None}, ensure_ascii=False)
DROP = 0.03  # seconds between two bytes of a drip


@dataclass
class Visit:
    """One request, and the means to answer it in ways that no framework would."""

    server: "Faults"
    handler: BaseHTTPRequestHandler
    method: str
    target: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes
    port: int
    nth: int

    def head(self, status: int = 200, **headers: Any) -> None:
        """Send status and headers; `Content_Type` stands for Content-Type."""
        lines = [f"HTTP/1.1 {status} Said"]
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("Content-Type", "application/json")
        lines += [f"{name}: {value}" for name, value in named.items() if value is not None]
        self.write("\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n")

    def reply(self, body: bytes | str = GOOD, status: int = 200, **headers: Any) -> None:
        """Send a whole reply."""
        raw = body.encode() if isinstance(body, str) else body
        length = None if status in (204, 304) else len(raw)
        self.head(status, **{"Content_Length": length, **headers})
        self.write(raw)

    def write(self, raw: bytes) -> None:
        self.handler.wfile.write(raw)
        self.handler.wfile.flush()

    def drip(self, raw: bytes) -> None:
        """Byte after byte, for as long as somebody listens."""
        for byte in raw:
            self.write(bytes([byte]))
            if self.server.stopping.wait(DROP):
                return
        self.close()

    def close(self) -> None:
        self.handler.close_connection = True

    def reset(self) -> None:
        """Break the connection off (RST)."""
        linger = struct.pack("ii", 1, 0)
        self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    @property
    def url(self) -> str:
        """The server's URL under the name by which it was asked."""
        return f"{self.server.scheme}://{self.headers['Host']}"


Route = Callable[[Visit], None]
_ROUTES: dict[str, Route] = {
    "/rows": lambda visit: visit.reply(),
    "/html": lambda visit: visit.reply("<h1>Maintenance</h1>", Content_Type="text/html"),
    "/half": lambda visit: visit.reply(GOOD.encode()[:30]),
    "/empty": lambda visit: visit.reply(""),
    "/loop": lambda visit: visit.reply("", 302, Location="/loop"),
    "/hop": lambda visit: visit.reply(
        "", int(visit.params.get("code", 302)), Location=visit.params["to"]
    ),
    "/drip-head": lambda visit: visit.drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 60_000),
    "/bomb": lambda visit: visit.reply(packed(int(visit.params["mb"])), Content_Encoding="gzip"),
    "/cookies": lambda visit: visit.reply(Set_Cookie="session=of-the-upstream; Max-Age=9999"),
}


def missing(visit: Visit) -> None:
    visit.reply("no such route", 404, Content_Type="text/plain")


def route(path: str) -> Callable[[Route], Route]:
    return lambda function: _ROUTES.setdefault(path, function)


class Faults:
    """The server; use it as a context manager."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.visits: list[Visit] = []  # the requests that came, in order
        self.stopping = threading.Event()
        self.clients = {"the-client-id": "the-client-secret"}  # of OAuth, by id
        self.lives: Any = 3600  # seconds that a token says it lives
        self.tokens: list[str] = []  # OAuth tokens that are taken
        self.headers: dict[str, str] = {}  # further headers of /status
        self.routes: dict[str, Route] = {}  # further routes, by path
        self.scheme = "https" if tls else "http"
        self._counts: Counter[str] = Counter()
        self._tls = tls

    def __enter__(self) -> "Faults":
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.faults, self._http.tls = self, self._tls
        self.port = self._http.server_address[1]
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        # The same server under another name, which is another origin.
        self.elsewhere = f"{self.scheme}://localhost:{self.port}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()

    def paths(self) -> list[str]:
        return [visit.path for visit in self.visits]

    def at(self, host: str) -> list[Visit]:
        """The requests that came under a host name."""
        return [visit for visit in self.visits if visit.headers["Host"].startswith(host)]

    def answer(self, visit: Visit) -> None:
        self.visits.append(visit)
        {**_ROUTES, **self.routes}.get(visit.path, missing)(visit)

    def count(self, path: str) -> int:
        self._counts[path] += 1
        return self._counts[path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    faults: Faults
    tls: ssl.SSLContext | None

    def finish_request(self, request: Any, client_address: Any) -> None:
        with contextlib.suppress(OSError):
            if self.tls:
                request = self.tls.wrap_socket(request, server_side=True)
            self.RequestHandlerClass(request, client_address, self)

    def shutdown_request(self, request: Any) -> None:
        """Close without a FIN of its own before, so that a reset is one."""
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients go away in the middle; that is what they are tested for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def answer(self) -> None:
        faults = self.server.faults
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        asked = (self.command, self.path, parts.path, params, dict(self.headers.items()), body)
        visit = Visit(faults, self, *asked, self.client_address[1], faults.count(self.path))
        try:
            faults.answer(visit)
        except OSError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def log_message(self, *_: Any) -> None:
        pass


# ---- replies that are slow, cut or large


@route("/drip")
def drip(visit: Visit) -> None:
    visit.head(Content_Length=10**6)
    visit.drip(b'{"data": [' + b" " * 60_000)


@route("/drip-chunks")
def drip_chunks(visit: Visit) -> None:
    visit.head(Transfer_Encoding="chunked")
    visit.drip(b"0" * 60_000)


@route("/silent")
def silent(visit: Visit) -> None:
    visit.server.stopping.wait(60)
    visit.close()


@route("/stall")
def stall(visit: Visit) -> None:
    """Half a body, `after` so many seconds, and then nothing more."""
    visit.server.stopping.wait(float(visit.params.get("after", 0)))
    visit.head(Content_Length=len(GOOD), Connection=visit.params.get("connection"))
    visit.write(GOOD.encode()[:20])
    silent(visit)


@route("/reset")
def reset(visit: Visit) -> None:
    """In the middle of the body; `times` of them, then a good reply."""
    if visit.nth > int(visit.params.get("times", 99)):
        return visit.reply()
    cut(visit)
    time.sleep(0.02)
    return visit.reset()


@route("/cut")
def cut(visit: Visit) -> None:
    visit.head(Content_Length=10_000)
    visit.write(GOOD.encode()[:20])
    visit.close()


@route("/cut-chunk")
def cut_chunk(visit: Visit) -> None:
    visit.head(Transfer_Encoding="chunked")
    visit.write(b"400\r\n" + GOOD.encode()[:20])
    visit.close()


@route("/big")
def big(visit: Visit) -> None:
    """As many MiB as asked for; chunked where the length is not announced."""
    size, announced = int(visit.params["mb"]), "announced" in visit.params
    length = {"Content_Length": size * MIB} if announced else {"Transfer_Encoding": "chunked"}
    visit.head(**length)
    for _ in range(size):
        visit.write(b" " * MIB if announced else b"100000\r\n" + b" " * MIB + b"\r\n")
    if not announced:
        visit.write(b"0\r\n\r\n")


@cache
def packed(size: int) -> bytes:
    """So many MiB of spaces, as gzip."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b" " * MIB) for _ in range(size)) + packer.flush()


@route("/packed")
def unpackable(visit: Visit) -> None:
    """The good reply (`csv`: 300 lines) packed `as` asked, without the last `cut` bytes."""
    raw = GOOD.encode() + b" " * MIB * int(visit.params.get("mb", 0))
    if "csv" in visit.params:
        raw = "".join(f"{n},{n * n * n:x}\n" for n in range(300)).encode()
    kinds = {
        "gzip": (gzip.compress(raw), "gzip"),
        "deflate": (zlib.compress(raw), "deflate"),
        "raw-deflate": (zlib.compress(raw)[2:-4], "deflate"),
        "twice": (gzip.compress(zlib.compress(raw)), "deflate, GZip"),
        "members": (gzip.compress(raw[:30]) + gzip.compress(raw[30:]), "x-gzip"),
        "gzip-and-more": (gzip.compress(raw) + b"\0" * 100_000, "gzip"),
        "bad-gzip": (raw, "gzip"),
        "cut-gzip": (gzip.compress(raw)[:-12], "gzip"),
        "nothing": (b"", "gzip"),
    }
    body, encoding = kinds[visit.params["as"]]
    body = body[: len(body) - int(visit.params.get("cut", 0))]
    if "chunked" not in visit.params:
        return visit.reply(body, Content_Encoding=encoding)
    visit.head(Content_Encoding=encoding, Transfer_Encoding="chunked")
    for byte in body:
        visit.write(b"1\r\n" + bytes([byte]) + b"\r\n")
    return visit.write(b"0\r\n\r\n")


# ---- statuses


@route("/status")
def status(visit: Visit) -> None:
    """A status, `times` times, then a good reply; `after` and `remaining` become headers."""
    params = visit.params
    if visit.nth > int(params.get("times", 99)):
        return visit.reply()
    headers = {"Retry_After": params.get("after"), "X_RateLimit_Remaining": params.get("remaining")}
    headers |= visit.server.headers
    body = json.dumps({"message": f"said {params['code']}"})
    return visit.reply(body, int(params["code"]), **headers)


@route("/who")
def who(visit: Visit) -> None:
    """What the request looked like, as rows."""
    seen = {"id": visit.nth, "headers": visit.headers, "params": visit.params}
    visit.reply(json.dumps({"data": [{**seen, "body": visit.body.decode("latin-1")}]}))


# ---- OAuth


@route("/oauth/token")
def token(visit: Visit) -> None:
    """Gives tokens to known clients; `clients` and `lives` of the server say to whom, how long.

    With `in=body` it wants the credentials in the form, with `at` it puts the token there.
    """
    form = dict(parse_qsl(visit.body.decode()))
    scheme, _, coded = visit.headers.get("Authorization", "").partition(" ")
    name, _, secret = base64.b64decode(coded).decode().partition(":")
    name, secret = unquote_plus(name), unquote_plus(secret)
    if visit.params.get("in") == "body" and not scheme:
        scheme, name, secret = "Basic", form.get("client_id", ""), form.get("client_secret", "")
    if not name:
        return visit.reply(json.dumps({"message": "missing client id"}), 400)
    known = scheme == "Basic" and visit.server.clients.get(name) == secret
    if not known or form.get("grant_type") != "client_credentials":
        refusal = {"error": "invalid_client", "error_description": f"{name}:{secret} is unknown"}
        return visit.reply(json.dumps(refusal), 401)
    given = f"given-token-{visit.server.count('a token')}-{visit.server.port}"
    visit.server.tokens.append(given)
    *outer, last = visit.params.get("at", "access_token").split(".")
    body: dict[str, Any] = {last: given, "token_type": "Bearer", "scope": form.get("scope")}
    if visit.server.lives is not None:
        body["expires_in"] = visit.server.lives
    for key in reversed(outer):
        body = {key: body}
    return visit.reply(json.dumps(body))


@route("/guarded")
def guarded(visit: Visit) -> None:
    sent = visit.headers.get("Authorization", "").removeprefix("Bearer ")
    if sent not in visit.server.tokens:
        return visit.reply(json.dumps({"message": f"the token {sent} is not taken"}), 401)
    return visit.reply()


@contextlib.contextmanager
def closed_port() -> Iterator[str]:
    """The URL of a port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
