"""A real HTTP server on loopback, with a route for each thing that goes wrong with an upstream."""

import base64
import contextlib
import gzip
import json
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote_plus, urlsplit

MIB = 2**20
ROWS = [{"id": 1, "name": "Zoë"}, {"id": 2, "name": "10 €"}]
GOOD = json.dumps({"data": ROWS, "next": None}, ensure_ascii=False).encode()


class Visit:
    """One request, and the means to answer it in ways that no framework would."""

    def __init__(self, handler):
        parts = urlsplit(handler.path)
        self.handler, self.server = handler, handler.server
        self.method, self.target, self.path = handler.command, handler.path, parts.path
        self.params = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.headers = dict(handler.headers.items())
        self.body = handler.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.port = handler.client_address[1]
        self.nth = self.server.count(self.target)

    def head(self, status=200, **headers):
        """Send status and headers; `Content_Type` stands for Content-Type."""
        named = {"Content_Type": "application/json", **headers}
        lines = [f"{name.replace('_', '-')}: {v}" for name, v in named.items() if v is not None]
        text = "\r\n".join([f"HTTP/1.1 {status} Said", *lines])
        self.write(text.encode("latin-1", "replace") + b"\r\n\r\n")

    def reply(self, body=GOOD, status=200, **headers):
        """Send a whole reply."""
        raw = body.encode() if isinstance(body, str) else body
        length = None if status in (204, 304) else len(raw)
        self.head(status, **{"Content_Length": length, **headers})
        self.write(raw)

    def write(self, raw):
        self.handler.wfile.write(raw)

    def close(self):
        self.handler.close_connection = True

    @property
    def url(self):
        """The server's URL under the name by which it was asked."""
        return f"{self.server.scheme}://{self.headers['Host']}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True  # or a reply in two parts waits 40 ms for its second

    def answer(self):
        visit = Visit(self)
        self.server.visits.append(visit)
        try:
            self.server.routes.get(visit.path, missing)(visit)
        except OSError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def log_message(self, *_):
        pass


class Faults(ThreadingHTTPServer):
    """The server; use it as a context manager."""

    daemon_threads = True

    def __init__(self, tls=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.visits = []  # the requests that came, in order
        self.stopping = threading.Event()
        self.clients = {"the-client-id": "the-client-secret"}  # of OAuth, by id
        self.lives = 3600  # seconds that a token says it lives
        self.tokens = []  # OAuth tokens that are taken
        self.headers = {}  # further headers of /status
        self.routes = dict(ROUTES)
        self.port = self.server_address[1]
        self.scheme = "https" if tls else "http"
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        # The same server under another name, which is another origin.
        self.elsewhere = f"{self.scheme}://localhost:{self.port}"
        self._counts = Counter()
        self._tls = tls

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.005,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.shutdown()
        self.server_close()

    def paths(self):
        return [visit.path for visit in self.visits]

    def at(self, host):
        """The requests that came under a host name."""
        return [visit for visit in self.visits if visit.headers["Host"].startswith(host)]

    def count(self, what):
        self._counts[what] += 1
        return self._counts[what]

    def finish_request(self, request, client_address):
        with contextlib.suppress(OSError):
            if self._tls:
                request = self._tls.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)

    def shutdown_request(self, request):
        """Close without a FIN of its own before, so that a reset is one."""
        self.close_request(request)

    def handle_error(self, request, client_address):
        """Clients go away in the middle; that is what they are tested for."""


def missing(visit):
    visit.reply("no such route", 404, Content_Type="text/plain")


# ---- replies that are slow, cut or large


def dripping(start):
    """A reply that goes on byte after byte, for as long as somebody listens."""

    def answer(visit):
        visit.write(b"HTTP/1.1 200 OK\r\n" + start)
        while not visit.server.stopping.wait(0.03):
            visit.write(b"0")
        visit.close()

    return answer


def silent(visit):
    visit.server.stopping.wait(60)
    visit.close()


def stall(visit):
    """Half a body, `after` so many seconds, and then nothing more."""
    visit.server.stopping.wait(float(visit.params.get("after", 0)))
    visit.head(Content_Length=len(GOOD), Connection=visit.params.get("connection"))
    visit.write(GOOD[:20])
    silent(visit)


def reset(visit):
    """A connection broken off (RST) in the body; `times` of them, then a good reply."""
    if visit.nth > int(visit.params.get("times", 99)):
        return visit.reply()
    cut(visit)
    time.sleep(0.02)
    linger = struct.pack("ii", 1, 0)
    return visit.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def cut(visit):
    visit.head(Content_Length=10_000)
    visit.write(GOOD[:20])
    visit.close()


