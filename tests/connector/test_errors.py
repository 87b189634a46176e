"""Every error path: a reply of the protocol that says what happened, where, and what to do."""

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import connector
import pytest
from connector import Page, Source
from connector.secrets import Redactor
from connector.sync.handler import handle
from connector.sync.protocol import Problem, error_report

from .play import Player, checked, encoded, report
from .scripted import Upstream, one, script, stepping

pytestmark = pytest.mark.usefixtures("clock")


# ---- the step's page


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (None, "NoneType"),
        ([{"id": 1}], "list"),
        (Page({"id": 1}), "dict"),
        (Page(17), "int"),
        (Page([{"id": 1}, "abc"]), "record 1"),
        (Page([{"id": 1}, {"id": None}]), "record 1"),
        (Page([{"key": 1, "name": "a"}]), "(this one has key, name)"),
        (Page([{}]), "(this one has no field)"),
        (Page([{"\ufeffid": 1, "name": "a"}]), r"(this one has '\ufeffid', name)"),
        (Page([{"id": n} for n in range(2500)] + [{"id": None}]), "record 2500"),
        (Page([{f"f{n}": n for n in range(50)}]), "f18, f19 …)"),
        (Page([{"id": [1]}]), "primary key 'id'"),
        (Page([{"id": 1, "tags": {"a", "b"}}]), "field tags"),
        (Page([{"id": 1, "deep": {"x": [0, b"raw"]}}]), "field deep.x.1"),
        (Page([{"id": 1, 2: 3}]), "key 2"),
        (Page([], object()), "next_token"),
        (Page([], float("nan")), "next_token"),
        (Page([], {"at": {1, 2}}), "next_token"),
        (Page([], deleted=[{"x": 1}]), "primary key 'id'"),
        (Page([], deleted={"elsewhere": [{"id": 1}]}), "'elsewhere'"),
        (Page([], tables={"elsewhere": [{"id": 1}]}), "'elsewhere'"),
        (Page([], tables={"part": [{"id": 1}, {}]}), "record 1"),
        (Page([], tables={"thing": [{"id": 1}]}), "'thing'"),
        (Page([], deleted={"part": [{"x": 1}]}), "primary key 'id'"),
        (Page([], cursor=object()), "cursor"),
        (Page([], cursor={"a": float("nan")}), "Page(cursor=) is not a JSON value"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_page_that_breaks_the_contract_is_an_error_with_its_place(page: Any, text: str) -> None:
    sync = Player(stepping(lambda fetch: page, tables={"part": ["id"]}), script({})).sync()
    assert text in sync.error and "entity thing, page 1" in sync.error
    assert sync.report and sync.report["errorType"] == "StepError"


@pytest.mark.parametrize("data", ["[7]", '[{"id": 1}, [2]]', '[{"id": 1}, null]', '[{"id": 1}, 1]'])
def test_a_record_left_as_bytes_that_is_no_object_is_named_by_its_index(data: str) -> None:
    upstream = Upstream(lambda asked: f'{{"data": {data}}}'.encode())
    sync = Player(one(cursor=None), upstream).sync()
    assert f"record {data.count(',')}" in sync.error and "JSON object" in sync.error


# ---- how it is written


@pytest.mark.parametrize(("count", "longest"), [(1, 8000), (2, 5333), (9, 941)])
def test_long_errors_are_cut_and_the_short_ones_beside_them_are_whole(
    count: int, longest: int
) -> None:
    """An equal share for each of what Fivetran takes, and at most 8000 characters."""
    problems = [Problem(ValueError(digit * 9000)) for digit in "123456789"[:count]]
    problems += [Problem(ValueError("short"))] * (count - 1)
    text = json.loads(error_report(problems, {}, Redactor()))["errorMessage"]
    for digit in "123456789"[:count]:
        assert longest - 30 < text.count(digit * 10) * 10 <= longest
    assert text.count("ValueError: short") == count - 1


# ---- where it happened


PROJECT = {
    "fetch.py": """
        from connector import Fetch, Page, Source
        from helpers.tidy import tidy

        source = Source(base_url="https://api.example.com", workers=WORKERS)


        @source.entity("thing", primary_key=["id"])
        def thing(fetch: Fetch) -> Page:
            return Page([tidy({"id": 1})])
        """,
    "helpers/tidy.py": """
        import json


        def tidy(row):
            return json.loads("{" + row["colour"])
        """,
    "run.py": """
        import sys
        sys.path.insert(0, PROJECT)
        from fetch import source
        from connector.sync.handler import handle
        sys.stdout.buffer.write(handle(source, b'{"state": {}}')[1])
        """,
}


def ran(folder: Path, workers: int, step: str = "") -> bytes:
    """What the project's function answers; `step` replaces what its step returns."""
    project = folder / "my connector"
    shutil.copytree(Path(connector.__file__).parent, project / "connector")
    for name, text in PROJECT.items():
        text = text.replace("PROJECT", repr(str(project))).replace("WORKERS", str(workers))
        text = text.replace('Page([tidy({"id": 1})])', step) if step else text
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(project / "run.py")], cwd=folder, capture_output=True, check=True
    ).stdout


