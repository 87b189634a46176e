"""sample.toml, or the WSGI app that it names, is read, checked and served."""

import re
import subprocess
import sys

import msgspec
import pytest
import requests
from harness.errors import SampleError, UsageError
from harness.sample import load, made_up
from harness.sample.spec import Auth, Entity

from .conftest import ENTITY, LINES, PAGE, RECORD, written

ORDER, AUTH, REC, LINE = "entity.order", "auth", "entity.order.record", "entity.line"
GOOD = {AUTH: {}, ORDER: ENTITY, REC: RECORD}
NAME = "tests.upstream:app"
APP = """
from werkzeug import Request, Response
from tests.data import ROWS
calls = []

@Request.application
def app(request):
    calls.append(1)
    if request.path == "/broken":
        raise KeyError("nothing")
    return Response(f"{len(calls)} {ROWS} {request.get_data(as_text=True)}")
"""


@pytest.mark.parametrize(
    ("table", "changes", "message"),
    [
        (ORDER, {"sizes": "n"}, r"line 12: \[entity.order\] sizes .*unknown field"),
        (ORDER, {"primary_key": "id"}, "line 10: .*primary_key .*Expected `array`"),
        (ORDER, {"pagination": "curser"}, "pagination .*curser"),
        (ORDER, {"pagination": None}, r"line 3: \[entity.order\] pagination is required"),
        (ORDER, {"path": "orders"}, "line 4: .*path .*Expected"),
        (ORDER, {"path": None}, "path is required"),
        (ORDER, {"pagination": "next_url", "next": None}, "next is required with next_url"),
        (ORDER, {"next": None}, "next is required with cursor"),
        (ORDER, {"pagination": "last_id", "primary_key": []}, "primary_key must have one column"),
        (ORDER, {"deleted": "data"}, "deleted is the place of rows too"),
        (ORDER, {"rows": None}, "rows is required with next"),
        (ORDER, {"cursor": None}, "since needs cursor"),
        (ORDER, {"cursor": "changed"}, "changed is the cursor, but None is not"),
        (ORDER, {"cursor": "note"}, "note is the cursor, but 'paid in parts' is not an ISO 8601"),
        (ORDER, {"timezone": "Asia/Tokyo"}, "but timezone is for a time without an offset"),
        (ORDER, {"timezone": "Mars/X"}, 'timezone = "Mars/X" is not an IANA name'),
        (ORDER, {"primary_key": ["key"]}, "has no key, which is in primary_key"),
        ("entity.other", {**ENTITY, "record": RECORD}, 'inside = "order.COLUMN" instead of path'),
        (LINE, {**LINES, "inside": "orders.lines"}, 'inside must be "order.COLUMN"'),
        (LINE, {**LINES, "parent": {"order_id": "nr"}}, "order_id: order has no column nr"),
        (LINE, {"inside": "order.lines"}, r"line 17: \[entity.line\] record .*missing required"),
        (AUTH, {"kind": "bearer"}, r"\[auth\] secrets must have one name"),
        (AUTH, {"kind": "basic", "secrets": ["a", "a"]}, "one name or two different names"),
    ],
)
def test_an_error_names_its_line_and_the_rule(tmp_path, table, changes, message):
    tables = {**GOOD, table: {**GOOD.get(table, {}), **changes}}
    (tmp_path / "sample.toml").write_text(written(tables), encoding="utf-8")
    with pytest.raises(SampleError, match=message) as caught:
        load(tmp_path)
    assert str(caught.value).startswith("sample.toml line ")
    assert (caught.value.exit_code, bool(caught.value.todo)) == (3, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("records = ", "cannot be used"),
        ("records = 1", r"\[entity.<name>\] is missing"),
        (written(GOOD, "records = -1"), "records is wrong: Expected `int` >= 0"),
        (written(GOOD, "what = 1"), "what .*unknown field"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path, text, message):
    if text is not None:
        (tmp_path / "sample.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SampleError, match=message):
        load(tmp_path)


def test_dates_without_quotes_defaults_and_a_byte_order_mark(tmp_path):
    record = f"[{REC}]\nid = 1\nday = 2026-01-05\nupdated_at = 2026-01-05T08:30:00Z"
    text = written({ORDER: ENTITY}, "") + record
    (tmp_path / "sample.toml").write_text(text, encoding="utf-8-sig")
    sample = load(tmp_path, secrets=["apiToken"])
    assert (sample.name, sample.entities, sample.checks) == ("sample.toml", ["order"], False)
    assert list(sample.secrets()) == ["apiToken"]
    with sample.serve() as server:
        rows = server.records("order")
    assert len(rows) == 2500
    assert rows[0]["day"] == "2026-01-05"
    assert all(row["updated_at"].endswith("Z") for row in rows)


def test_the_page_lists_every_key_with_its_default_and_choices():
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    fields = [*msgspec.structs.fields(Auth), *msgspec.structs.fields(Entity)]
    known = [field for field in fields if field.name != "name"]
    assert [row[0] for row in rows] == [field.name for field in known]
    for field, (name, default, text) in zip(known, rows, strict=True):
        if default not in ("required", "none", "by style"):
            value = field.default_factory() if callable(field.default_factory) else field.default
            shown = {(): "[]", "": '""'}.get(value, f'"{value}"') if value != {} else "{}"
            assert default == f"`{shown}`", name
        for choice in getattr(field.type, "__args__", ()):
            assert not isinstance(choice, str) or f"`{choice}`" in text, (name, choice)


@pytest.fixture
def project(tmp_path):
    """A folder whose sample.toml names an app."""
    (tmp_path / "tests").mkdir()
    for file, text in {"upstream": APP, "data": "ROWS = 7", "broken": "1 / 0"}.items():
        (tmp_path / "tests" / f"{file}.py").write_text(text, encoding="utf-8")
    (tmp_path / "sample.toml").write_text(f'upstream = "{NAME}"', encoding="utf-8")
    return tmp_path


def test_the_app_that_the_file_names_is_imported_anew_each_time(project):
    for upstream in (None, NAME):
        sample = load(project, upstream, ["apiToken"])
        assert sample.fingerprint == load(project).fingerprint
        assert (sample.name, sample.entities, sample.checks) == (NAME, None, False)
        assert sample.secrets() == {"apiToken": made_up("apiToken")}
        with sample.fewer(10).serve() as server:
            assert requests.post(f"{server.url}/a?b=c", "body", timeout=5).text == "1 7 body"
            broken = requests.get(f"{server.url}/broken", timeout=5)
        assert broken.status_code == 500
        assert "KeyError: 'nothing' (upstream.py, line 10)" in broken.text
        assert [each.problem for each in server.requests] == ["", broken.text]
        assert (server.requests[0].parameters, server.requests[0].entity) == ({"b": "c"}, "")
    (project / "tests" / "upstream.py").write_text(f"{APP}# changed", encoding="utf-8")
    assert sample.fingerprint != load(project).fingerprint, "its tables start anew"


@pytest.mark.parametrize(
    ("upstream", "message"),
    [
        ("upstream", "must be MODULE:APP"),
        ("tests.other:app", r"tests.other\.py is missing"),
        ("tests.upstream:nothing", "has no attribute .nothing"),
        ("tests.broken:app", r"ZeroDivisionError: .* \(broken.py, line 1\)"),
    ],
)
def test_what_is_wrong_with_an_app(project, upstream, message):
    with pytest.raises(SampleError, match=message):
        load(project, upstream)


def test_a_port_that_is_taken_is_named_and_free_again_afterwards(project):
    sample = load(project)
    with sample.serve() as server:
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(UsageError, match=f"127.0.0.1:{port}") as caught, sample.serve(port):
            pass
        assert "--port" in caught.value.todo
    with sample.serve(port) as server:
        assert requests.get(server.url, timeout=5).text == "1 7 "


def test_the_command_prints_its_address_and_secrets(tmp_path):
    text = written({**GOOD, AUTH: {"kind": "token", "secrets": ["apiToken"]}})
    (tmp_path / "sample.toml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-u", "-m", "harness.sample", "--port", "0"]
    env = {"PYTHONPATH": str(PAGE.parents[1]), "PYTHONDONTWRITEBYTECODE": "1", "PATH": ""}
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            url, secret = (process.stdout.readline().partition("=")[2].strip() for _ in range(2))
            assert secret == made_up("apiToken")
            headers = {"Authorization": f"Token {secret}"}
            assert requests.get(f"{url}/orders", headers=headers, timeout=5).status_code == 200
        finally:
            process.kill()
