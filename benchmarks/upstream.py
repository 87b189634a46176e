"""The API that is read: an HTTP server in a process of its own, its bodies rendered beforehand.

`http://127.0.0.1:PORT/100000/transactions?cursor=2000&limit=1000` gives the third of 100 pages.
"""

from __future__ import annotations

import argparse
import functools
import re
import socketserver
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from http import HTTPStatus

from benchmarks import records
from benchmarks.environments import ROOT

_REQUEST = re.compile(rb"GET /(\d+)/\w+\?(\S*) HTTP/1.1\r\n")
_HEAD = (
    "HTTP/1.1 {0.value} {0.phrase}\r\nContent-Type: application/json\r\nContent-Length: {1}\r\n"
    "Date: {2}\r\n\r\n"
)
rendered = functools.cache(records.page)


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    delay = 0.0

    def handle(self) -> None:
        """Answer requests until the client closes the connection."""
        while line := self.rfile.readline():
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            time.sleep(self.delay)
            status, parts = answer(line)
            head = _HEAD.format(status, sum(map(len, parts)), formatdate(usegmt=True))
            self.wfile.write(b"".join((head.encode(), *parts)))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


def answer(line: bytes) -> tuple[HTTPStatus, tuple[bytes, ...]]:
    """Status and body for a request line."""
    asked = _REQUEST.fullmatch(line)
    if not asked:
        return HTTPStatus.NOT_FOUND, (b"{}",)
    params = dict(re.findall(rb"(\w+)=(\d+)", asked[2]))
    first, total = int(params.get(b"cursor", 0)), int(asked[1])
    end = min(first + int(params[b"limit"]), total)
    after = b'"%d"' % end if end < total else b"null"
    return HTTPStatus.OK, (b'{"data":[', rendered(first, end), b'],"next_cursor":', after, b"}")


@contextmanager
def upstream(count: int, sizes: Sequence[int], delay: float = 0.0) -> Iterator[str]:
    """A running upstream.

    Args:
        count: How many records there are at most.
        sizes: Records per page, each rendered before the first request.
        delay: Seconds before each response.

    Yields:
        Its URL.
    """
    command = [sys.executable, "-m", "benchmarks.upstream", str(count), str(delay)]
    command += map(str, sizes)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout
            yield run.stdout.readline().strip()
        finally:
            run.terminate()


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("delay", type=float)
    parser.add_argument("sizes", type=int, nargs="+")
    given = parser.parse_args()
    for size in given.sizes:
        for first in range(0, given.count, size):
            rendered(first, min(first + size, given.count))
    _Connection.delay = given.delay
    with _Server(("127.0.0.1", 0), _Connection) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
