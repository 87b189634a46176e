"""connection.json, read and checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from harness.connection import check, load
from harness.errors import UsageError

GIVEN: dict[str, Any] = {
    "schema": "acme",
    "secrets": {"apiToken": "sesame-open"},
    "customPayload": {"region": "eu"},
    "blocked": ["thing.note", "other"],
    "hashed": ["thing.email"],
}


def test_all_entries_are_read(tmp_path: Path) -> None:
    path = tmp_path / "connection.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GIVEN).encode())
    read = load(path)
    assert (read.schema, read.secrets, read.payload) == (
        "acme",
        {"apiToken": "sesame-open"},
        {"region": "eu"},
    )
    assert (read.blocked, read.hashed) == ({"thing.note", "other"}, {"thing.email"})


def test_repr_names_secrets_without_their_values() -> None:
    assert repr(check(GIVEN, "x")) == "<Connection 'acme', secrets: apiToken>"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": None}, "schema must be the name"),
        ({"schema": "Acme Corp"}, "lower-case letters"),
        ({"secrets": ["a"]}, "secrets must be an object"),
        ({"secrets": {"apiToken": 123456}}, r"secrets\.apiToken must be text in quotes"),
        ({"customPayload": {"since": None}}, r"customPayload\.since must be text"),
        ({"schema": "information_schema"}, "every database has one of its own"),
        ({"schema": "pg_catalog"}, "every database has one of its own"),
        ({"blocked": "thing"}, r'blocked .* as \["transaction", "transaction\.note"\]'),
        ({"hashed": "thing"}, r'hashed must be a list of names, as \["transaction\.email"\]'),
        ({"hashed": ["thing"]}, "hashed names columns, as transaction.email, not 'thing'"),
        (
            {"blocked": ["t._fivetran_synced"]},
            "blocked names t._fivetran_synced, a column of Fivetran's own",
        ),
        ({"secret": {}}, "unknown entry 'secret'"),
    ],
)
def test_a_wrong_entry_is_named_with_its_rule(change: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        check({**GIVEN, **change}, "connection.json")
    assert "connection.json" in str(caught.value)
    assert "123456" not in str(caught.value)


def test_a_missing_file_says_what_to_copy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not there") as caught:
        load(tmp_path / "connection.json")
    assert "connection.example.json" in str(caught.value.todo)


def test_broken_json_is_named_with_its_line_and_shows_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "connection.json"
    path.write_text('{"secrets": {"apiToken": "sesame-open"', encoding="utf-8")
    with pytest.raises(UsageError, match=r"no JSON: .*line 1") as caught:
        load(path)
    assert "sesame" not in str(caught.value)
