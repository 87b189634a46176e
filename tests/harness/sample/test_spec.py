"""sample.toml is read and checked: an error names the line, the table, the key and the rule."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from harness.errors import SampleError
from harness.sample import load
from harness.sample.spec import Auth, Entity

from .conftest import ENTITY, LINES, RECORD, written

ORDER, AUTH, REC = "entity.order", "auth", "entity.order.record"
PAGE = Path(__file__).parents[3] / "{{cookiecutter.project_slug}}" / "docs" / "sample.md"
ERRORS: list[tuple[str, dict[str, Any], str]] = [
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
    (ORDER, {"primary_key": ["key"]}, "has no key, which is in primary_key"),
    ("entity.other", {**ENTITY, "record": RECORD}, 'inside = "order.COLUMN" instead of path'),
    ("entity.line", {**LINES, "inside": "orders.lines"}, 'inside must be "order.COLUMN"'),
    ("entity.line", {**LINES, "parent": {"order_id": "nr"}}, "order_id: order has no column nr"),
    (
        "entity.line",
        {"inside": "order.lines"},
        r"line 17: \[entity.line\] record .*missing required",
    ),
    (AUTH, {"kind": "bearer"}, r"\[auth\] secrets must have one name"),
    (AUTH, {"kind": "basic", "secrets": ["a", "a"]}, "two different names"),
]


@pytest.mark.parametrize(("table", "changes", "message"), ERRORS)
def test_an_error_names_its_line_and_the_rule(
    tmp_path: Path, table: str, changes: dict[str, Any], message: str
) -> None:
    tables: dict[str, dict[str, Any]] = {AUTH: {}, ORDER: ENTITY, REC: RECORD}
    tables[table] = {**tables.get(table, {}), **changes}
    (tmp_path / "sample.toml").write_text(written(tables), encoding="utf-8")
    with pytest.raises(SampleError, match=message) as caught:
        load(tmp_path)
    assert str(caught.value).startswith("sample.toml line ")
    assert caught.value.exit_code == 3
    assert caught.value.todo


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("records = ", "cannot be used"),
        (
            written({ORDER: {**ENTITY, "record": RECORD}}, "records = -1"),
            "records is wrong: Expected `int` >= 0",
        ),
        ("records = 1", r"\[entity.<name>\] is missing"),
        ("what = 1\n" + written({ORDER: {**ENTITY, "record": RECORD}}), "what .*unknown field"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "sample.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SampleError, match=message):
        load(tmp_path)


def test_a_date_without_quotes_is_text(tmp_path: Path) -> None:
    """As a column, and as the cursor, in the form of ISO 8601."""
    record = "[entity.order.record]\nid = 1\nday = 2026-01-05\nupdated_at = 2026-01-05T08:30:00Z"
    (tmp_path / "sample.toml").write_text(written({ORDER: ENTITY}) + record, encoding="utf-8")
    with load(tmp_path).serve() as server:
        rows = server.records("order")
        assert rows[0]["day"] == "2026-01-05"
        assert all(row["updated_at"].endswith("Z") for row in rows)


def test_defaults_and_a_byte_order_mark(tmp_path: Path) -> None:
    tables = {ORDER: {**ENTITY, "record": RECORD}}
    (tmp_path / "sample.toml").write_text(written(tables, ""), encoding="utf-8-sig")
    sample = load(tmp_path, secrets=["apiToken"])
    assert (sample.name, sample.entities, sample.spec.records) == ("sample.toml", ["order"], 2500)
    assert list(sample.secrets()) == ["apiToken"]
    assert not sample.checks


def test_the_page_lists_every_key_with_its_default_and_choices() -> None:
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
