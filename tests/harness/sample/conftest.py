"""A sample upstream for a test: sample.toml written from a dict, served, and asked over HTTP."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from harness.sample import Sample, Server
from harness.sample.paths import value_at

ENTITY = {
    "path": "/transactions",
    "pagination": "cursor",
    "rows": "data",
    "next": "next_cursor",
    "size": "limit",
    "since": "updated_since",
    "primary_key": ["id"],
    "cursor": "updated_at",
}
RECORD = {
    "id": 1,
    "updated_at": "2026-01-05T08:30:00Z",
    "note": "paid in parts",
    "customer": {"name": "Zoë Müller"},
}
SPREAD = {
    "cursor": {},
    "page_number": {"next": None},
    "offset": {"next": None},
    "link_header": {"next": None, "rows": ""},
    "next_url": {"next": "next"},
    "none": {"next": None},
}


def toml(value: Any) -> str:
    """A value as TOML writes it, on one line."""
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def sample_toml(
    entity: dict[str, Any], record: dict[str, Any], auth: dict[str, Any], records: int
) -> str:
    """The text of a sample.toml; what is None is left out."""
    tables = {"auth": auth, "entity.transaction": entity, "entity.transaction.record": record}
    lines = [f"records = {records}"]
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{json.dumps(k)} = {toml(v)}" for k, v in table.items() if v is not None]
    return "\n".join(lines) + "\n"


class Upstream:
    """A running sample upstream, and a client that carries its credentials."""

    def __init__(self, sample: Sample, server: Server) -> None:
        self.sample = sample
        self.server = server
        self.entity = next(iter(sample.spec.entities.values()))
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path: str | None = None, **params: Any) -> requests.Response:
        """Asks for a path (the entity's own unless said otherwise) or a URL."""
        path = path or self.entity.path
        url = path if path.startswith("http") else self.server.url + path
        return self.session.get(url, params=params, timeout=10)

    def pages(self, **params: Any) -> Iterator[requests.Response]:
        """All pages, as a careful client of the style reads them."""
        entity = self.entity
        token: Any = {"page_number": 1, "offset": 0}.get(entity.pagination)
        while True:
            if entity.pagination in ("link_header", "next_url") and token:
                response = self.get(token)
            else:
                response = self.get(**params, **({entity.token: token} if token else {}))
            if response.status_code == 404 and entity.last == "404" and token:
                return
            assert response.status_code == 200, response.text
            yield response
            body = response.json()
            match entity.pagination:
                case "cursor" | "next_url":
                    token = body.get(entity.next)
                case "link_header":
                    token = response.links.get("next", {}).get("url")
                case "page_number":
                    token = token + 1 if body[entity.rows] else None
                case "offset":
                    gone = value_at(body, entity.deleted) if entity.deleted else []
                    seen = len(body[entity.rows]) + len(gone)
                    token = token + seen if seen else None
                case _:
                    token = None
            if not token:
                return

    def rows(self, **params: Any) -> list[dict[str, Any]]:
        """The records of all pages."""
        found = []
        for response in self.pages(**params):
            body = response.json()
            found += body[self.entity.rows] if self.entity.rows else body
        return found


Serve = Callable[..., AbstractContextManager[Upstream]]


@contextmanager
def _serve(
    folder: Path,
    record: dict[str, Any] | None = None,
    auth: dict[str, Any] | None = None,
    records: int = 250,
    **entity: Any,
) -> Iterator[Upstream]:
    style = entity.get("pagination", "cursor")
    path = folder / "sample.toml"
    settings = {**ENTITY, **SPREAD.get(style, {}), **entity}
    text = sample_toml(settings, record or RECORD, auth or {"kind": "none"}, records)
    path.write_text(text, encoding="utf-8")
    sample = Sample.load(path)
    with sample.serve() as server:
        upstream = Upstream(sample, server)
        with upstream.session:
            yield upstream


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Serves a sample upstream whose sample.toml differs from the usual one as asked."""

    def start(**changes: Any) -> AbstractContextManager[Upstream]:
        return _serve(tmp_path, **changes)

    return start


@pytest.fixture
def upstream(serve: Serve) -> Iterator[Upstream]:
    """The usual sample upstream: 250 records, cursor paging, no auth."""
    with serve() as running:
        yield running
