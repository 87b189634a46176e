"""Each step and file that docs/fetch.md and docs/sample.md show is run."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import tomllib
from pathlib import Path
from typing import Any

import connector
import duckdb
import pytest
from baked import Bake, run
from connector import Page, Source
from connector.sync.handler import handle
from connector.testing import Reply, call_step, held_clock
from handmade import served
from harness.sample import made_up
from publish.pages import PAGE, SAMPLE, fenced
from werkzeug import Request
from werkzeug import Response as Answer


def sync(source: Source, state: dict[str, Any], secrets: dict[str, str]) -> tuple[Any, Any]:
    """Call until `hasMore` is false: the state at the end, and the keys in each table."""
    tables: dict[str, set[Any]] = {}
    for _ in range(20):
        asked = {"agent": "test", "state": state, "secrets": secrets}
        _, body = handle(source, json.dumps(asked).encode())
        reply = json.loads(body)
        assert "errorMessage" not in reply, reply
        state, schema = reply["state"], reply.get("schema", {})
        for part, do in (("delete", set.discard), ("insert", set.add)):
            for name, rows in reply.get(part, {}).items():
                for row in rows:
                    key = schema[name]["primary_key"] if name in schema else sorted(row)
                    do(tables.setdefault(name, set()), tuple(row[column] for column in key))
        if not reply["hasMore"]:
            return state, tables
    raise AssertionError("the sync does not end")


RECORDS = [{"id": n, "updated_at": f"2026-01-0{n}T00:00:00Z"} for n in range(1, 6)]


class Api:
    """The upstream of fetch.md's examples; each list has five records, two to a page."""

    def __init__(self) -> None:
        self.polls = 0
        self.asked: list[tuple[str, str]] = []

    def answer(self, request: Request) -> Answer:
        self.asked.append((request.path, request.query_string.decode()))
        assert len(self.asked) < 300, "a walk does not end"
        if request.headers.get("Authorization") != "Bearer " + made_up("apiToken"):
            return Answer("who are you?", 401)
        body = self.body(request, request.path.strip("/").split("/"))
        status = 404 if body == {"data": []} and request.path == "/suppliers" else 200
        answer = Answer(json.dumps(body), status, mimetype="application/json")
        if request.path == "/commits" and (url := page_of(request)[2]):
            answer.headers["Link"] = f'<{url}>; rel="next"'
        return answer

    def body(self, request: Request, path: list[str]) -> Any:
        rows, token, url = page_of(request)
        number = int(request.args.get("page", 1))
        match path:
            case ["transactions"]:
                return {"data": rows, "next_cursor": token}
            case ["customers" | "products" | "suppliers" | "employees"]:
                return {"data": rows}
            case ["commits"]:
                made = [(str(row["id"]), {"date": row["updated_at"]}) for row in rows]
                return [{"sha": sha, "commit": {"committer": by}} for sha, by in made]
            case ["tickets"]:
                return {"data": rows, "next": url}
            case ["countries"]:
                return {"data": [{"code": row["id"]} for row in RECORDS]}
            case ["projects"]:
                return {"data": [{"id": number}] if number < 4 else []}
            case ["projects", project, "issues"]:
                issues = [{**row, "id": 10 * int(project) + row["id"]} for row in rows]
                return {"data": issues if project != "2" else []}
            case ["exports"]:
                return {"id": "j1"}
            case ["exports", "j1"]:
                self.polls += 1
                status = "done" if self.polls > 2 else "running"
                return {"status": status, "url": f"{request.host_url}files"}
            case ["files"]:
                return [{"id": row["id"], "at": row["updated_at"]} for row in RECORDS]
            case ["invoice_lines"]:
                return {"data": rows, "has_more": token is not None}
            case ["events"]:
                return {"events": rows, "position": rows[-1]["id"] if rows else 5}
            case ["purchases"]:
                lines = [{**row, "lines": [{"line": 1}]} for row in rows]
                return {"data": lines, "next_cursor": token}
            case ["accounts"]:
                flagged = [{**row, "is_deleted": row["id"] == 2} for row in rows]
                return {"data": flagged, "next_cursor": token}
            case ["accounts", "deleted"]:
                deleted = [{"id": 4, "deleted_at": "2026-01-09T00:00:00Z"}]
                return {"data": deleted, "next_cursor": None}
        raise AssertionError(path)


