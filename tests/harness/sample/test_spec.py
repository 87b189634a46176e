"""sample.toml is read and checked: an error names the line, the table, the key and the rule."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from harness.errors import SampleError
from harness.sample import Sample, load
from harness.sample.spec import Auth, Entity

from .conftest import ENTITY, LINES, RECORD, STYLES, written

ORDER, AUTH, REC = "entity.order", "auth", "entity.order.record"
PAGE = Path(__file__).parents[3] / "{{cookiecutter.project_slug}}" / "docs" / "sample.md"
ERRORS: list[tuple[str, dict[str, Any], str]] = [
    (ORDER, {"sizes": "n"}, r"line 12: \[entity.order\] sizes is not a key: is it size\?.*method,"),
    (ORDER, {"also": ["sort"]}, "line 12: .* also is not needed any more: delete the line"),
    (ORDER, {"by_change": True}, "needs a WSGI app"),
    (ORDER, {"name": "x"}, "name is not a key"),
    (ORDER, {"size": 5}, r"line 8: \[entity.order\] size must be text in quotes, got a whole"),
    (ORDER, {"primary_key": "id"}, "primary_key must be a list, got text"),
    (ORDER, {"pagination": "curser"}, "pagination .*curser"),
    (ORDER, {"pagination": None}, r"line 3: \[entity.order\] pagination is required"),
    (ORDER, {"path": "orders"}, "line 4: .*path .*/"),
    (ORDER, {"path": None}, "path is required"),
    (ORDER, {"path": "/orders?all=1"}, "without ?"),
    (ORDER, {"pagination": "next_url", "next": None}, "next is required with next_url"),
    (ORDER, {"next": None, "primary_key": []}, "next is required, unless the token"),
    (ORDER, {"pagination": "link_header"}, "next stands in the Link header"),
    (ORDER, {"pagination": "none", "next": None, "token": "c"}, "token does not go with one page"),
    (ORDER, {"method": "POST", "pagination": "next_url"}, "method must be GET"),
    (ORDER, {"rows": None}, "rows is required with next"),
    (ORDER, {"more": "data"}, "rows is also the place"),
    (ORDER, {"last": "empty", "pagination": "offset", "next": None}, "last needs next"),
    (ORDER, {"token": "limit"}, "one name: updated_since, limit, limit"),
    (ORDER, {"since_as": "unix"}, "since_as must be"),
    (ORDER, {"cursor": None}, "since needs cursor"),
    (ORDER, {"deleted": "gone", "primary_key": []}, "deleted needs primary_key"),
    (ORDER, {"deleted": "gone", "cursor": "id"}, "deleted needs a cursor outside"),
    (ORDER, {"parent": {"a": "id"}}, "parent needs inside"),
    (ORDER, {"cursor": "changed"}, r"record\] has no changed, which is the cursor"),
    (ORDER, {"cursor": "note"}, "note is the cursor, but 'paid in parts' is not an ISO 8601"),
    (ORDER, {"cursor": "id", "since_as": "iso"}, "since_as needs a time"),
    (ORDER, {"primary_key": ["key"]}, "has no key, which is in primary_key"),
    (ORDER, {"primary_key": ["total"]}, "line 16: .*total must be text or a whole number"),
    ("entity.other", {**ENTITY, "record": RECORD}, 'inside = "order.COLUMN" instead of path'),
    ("entity.line", {**LINES, "inside": "orders.lines"}, 'inside must be "order.COLUMN"'),
    ("entity.line", {**LINES, "parent": {"order_id": "nr"}}, "order_id: nr is no column of order"),
    ("entity.line", {**LINES, "rows": "data"}, r"rows goes into \[entity.order\]"),
    ("entity.line", {"inside": "order.lines"}, r"line 17: \[entity.line\] record is required"),
    (AUTH, {"kind": "bearer"}, r"\[auth\] secrets must have one name"),
    (AUTH, {"kind": "basic", "secrets": ["a", "a"]}, "two different names"),
    (AUTH, {"kind": "bearer", "secret": "a"}, r"secret is not a key: is it secrets\?"),
    (AUTH, {"kind": "oauth2_client_credentials", "secrets": ["a", "b"], "token_path": "t"}, "/"),
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
        ("records = ", "is not TOML"),
        ("records = -1", "records must be a whole number from 0 to 100,000"),
        ("record = 1", r"record is not a key: is it records\?"),
        ("records = 1", r"\[entity.<name>\] is missing"),
        (written({ORDER: ENTITY}) + "[entity.order.record]\nid = 1\nat = [{x = nan}]", "not JSON"),
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


@pytest.mark.parametrize("style", STYLES)
def test_defaults_and_a_byte_order_mark(tmp_path: Path, style: str) -> None:
    tables = {ORDER: {**ENTITY, **STYLES[style], "record": RECORD}}
    (tmp_path / "sample.toml").write_text(written(tables, ""), encoding="utf-8-sig")
    sample = load(tmp_path, secrets=["apiToken"])
    assert isinstance(sample, Sample)
    assert (sample.name, sample.entities, sample.spec.records) == ("sample.toml", ["order"], 2500)
    assert list(sample.secrets()) == ["apiToken"]
    assert not sample.checks


def test_the_page_lists_every_key_with_its_default_and_choices() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    fields = [*msgspec.structs.fields(Auth), *msgspec.structs.fields(Entity)]
    known = [field for field in fields if field.name not in ("name", "short_pages")]
    assert [row[0] for row in rows] == [field.name for field in known]
    for field, (name, default, text) in zip(known, rows, strict=True):
        if default not in ("required", "none", "by style"):
            value = field.default_factory() if callable(field.default_factory) else field.default
            shown = {(): "[]", "": '""'}.get(value, f'"{value}"') if value != {} else "{}"
            assert default == f"`{shown}`", name
        for choice in getattr(field.type, "__args__", ()):
            assert not isinstance(choice, str) or f"`{choice}`" in text, (name, choice)
