"""A private CA and a forward proxy, both real, for connections on loopback."""

import contextlib
import select
import socket
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Authority:
    """A private CA and a certificate of its own for 127.0.0.1 and localhost."""

    ca: Path
    context: ssl.SSLContext

    @classmethod
    def made(cls, folder: Path) -> "Authority":
        ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A private CA")])
        ca = _certificate(name, name, ca_key.public_key(), authority=True).sign(
            ca_key, hashes.SHA256()
        )
        own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        leaf = _certificate(own, name, key.public_key(), authority=False).sign(
            ca_key, hashes.SHA256()
        )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (folder / "server.pem").write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        return cls(folder / "ca.pem", context)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: Any, *, authority: bool
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    names = [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )


@dataclass
class Proxy:
    """A forward proxy: CONNECT is tunnelled, other requests are passed on.

    Attributes:
        heads: The head of each request that came, as text.
    """

    heads: list[str] = field(default_factory=list)

    def __enter__(self) -> "Proxy":
        heads = self.heads

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    _pass_on(self.request, heads)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()


def _pass_on(client: socket.socket, heads: list[str]) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        more = client.recv(65536)
        if not more:
            return
        head += more
    heads.append(head.decode("latin-1"))
    method, target, _ = head.split(b" ", 2)
    if method == b"CONNECT":
        host, _, port = target.decode().partition(":")
    else:
        parts = urlsplit(target.decode())
        host, port = parts.hostname or "", str(parts.port)
    with socket.create_connection((host, int(port))) as upstream:
        if method == b"CONNECT":
            client.sendall(b"HTTP/1.1 200 Go ahead\r\n\r\n")
        else:
            path = target.split(b"/", 3)[3]
            upstream.sendall(head.replace(target, b"/" + path, 1))
        _shovel(client, upstream)


def _shovel(*ends: socket.socket) -> None:
    while True:
        for end in select.select(ends, [], [], 30)[0]:
            data = end.recv(65536)
            if not data:
                return
            ends[1 - ends.index(end)].sendall(data)