def page_of(request: Request) -> tuple[list[dict[str, Any]], int | None, str | None]:
    """Two records from where the request says, the next token, and the URL with it."""
    args = request.args
    given = [args[name] for name in ("cursor", "offset", "starting_after", "after") if name in args]
    start = int(given[0]) if given else 2 * int(args.get("page", 1)) - 2
    token = start + 2 if start + 2 < len(RECORDS) else None
    return RECORDS[start : start + 2], token, token and f"{request.base_url}?cursor={token}"


FIVE = {(n,) for n in range(1, 6)}


def test_all_steps_of_the_page_sync_over_http(
    page: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every record arrives, deleted ones go, and the state at rest is a position per entity."""
    api = Api()
    secrets = {"apiToken": made_up("apiToken")}
    with served(api.answer) as url, held_clock(1_770_000_000):
        monkeypatch.setenv("UPSTREAM_BASE_URL", url)
        state, tables = sync(page["source"], {}, secrets)
    kept: dict[str, set[Any]] = dict.fromkeys(page["source"].entities, FIVE)
    del kept["account_deletion"]
    kept |= {
        "commit": {(str(n),) for n in range(1, 6)},
        "issue": {(10 * project + n,) for project in (1, 3) for n in range(1, 6)},
        "account": FIVE - {(2,), (4,)},
        "purchase_line": {(n, 1) for n in range(1, 6)},
    }
    assert tables == kept
    assert api.polls == 3
    last = "2026-01-05T00:00:00Z"
    assert state == {
        **dict.fromkeys(("transaction", "customer", "commit", "ticket", "issue"), last),
        **dict.fromkeys(("visit", "purchase", "account"), last),
        "account_deletion": state["account_deletion"],
        "event": 5,
        "employee": {"rows": 5},
    }
    api.asked.clear()
    with served(api.answer) as url, held_clock(1_770_003_600):
        monkeypatch.setenv("UPSTREAM_BASE_URL", url)
        again, _ = sync(page["source"], state, secrets)
    assert again["event"] == 5
    assert ("/events", "after=5") in api.asked
    assert ("/commits", "since=2026-01-04T23%3A55%3A00Z") in api.asked


def test_the_auth_function_of_the_page_signs(
    page: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its signature is that of the request as it is sent."""
    secret = "a-made-up-key-1"
    seen = []

    def app(request: Request) -> Answer:
        text = f"{request.method} {request.full_path}".rstrip("?")
        made = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        seen.append(request.headers.get("X-Signature") == made)
        return Answer("[]", mimetype="application/json")

    bank = page["bank"]
    bank.entity("thing")(lambda fetch: Page(fetch.get("/things", params={"n": 1}).rows()))
    with served(app) as url:
        monkeypatch.setenv("UPSTREAM_BASE_URL", url)
        sync(bank, {}, {"signingKey": secret})
    assert seen == [True]


@pytest.mark.parametrize(
    ("step", "reply", "given", "rows", "token"),
    [
        ("transaction", {"data": None, "next_cursor": None}, {}, [], None),
        ("customer", {"data": []}, {"token": 2}, [], None),
        ("product", {"data": []}, {"token": 4}, [], None),
        ("commit", [], {"since": "2026-01-01"}, [], None),
        ("issue", {"data": []}, {"token": [9, 1]}, [], None),
        ("event", {"events": [], "position": 40}, {"token": 40}, [], None),
        ("call", {"data": [{"id": 1}], "next_page": 2}, {}, [{"id": 1}], 2),
    ],
)
def test_a_page_that_is_empty_or_short(
    page: dict[str, Any], step: str, reply: Any, given: dict[str, Any], rows: Any, token: Any
) -> None:
    done = call_step(page[step], reply, **given)
    assert (list(done.rows), done.next_token) == (rows, token)


@pytest.mark.parametrize(
    ("step", "reply", "error", "given"),
    [
        ("visit", {"status": "running"}, "RetryLater", {"token": "j"}),
        ("visit", {"status": "failed"}, "TokenExpired", {"token": "j"}),
        ("event", Reply(json={}, status=410), "StartOver", {"since": 3}),
        ("supplier", Reply(json={}, status=404), "UpstreamError", {}),
    ],
)
def test_a_step_raises_what_the_page_says(
    page: dict[str, Any], step: str, reply: Any, error: str, given: dict[str, Any]
) -> None:
    with pytest.raises(getattr(connector, error)):
        call_step(page[step], reply, **given)


def test_the_test_of_the_page_passes(page: dict[str, Any]) -> None:
    (test,) = (item for name, item in page.items() if name.startswith("test_"))
    test()


def test_files_that_are_no_json_are_read_as_the_page_says(page: dict[str, Any]) -> None:
    """Lines end at a line feed and nowhere else, a mark before the first column is none of it."""
    rows = [{"id": 1, "text": "two\u2028lines"}, {"id": 2, "text": "é"}]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n"
    assert page["json_lines"](lines.encode()) == rows
    table = '\ufeffid,text\r\n1,"a ""b""\nc"\r\n'.encode()
    assert page["csv_rows"](table) == [{"id": "1", "text": 'a "b"\nc'}]
    response = connector.Response()
    response._content = gzip.compress(table)
    assert page["unpacked"](response) == table


# ---- in a project


def test_examples_pass_the_tools_of_a_project(project: Bake, tmp_path: Path) -> None:
    """ruff and mypy of a bake; imports may stand above the example that needs them."""
    folder = project()
    blocks = "\n\n".join(fenced(PAGE, "python"))
    (folder / "page.py").write_text(blocks, encoding="utf-8", newline="\n")
    (app,) = fenced(SAMPLE, "python")
    (folder / "tests" / "upstream.py").write_text(app, encoding="utf-8", newline="\n")
    run(folder, "-m", "ruff", "format", "--no-cache", "--diff")
    run(folder, "-m", "ruff", "check", "--no-cache", "--extend-ignore", "E402")
    run(folder, "-m", "mypy", "--cache-dir", str(tmp_path / "m"), "page.py", "tests/upstream.py")


def synced(folder: Path) -> dict[str, int]:
    """Rows of each table after a sync of the sample."""
    run(folder, "-m", "harness", "sync", "--sample", "--port", "0")
    path = folder / ".fivetran" / "sample" / "warehouse.duckdb"
    with duckdb.connect(str(path), read_only=True) as tables:
        names = tables.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'acme_connector'"
        ).fetchall()
        return {
            name: len(tables.execute(f'SELECT 1 FROM acme_connector."{name}"').fetchall())
            for (name,) in names
        }