def cut_chunk(visit):
    visit.head(Transfer_Encoding="chunked")
    visit.write(b"400\r\n" + GOOD[:20])
    visit.close()


def big(visit):
    """300 MiB; chunked where the length is not announced."""
    announced = "announced" in visit.params
    length = {"Content_Length": 300 * MIB} if announced else {"Transfer_Encoding": "chunked"}
    visit.head(**length)
    for _ in range(300):
        visit.write(b" " * MIB if announced else b"100000\r\n" + b" " * MIB + b"\r\n")
    if not announced:
        visit.write(b"0\r\n\r\n")


@cache
def bomb():
    """300 MiB of spaces, as gzip."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b" " * MIB) for _ in range(300)) + packer.flush()


def packed(visit):
    """The good reply (`csv`: 300 lines) packed `as` asked, without the last `cut` bytes."""
    raw = GOOD + b" " * MIB * int(visit.params.get("mb", 0))
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
        "nothing": (b"", "gzip"),
    }
    body, encoding = kinds[visit.params["as"]]
    body = body[: len(body) - int(visit.params.get("cut", 0))]
    if "chunked" not in visit.params:
        return visit.reply(body, Content_Encoding=encoding)
    visit.head(Content_Encoding=encoding, Transfer_Encoding="chunked")
    return visit.write(b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")


# ---- statuses, what was asked, and OAuth


def status(visit):
    """A status, `times` times, then a good reply; `after` and `remaining` become headers."""
    params = visit.params
    if visit.nth > int(params.get("times", 99)):
        return visit.reply()
    headers = {"Retry_After": params.get("after"), "X_RateLimit_Remaining": params.get("remaining")}
    body = json.dumps({"message": f"said {params['code']}"})
    return visit.reply(body, int(params["code"]), **headers, **visit.server.headers)


def hop(visit):
    visit.reply("", int(visit.params.get("code", 302)), Location=visit.params["to"])


def who(visit):
    """What the request looked like, as rows."""
    seen = {"id": visit.nth, "headers": visit.headers, "params": visit.params}
    visit.reply(json.dumps({"data": [seen]}))


def token(visit):
    """Gives a token to known clients. With `in=body` it wants the credentials in the form, with
    `at` it puts the token there."""
    form = dict(parse_qsl(visit.body.decode()))
    coded = visit.headers.get("Authorization", "").removeprefix("Basic ")
    name, _, secret = base64.b64decode(coded).decode().partition(":")
    name, secret = unquote_plus(name), unquote_plus(secret)
    if visit.params.get("in") == "body" and not coded:
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
    if not name:
        return visit.reply(json.dumps({"message": "missing client id"}), 400)
    known = visit.server.clients.get(name) == secret
    if not known or form.get("grant_type") != "client_credentials":
        refusal = {"error": "invalid_client", "error_description": f"{name}:{secret} is unknown"}
        return visit.reply(json.dumps(refusal), 401)
    given = f"given-token-{visit.server.count('a token')}-{visit.server.port}"
    visit.server.tokens.append(given)
    *outer, last = visit.params.get("at", "access_token").split(".")
    body = {last: given, "token_type": "Bearer", "scope": form.get("scope")}
    if visit.server.lives is not None:
        body["expires_in"] = visit.server.lives
    for key in reversed(outer):
        body = {key: body}
    return visit.reply(json.dumps(body))


def guarded(visit):
    sent = visit.headers.get("Authorization", "").removeprefix("Bearer ")
    if sent not in visit.server.tokens:
        return visit.reply(json.dumps({"message": f"the token {sent} is not taken"}), 401)
    return visit.reply()


ROUTES = {
    "/rows": lambda visit: visit.reply(),
    "/html": lambda visit: visit.reply("<h1>Maintenance</h1>", Content_Type="text/html"),
    "/half": lambda visit: visit.reply(GOOD[:30]),
    "/empty": lambda visit: visit.reply(""),
    "/loop": lambda visit: visit.reply("", 302, Location="/loop"),
    "/cookies": lambda visit: visit.reply(Set_Cookie="session=of-the-upstream; Max-Age=9999"),
    "/drip": dripping(b"Content-Length: 1000000\r\n\r\n"),
    "/drip-head": dripping(b"X-Long: "),
    "/drip-chunks": dripping(b"Transfer-Encoding: chunked\r\n\r\n"),
    "/silent": silent,
    "/stall": stall,
    "/reset": reset,
    "/cut": cut,
    "/cut-chunk": cut_chunk,
    "/big": big,
    "/bomb": lambda visit: visit.reply(bomb(), Content_Encoding="gzip"),
    "/packed": packed,
    "/status": status,
    "/hop": hop,
    "/who": who,
    "/oauth/token": token,
    "/guarded": guarded,
}
