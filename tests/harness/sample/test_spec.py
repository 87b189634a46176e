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

from .conftest import ENTITY, LINES, PAGE, RECORD, written

ORDER, AUTH, REC, LINE = "entity.order", "auth", "entity.order.record", "entity.line"
GOOD: dict[str, Any] = {AUTH: {}, ORDER: ENTITY, REC: RECORD}


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
        (ORDER, {"primary_key": ["key"]}, "has no key, which is in primary_key"),
        ("entity.other", {**ENTITY, "record": RECORD}, 'inside = "order.COLUMN" instead of path'),
        (LINE, {**LINES, "inside": "orders.lines"}, 'inside must be "order.COLUMN"'),
        (LINE, {**LINES, "parent": {"order_id": "nr"}}, "order_id: order has no column nr"),
        (LINE, {"inside": "order.lines"}, r"line 17: \[entity.line\] record .*missing required"),
        (AUTH, {"kind": "bearer"}, r"\[auth\] secrets must have one name"),
        (AUTH, {"kind": "basic", "secrets": ["a", "a"]}, "one name or two different names"),
    ],
)
def test_an_error_names_its_line_and_the_rule(
    tmp_path: Path, table: str, changes: dict[str, Any], message: str
) -> None:
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
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "sample.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SampleError, match=message):
        load(tmp_path)


def test_dates_without_quotes_defaults_and_a_byte_order_mark(tmp_path: Path) -> None:
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