def test_the_second_entity_of_the_page_syncs_with_its_step(project: Bake) -> None:
    """Steps of fetch.md and tables of sample.md, put into a new project."""
    folder = project()
    added = next(block for block in fenced(SAMPLE, "toml") if "entity.ticket" in block)
    wanted = list(tomllib.loads(added)["entity"])
    blocks = fenced(PAGE, "python")
    steps = [block for block in blocks if any(f'entity("{name}"' in block for name in wanted)]
    assert len(steps) == len(wanted) == 2
    for name, text in (("fetch.py", "\n\n".join(["\n", *steps])), ("sample.toml", "\n" + added)):
        with (folder / name).open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    assert synced(folder) == {"transaction": 2500, "customer": 2500, "ticket": 2500}


def test_the_app_of_the_page_syncs_and_passes_the_suite(project: Bake) -> None:
    """As tests/upstream.py of a new project, named in sample.toml as the page says."""
    folder = project()
    (code,) = fenced(SAMPLE, "python")
    assert "`tests/upstream.py`" in SAMPLE
    (folder / "tests" / "upstream.py").write_text(code, encoding="utf-8", newline="\n")
    (line,) = (block for block in fenced(SAMPLE, "toml") if block.startswith("upstream"))
    file = folder / "sample.toml"
    file.write_text(line + file.read_text(encoding="utf-8"), encoding="utf-8", newline="\n")
    assert synced(folder) == {"transaction": 250}
    chosen = ("tests/test_function.py", "-k", "setup_test or every_record or wrong_secrets")
    done = run(folder, "-m", "pytest", "-p", "no:cacheprovider", *chosen)
    assert "3 passed" in done or "2 passed, 1 skipped" in done
