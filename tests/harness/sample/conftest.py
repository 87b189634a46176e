"""A sample API for a test: sample.toml made from a dict, served, and read over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from harness import codec
from harness.sample import Faults, Sample, Server, load
from harness.sample.spec import put, value_at

ENTITY = {
    "path": "/orders",
    "pagination": "cursor",
    "rows": "data",
    "next": "next",
    "size": "limit",
    "since": "updated_since",
    "primary_key": ["id"],
    "cursor": "updated_at",
}
RECORD = {"id": 1, "updated_at": "2026-01-05T08:30:00Z", "note": "paid in parts", "total": 12.5}
LINES = {
    "inside": "order.lines",
    "parent": {"order_id": "id"},
    "primary_key": ["order_id", "line"],
    "record": {"line": 1, "sku": "A-100"},
}
STYLES: dict[str, dict[str, Any]] = {  # what differs from ENTITY
    "cursor": {},
    "by_key": {"pagination": "last_id", "next": None, "more": "more", "token": "after"},
    "page_number": {"pagination": "page_number", "next": None},
    "page_number_next": {"pagination": "page_number"},
    "offset": {"pagination": "offset", "next": None},
    "link_header": {"pagination": "link_header", "next": None, "rows": None},
    "next_url": {"pagination": "next_url"},
    "post": {"method": "POST", "token": "variables.after", "since": "variables.since"},
    "none": {"pagination": "none", "next": None, "size": None},
}


def toml(value: Any) -> str:
    """A value as TOML writes it, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return f"[{', '.join(map(toml, value))}]" if isinstance(value, list) else json.dumps(value)


def written(tables: dict[str, dict[str, Any]], top: str = "records = 250") -> str:
    """The text of a sample.toml; what is None is left out."""
    lines = [top]
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{json.dumps(k)} = {toml(v)}" for k, v in table.items() if v is not None]
    return "\n".join(lines) + "\n"


class Client:
    """A careful client of a running sample API with one entity, `order`."""

    def __init__(self, sample: Sample, server: Server) -> None:
        self.sample, self.server = sample, server
        self.entity = sample.spec.entities["order"]
        self.headers: dict[str, str] = {}

    def get(self, url: str = "", **params: Any) -> requests.Response:
        """One response: of the entity's path, another path or a URL."""
        url = url or self.entity.path
        url = url if url.startswith("http") else self.server.url + url
        if self.entity.method == "POST":
            body: dict[str, Any] = {}
            for name, value in params.items():
                put(body, name, value)
            return requests.post(url, json=body, headers=self.headers, timeout=5)
        return requests.get(url, params=params, headers=self.headers, timeout=5)

    def refusal(self, url: str = "", **params: Any) -> str:
        """What the upstream says to refuse a request."""
        response = self.get(url, **params)
        assert response.status_code in (400, 401, 404, 405), response.text
        assert self.server.requests[-1].problem == response.text
        assert len(response.text) <= 200, "an error of the function quotes 200 characters"
        return str(response.json()["message"])

    def pages(self, **params: Any) -> Iterator[Any]:
        """The bodies of all pages."""
        entity, token, response = self.entity, "", self.get(**params)
        position = 1 if entity.pagination == "page_number" else 0
        while response.status_code != 404:
            assert response.status_code == 200, response.text
            body = codec.decode(response.content)
            yield body
            rows = value_at(body, entity.rows) if entity.rows else body
            if entity.pagination in ("link_header", "next_url"):
                url = response.links.get("next", {}).get("url") or (entity.next and body["next"])
                if not url:
                    return
                response = self.get(url)
                continue
            if entity.pagination == "last_id":
                token = str(rows[-1]["id"]) if body["more"] else ""
            elif entity.pagination == "cursor":
                token = body.get("next") or ""
            else:
                gone = body.get("gone", []) if isinstance(body, dict) else []
                position += 1 if entity.pagination == "page_number" else len(rows) + len(gone)
                token = str(position) if rows + gone else ""
            if not token or entity.pagination == "none":
                return
            response = self.get(**params, **{entity.token: token})

    def rows(self, **params: Any) -> list[dict[str, Any]]:
        """The records of all pages."""
        place = self.entity.rows
        return [r for b in self.pages(**params) for r in (value_at(b, place) if place else b)]


Serve = Callable[..., AbstractContextManager[Client]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Serves ENTITY with changes; `auth`, `record`, `records`, `faults`, `lines` by name."""

    @contextmanager
    def start(
        auth: dict[str, Any] | None = None,
        record: dict[str, Any] | None = None,
        records: int = 250,
        faults: Faults | None = None,
        lines: dict[str, Any] | None = None,
        **entity: Any,
    ) -> Iterator[Client]:
        tables = {
            "auth": auth or {},
            "entity.order": {**ENTITY, **entity},
            "entity.order.record": record or RECORD,
        }
        if lines is not None:
            tables["entity.line"] = lines
        path = tmp_path / "sample.toml"
        path.write_text(written(tables, f"records = {records}"), encoding="utf-8")
        sample = load(tmp_path)
        with sample.serve(faults=faults) as server:
            yield Client(sample, server)

    return start
