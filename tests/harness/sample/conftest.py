"""A sample API for a test: sample.toml made from tables, served, and a careful client."""

import json
import re
import tomllib
from contextlib import contextmanager
from pathlib import Path
from urllib import parse

import pytest
import werkzeug.test
from harness import codec
from harness.sample import load
from harness.sample.spec import put

PAGE = Path(__file__).parents[3] / "{{cookiecutter.project_slug}}" / "docs" / "sample.md"
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
(_block,) = re.findall(r"```toml\n(\[entity.order_line\].*?)```", PAGE.read_text("utf-8"), re.S)
LINES = tomllib.loads(_block)["entity"]["order_line"]
STYLES = {  # what differs from ENTITY
    "cursor": {},
    "last_id": {"pagination": "last_id", "next": None, "more": "more", "token": "after"},
    "page_number": {"pagination": "page_number", "next": None},
    "page_number_next": {"pagination": "page_number"},
    "offset": {"pagination": "offset", "next": None},
    "link_header": {"pagination": "link_header", "next": None, "rows": None},
    "next_url": {"pagination": "next_url", "next": "@odata.nextLink"},
    "post": {"method": "POST", "token": "variables.after", "since": "variables.since"},
    "none": {"pagination": "none", "next": None, "size": None},
}


def written(tables, top="records = 250"):
    """The text of a sample.toml; what is None is left out."""
    lines = [top]
    for name, table in tables.items():
        lines.append(f"[{name}]")
        items = ((k, json.dumps(v, ensure_ascii=False)) for k, v in table.items() if v is not None)
        lines += [f'"{key}" = ' + text.replace('": ', '" = ') for key, text in items]
    return "\n".join(lines) + "\n"


class Client:
    """Reads the entity `order` of a running sample API, without a network."""

    def __init__(self, sample, server):
        self.sample, self.server = sample, server
        self.entity = sample.spec.entities["order"]
        self.headers = {}
        self.http = werkzeug.test.Client(server)

    def get(self, url="/orders", **params):
        """One response: of the entity's path, another path or a URL."""
        if self.entity.method == "POST":
            body = {}
            for name, value in params.items():
                put(body, name, value)
            return self.http.post(url, json=body, headers=self.headers)
        return self.http.get(url, query_string=params or None, headers=self.headers)

    def refusal(self, **params):
        """What the upstream says to refuse a request."""
        response = self.get(**params)
        assert response.status_code in (400, 401), response.text
        assert self.server.requests[-1].problem == response.text
        assert len(response.text) <= 200, "an error of the function quotes 200 characters"
        return str(response.json["message"])

    def pages(self, **params):
        """Records and deleted records of each page."""
        entity, style, response = self.entity, self.entity.pagination, self.get(**params)
        position = int(style == "page_number")
        while response.status_code != 404:
            body = codec.decode(response.data)
            rows, gone = (body[entity.rows], body.get("gone", [])) if entity.rows else (body, [])
            yield rows, gone
            if style == "cursor":
                token = body["next"]
            elif style == "last_id":
                token = body["more"] and rows[-1]["id"]
            elif style in ("page_number", "offset"):
                position += 1 if style == "page_number" else len(rows + gone)
                token = rows + gone and position
            else:
                url = body.get(entity.next) if entity.rows else response.headers["Link"]
                found = re.search("cursor=([^>]+)", url or "")
                token = found and parse.unquote(found[1])
            if not token:
                return
            response = self.get(**params, **{entity.token: token})

    def rows(self, **params):
        """The records of all pages."""
        return [row for rows, _ in self.pages(**params) for row in rows]


@pytest.fixture
def serve(tmp_path):
    """Serves ENTITY with changes; `auth`, `record`, `faults`, `lines`, `short` by name."""

    @contextmanager
    def start(auth=None, record=RECORD, faults=None, lines=None, short=False, **entity):
        order = {**ENTITY, **entity}
        tables = {"auth": auth or {}, "entity.order": order, "entity.order.record": record}
        if lines:
            tables["entity.line"] = lines
        (tmp_path / "sample.toml").write_text(written(tables), encoding="utf-8")
        sample = load(tmp_path)
        with (sample.shortened() if short else sample).serve(faults=faults) as server:
            yield Client(sample, server)

    return start