def test_an_error_inside_the_runtime_is_shown_with_the_steps_own_line(tmp_path: Path) -> None:
    """The step passed on what cannot be used; where that was noticed helps nobody."""
    reply = report(200, ran(tmp_path, 1, "fetch.get(7)"))
    assert "in fetch.py, line 9" in reply["errorMessage"]
    assert reply["stackTrace"][-1][0].startswith("connector/")


@pytest.mark.parametrize("workers", [1, 4])
def test_frames_are_this_projects_with_paths_relative_to_it(tmp_path: Path, workers: int) -> None:
    """Whatever the folder in which the worker was started."""
    body = ran(tmp_path, workers)
    reply = report(200, body)
    assert reply["errorType"] == "KeyError"
    assert "helpers/tidy.py, line 5" in reply["errorMessage"]
    assert "colour" in reply["errorMessage"]
    assert reply["stackTrace"][-2:] == [
        ["fetch.py", 9, "thing", 'return Page([tidy({"id": 1})])'],
        ["helpers/tidy.py", 5, "tidy", 'return json.loads("{" + row["colour"])'],
    ]
    assert str(tmp_path) not in body.decode()


# ---- bodies that are no request


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "JSON"),
        (b"hello", "JSON"),
        (b'{"state": {}', "JSON"),
        (b'{"state": {"a": "\xfc"}}', "JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (b"{}", "state"),
        (b'{"state": []}', "state"),
        (b'{"state": {}, "secrets": "x"}', "secrets"),
        (b'{"state": {}, "customPayload": [1]}', "customPayload"),
        (b'{"state": {}, "setup_test": "yes"}', "setup_test"),
    ],
)
def test_a_body_that_is_no_request_of_the_protocol_gets_400_and_the_reason(
    body: bytes, text: str
) -> None:
    reply = report(*handle(one(), body, script({None: []})), status=400)
    assert text in reply["errorMessage"]
    assert reply["state"] == {}


@pytest.mark.parametrize(
    "member",
    [{"secrets": "x"}, {"secrets": ["made-up-key"]}, {"setup_test": 1}, {"customPayload": "x"}],
    ids=str,
)
def test_a_malformed_member_does_not_lose_the_state(member: dict[str, Any]) -> None:
    """Whoever takes the report's state for the new one would read everything again."""
    state = {"thing": "2020-01-01", "other": {"x": [1, None, "ü"]}}
    body = encoded({"state": state, "secrets": {"apiToken": "made-up-token-1"}, **member})
    assert report(*handle(one(), body, script({})), status=400)["state"] == state


@pytest.mark.parametrize("extra", [b"", b' "sync_id": 17,', b' "unknown": {"a": [1]},'])
def test_a_request_may_have_more_fields_than_are_known(extra: bytes) -> None:
    body = b'\xef\xbb\xbf{"agent": "x", %b "state": {}, "secrets": {"apiToken": "made-up-token-1"}}'
    assert "errorMessage" not in checked(*handle(one(), body % extra, script({None: []})))


def test_a_source_without_entities_says_how_to_declare_one() -> None:
    made = Source(base_url="https://api.example.com")
    for request in ({"state": {}}, {"state": {}, "setup_test": True}):
        message = report(*handle(made, encoded(request), script({})))["errorMessage"]
        assert "@source.entity" in message


@pytest.mark.parametrize(
    ("secrets", "setting"),
    [
        ({}, None),
        ({"apiToken": ""}, None),
        ({"apiToken": "  "}, None),
        ({"apiToken": None}, ""),
        ({}, "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/x)"),
    ],
)
def test_a_missing_secret_is_named_with_every_place_where_it_can_be_given(
    secrets: dict[str, Any], setting: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Key Vault reference that Azure could not resolve stands in the setting as it is."""
    monkeypatch.delenv("apiToken", raising=False)
    if setting is not None:
        monkeypatch.setenv("apiToken", setting)
    body = encoded({"state": {}, "secrets": secrets})
    message = report(*handle(one(), body, script({None: []})))["errorMessage"]
    places = ["Key Vault"] if setting else ["app setting", "connection.json"]
    for place in ["'apiToken'", "setup form", *places]:
        assert place in message
