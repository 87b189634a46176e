"""The user's folder: its two private files, its place for tables, its modules."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from harness.errors import UsageError
from harness.project import Connection, Project


def write(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_connection_is_what_the_form_holds(tmp_path: Path) -> None:
    form = {
        "schema": "acme",
        "secrets": {"token": "t-123456"},
        "customPayload": {"region": "eu"},
        "blocked": ["a.b"],
        "hashed": ["a.c"],
    }
    write(tmp_path, "connection.json", "\ufeff" + json.dumps(form))
    connection = Project(tmp_path).connection()
    assert connection == Connection(
        "acme", {"token": "t-123456"}, {"region": "eu"}, ["a.b"], ["a.c"]
    )
    assert "t-123456" not in repr(connection)
    assert connection.with_secrets({"x": "y"}).secrets == {"x": "y"}


def test_the_committed_example_stands_in_for_a_missing_connection(tmp_path: Path) -> None:
    write(tmp_path, "connection.example.json", {"schema": "example"})
    assert Project(tmp_path).connection().schema == "example"
    write(tmp_path, "connection.json", {"schema": "real"})
    assert Project(tmp_path).connection().schema == "real"
    other = write(tmp_path, "other.json", {"schema": "other"})
    assert Project(tmp_path).connection(other).schema == "other"


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("{", "is not JSON: "),
        ("[]", "must be a JSON object with schema, secrets"),
        ({"schema": "acme", "secret": {}}, "unknown entry 'secret'"),
        ({}, '"schema" must name the destination schema'),
        ({"schema": "Acme"}, '"schema" must name'),
        ({"schema": "pg_catalog"}, "a name that DuckDB uses itself"),
        ({"schema": "acme", "secrets": []}, '"secrets" must be an object'),
        ({"schema": "acme", "secrets": {"pin": 123456}}, "secrets.pin must be text in quotes"),
        ({"schema": "acme", "customPayload": {"a": None}}, "customPayload.a must be text"),
        ({"schema": "acme", "blocked": "note"}, '"blocked" must be a list of names'),
        ({"schema": "acme", "blocked": ["a._Fivetran_synced"]}, "always writes its own columns"),
        ({"schema": "acme", "hashed": ["person"]}, "\"hashed\" names columns, .* not 'person'"),
    ],
)
def test_a_wrong_entry_is_named_and_no_value_is(tmp_path: Path, form: Any, says: str) -> None:
    write(tmp_path, "connection.json", form)
    with pytest.raises(UsageError, match=says) as caught:
        Project(tmp_path).connection()
    assert "connection.json" in str(caught.value)
    assert "123456" not in str(caught.value)


def test_a_missing_connection_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"connection\.json is missing") as caught:
        Project(tmp_path).connection()
    assert '"schema": "acme"' in caught.value.todo


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, {}),
        ('{"Values": {"A": "1"}}', {"A": "1"}),
        (
            '// Core Tools\n{"Values": {"A": "1", /* and */ "B": "http://x//y",},}',
            {"A": "1", "B": "http://x//y"},
        ),
        ('{"Values": {"A": 1}}', '"Values" must be an object of names and texts'),
        ("[]", '"Values" must be'),
        ("{", "cannot be read"),
    ],
)
def test_local_settings_are_read_as_core_tools_read_them(
    tmp_path: Path, text: str | None, expected: Any
) -> None:
    if text is not None:
        write(tmp_path, "local.settings.json", text)
    if isinstance(expected, dict):
        assert Project(tmp_path).settings() == expected
    else:
        with pytest.raises(UsageError, match=expected):
            Project(tmp_path).settings()


def test_samples_have_a_place_apart_and_both_are_the_owners_alone(tmp_path: Path) -> None:
    (tmp_path / ".fivetran").mkdir(mode=0o755)
    project = Project(tmp_path)
    homes = (project.home(), project.home(sample=True))
    assert homes == (tmp_path / ".fivetran", tmp_path / ".fivetran" / "sample")
    if os.name != "nt":
        assert [home.stat().st_mode & 0o777 for home in homes] == [0o700, 0o700]


def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    write(tmp_path, "fetch.py", "import json\nimport no_such_package\n")
    project = Project(tmp_path)
    with project.active({}), pytest.raises(UsageError, match=r"fetch\.py, line 2") as caught:
        project.load("fetch")
    assert "pip install -r requirements-dev.txt" in caught.value.todo
