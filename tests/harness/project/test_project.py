"""The user's folder: its two private files, and its place for tables."""

import json

import pytest
from harness.errors import UsageError
from harness.project import Connection, Project


def write(folder, name, content):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_connection_is_what_the_form_holds(tmp_path):
    """The committed example stands in for a missing one; another file can be named."""
    write(tmp_path, "connection.example.json", {"schema": "example"})
    project = Project(tmp_path)
    assert project.connection().schema == "example"
    form = {
        "schema": "acme",
        "secrets": {"token": "t-123456"},
        "customPayload": {"region": "eu"},
        "blocked": ["a.b"],
        "hashed": ["a.c"],
    }
    write(tmp_path, "connection.json", "\ufeff" + json.dumps(form))
    found = project.connection()
    assert found == Connection("acme", {"token": "t-123456"}, {"region": "eu"}, ["a.b"], ["a.c"])
    assert "t-123456" not in repr(found)
    other = write(tmp_path, "other.json", {"schema": "other"})
    assert project.connection(other).schema == "other"


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("{", "truncated"),
        ({"schema": "acme", "secret": {}}, "unknown field `secret`"),
        ({}, "required field `schema`"),
        ({"schema": "Acme"}, r"\$\.schema"),
        ({"schema": "pg_catalog"}, r"\$\.schema"),
        ({"schema": "acme", "secrets": {"pin": 123456}}, r"got `int` - at `\$\.secrets"),
        ({"schema": "acme", "blocked": "note"}, r"\$\.blocked"),
        (None, "is missing: it has what you type into"),
    ],
)
def test_a_wrong_entry_is_named_and_no_value_is(tmp_path, form, says):
    if form is not None:
        write(tmp_path, "connection.json", form)
    with pytest.raises(UsageError, match=says) as caught:
        Project(tmp_path).connection()
    assert "connection.json" in str(caught.value)
    assert "123456" not in str(caught.value)
    assert '"schema": "acme"' in caught.value.todo


def test_local_settings_are_read_as_core_tools_read_them(tmp_path):
    project = Project(tmp_path)
    assert project.settings() == {}
    text = '// Core Tools\n{"Values": {"A": "1", /* and */ "B": "http://x//y",},}'
    write(tmp_path, "local.settings.json", text)
    assert project.settings() == {"A": "1", "B": "http://x//y"}
    for wrong in ('{"Values": {"A": 1}}', "{"):
        write(tmp_path, "local.settings.json", wrong)
        with pytest.raises(UsageError, match=r"local\.settings\.json cannot be used"):
            project.settings()
