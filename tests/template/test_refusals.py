"""Wrong and contradictory answers: refused before a file is written, with the rule."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from types import ModuleType

import pytest
from cookiecutter.exceptions import FailedHookException
from cookiecutter.generate import generate_context
from cookiecutter.prompt import prompt_for_config
from harness.warehouse.names import to_name
from hypothesis import given, settings
from hypothesis import strategies as st
from template.conftest import ROOT, Bake

GOOD = {
    "project_name": "Acme Connector",
    "project_slug": "acme-connector",
    "description": "Acme",
    "function_name": "acme_connector",
    "base_url": "https://api.example.com",
    "entity": "transaction",
    "pagination": "cursor",
    "auth": "bearer",
    "primary_key": "id",
    "deletes": "none",
    "cursor_field": "updated_at",
    "python_version": "3.13",
    "ci": "github",
    "license": "proprietary",
}
WRONG = {
    "project_name": [
        "",
        "   ",
        "two\nlines",
        "tab\there",
        "x" * 301,
        "right-to-left \u202e",
        "a {{ b",
        "a {% b",
        "a {# b",
    ],
    "description": ["{{ nothing }}", "{% if %}", "{#", "{{"],
    "project_slug": [
        "",
        " ",
        ".",
        "..",
        "../acme",
        "/tmp/acme",
        "C:\\acme",
        "a/b/c",
        "a\\b",
        "acme ",
        " acme",
        "acme\n",
        "Acme Connector",
        "größe",
        "-acme",
        "_acme",
        "acme.",
        "con",
        "NUL",
        "Com1",
        'a"b',
        "a'b",
        "a%}b",
        "x" * 61,
        "x" * 300,
    ],
    "function_name": [
        "",
        "1acme",
        "_acme",
        "acme-connector",
        "acme connector",
        "acme ",
        "größe",
        "class",
        "None",
        "host",
        "Host",
        "app",
        "func",
        "respond",
        "source",
        "admin_sync",
        "information_schema",
        "PG_Catalog",
        "runtimes",
        "x" * 61,
        "a/../b",
        'a"b',
    ],
    "base_url": [
        "",
        "api.example.com",
        "http://api.example.com",
        "ftp://api.example.com",
        "https://",
        "https:///v1",
        "https://user:secret@api.example.com",
        "https://api.example.com?key=1",
        "https://api.example.com?",
        "https://api.example.com#top",
        "https://api.example.com:port",
        "https://api.example.com:99999",
        "https://{subdomain}.example.com",
        "https://api.example.com/a b",
        'https://api.example.com/"',
        "https://api.example.com/'",
        "https://api.example.com\\v1",
        "https://größe.example",
        "http://localhost.example.com",
        "https://.",
        "https://..",
        "https://api..example.com",
        "https://" + "u" * 64 + ".example.com",
        "https://*.example.com",
        "https://%65xample.com",
        "https://999.1.1.1",
        "https://[v1.x]",
        "https://[fe80::1%25eth0]",
        "https://api.example.com/" + "x" * 200,
        "javascript:alert(1)",
    ],
    "entity": [
        "",
        "Transaction",
        "1st",
        "_x",
        "order-line",
        "order line",
        "größe",
        "a.b",
        "x" * 51,
        "x\n",
    ],
    "primary_key": [
        ",",
        "id,",
        "id,,line",
        "id,id",
        "id, ID",
        "orderId,order_id",
        "Straße,Strasse",
        "é,e",
        "e\u0301,e",
        "ß,ss",
        "ﬁ,fi",
        "²,2",
        "2,_2",
        "_fivetran_synced",
        "id, _Fivetran-Deleted",
        'a"b',
        "a'b",
        "a\\b",
        "a{b",
        "id\nline",
        "--",
        "x" * 65,
        "鍵" * 33,
    ],
    "cursor_field": [
        "a,b",
        'a"b',
        "a\\b",
        "meta..at",
        ".at",
        "at.",
        "a}b",
        "..",
        "x" * 65,
        "更" * 33,
        "a.b.c.d.e.f.g",
        "_Fivetran-Deleted",
        "_fivetran_synced",
        "_fivetran_synced.x",
        "_FivetranBatch",
        "meta." + "x" * 36,
    ],
}
CASES = [(name, text) for name, texts in WRONG.items() for text in texts]


def test_the_default_answers_are_taken(pre_gen: ModuleType) -> None:
    """What Enter at each question gives is right."""
    assert pre_gen.refusals(GOOD) == []


@pytest.mark.parametrize(
    "good",
    [
        {"project_slug": "Acme_2"},
        {"function_name": "A"},
        {"base_url": "http://localhost:8011"},
        {"base_url": "http://127.0.0.1"},
        {"base_url": "http://[::1]:80/v1/"},
        {"base_url": "https://xn--gre-6ka8i.example/v1.0/~me/"},
        {"entity": "class"},
        {"primary_key": ""},
        {"primary_key": "@odata.id, größe, Order-No"},
        {"cursor_field": ""},
        {"cursor_field": "fields.System.ChangedDate"},
        {"deletes": "soft_delete", "cursor_field": ""},
        {"deletes": "records"},
        {"deletes": "records", "cursor_field": ""},
        {"primary_key": "id, at", "cursor_field": "at"},
        {"primary_key": "meta.id", "cursor_field": "meta.at"},
        {"base_url": "https://10.0.0.1:8443/v1"},
        {"base_url": "https://[2001:db8::1]:8443"},
        {"base_url": "https://my_host.internal."},
        {"project_name": "{ a } %} #} }}", "description": "{ a } %} #} }}"},
        {"primary_key": "Дата, Код, и, й", "cursor_field": "更新"},
        {"primary_key": "ab, a_b", "cursor_field": "_fivetran"},
    ],
    ids=str,
)
def test_right_answers_are_taken(pre_gen: ModuleType, good: dict[str, str]) -> None:
    """The rules leave room for what APIs have."""
    assert pre_gen.refusals(GOOD | good) == []


@pytest.mark.parametrize(("name", "text"), CASES, ids=[f"{n}-{t[:20]!r}" for n, t in CASES])
def test_a_wrong_answer_is_refused(pre_gen: ModuleType, name: str, text: str) -> None:
    """The message has the question, the answer, the rule and an example, in ASCII."""
    (message,) = pre_gen.refusals(GOOD | {name: text})
    assert message.startswith(f"{name} is ")
    assert "Rule: " in message and "Example: " in message
    assert message.isascii() and message.isprintable() and len(message) < 450


def test_the_example_of_a_message_is_itself_right(pre_gen: ModuleType) -> None:
    """Who types the example gets a project."""
    for name in set(WRONG) - {"project_name", "description"}:
        (message,) = pre_gen.refusals(GOOD | {name: WRONG[name][-1]})
        example = message.rpartition("Example: ")[2]
        if "300 characters" not in message and "printable" not in message:
            assert pre_gen.refusals(GOOD | {name: example}) == []


def test_all_wrong_answers_come_in_one_message(pre_gen: ModuleType) -> None:
    """Three mistakes need one run, not three."""
    wrong = {"entity": "Order", "base_url": "example.com", "function_name": "class"}
    assert len(pre_gen.refusals(GOOD | wrong)) == 3


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"deletes": "soft_delete"}, "has no cursor"),
        ({"deletes": "soft_delete", "cursor_field": "", "primary_key": ""}, "primary key"),
        ({"deletes": "records", "primary_key": " "}, "primary key"),
        ({"deletes": "records", "primary_key": "id, at", "cursor_field": "at"}, "keeps its key"),
        ({"primary_key": "meta", "cursor_field": "meta.at"}, "dotted path"),
        ({"primary_key": "id, updatedAt", "cursor_field": "updated_at"}, "stay apart"),
        ({"primary_key": "Grosse", "cursor_field": "Größe"}, "stay apart"),
        ({"primary_key": "meta", "cursor_field": "Meta.at"}, "stay apart"),
    ],
    ids=str,
)
def test_a_contradiction_is_refused(
    pre_gen: ModuleType, answers: dict[str, str], reason: str
) -> None:
    """Two answers that cannot both hold are refused with the reason."""
    (message,) = pre_gen.refusals(GOOD | answers)
    assert reason in message and "Rule: " in message and "Example: " in message


@given(st.text("aZ9_-ßäÖéøłđžŠ²ﬁ", min_size=1, max_size=8))
def test_a_latin_column_is_named_as_in_the_warehouse(pre_gen: ModuleType, name: str) -> None:
    """The hook cannot import the harness's naming, and does as it does."""
    assert pre_gen.named(name) == to_name(name)


@given(st.lists(st.text("aB_éßДдйи\u0306伝", min_size=1, max_size=2), min_size=2, max_size=30))
def test_columns_of_any_script_that_the_hook_takes_for_one_meet(
    pre_gen: ModuleType, names: list[str]
) -> None:
    """Where the hook does not know a script, it refuses nothing that may stay apart."""
    for one, other in combinations(set(names), 2):
        assert pre_gen.named(one) != pre_gen.named(other) or to_name(one) == to_name(other)


def test_a_derived_answer_gets_no_complaint_of_its_own(pre_gen: ModuleType) -> None:
    """What was made of a wrong answer, and not typed, is not held against anybody."""
    for slug in WRONG["project_slug"]:
        answers = derived(project_slug=slug)
        (message,) = pre_gen.refusals(answers | {"project_slug": slug})
        assert message.startswith("project_slug is")
    for name in ("two\nlines", "a {{ b", "x" * 300 + "\t"):
        (message,) = pre_gen.refusals(
            GOOD | {"project_name": name, "description": f"{name[:200]} for"}
        )
        assert message.startswith("project_name is")


NAMES = ["Source", "App", "Import", "Class", "None", "Admin portal", "Runtime metrics", "CON", "-"]
NAMES += ["🚚", "!!!", "com1", "7", "Information schema", "pg catalog", "admin" * 40]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_derived_answers_are_taken(pre_gen: ModuleType, name: str) -> None:
    """Whoever names the project and goes on with Enter gets one."""
    assert pre_gen.refusals(derived(project_name=name)) == []


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=1))
def test_only_the_name_itself_can_be_wrong(pre_gen: ModuleType, name: str) -> None:
    """Of any name follow answers that are taken, or it is refused, and nothing else."""
    found = pre_gen.refusals(derived(project_name=name))
    assert [text.partition(" is ")[0] for text in found] in ([], ["project_name"])


def derived(**answers: str) -> dict[str, str]:
    """The answers of somebody who gives these and goes on with Enter."""
    context = generate_context(str(ROOT / "cookiecutter.json"))
    for name, text in answers.items():
        context["cookiecutter"][name] = "{% raw %}" + text.replace("{% endraw", "") + "{% endraw %}"
    every = prompt_for_config(context, no_input=True)
    every["project_slug"] = every["__asked_slug"]
    return {name: text for name, text in every.items() if not name.startswith("_")}


def test_an_old_cookiecutter_is_refused(pre_gen: ModuleType) -> None:
    """Before anything else, and with what to do: 2.1 stops in the middle of a bake."""
    assert 'pip install --upgrade "cookiecutter>=2.3"' in pre_gen.old("2.1.1")
    assert pre_gen.old("2.2.3") and pre_gen.old("1.7.3")
    assert pre_gen.old("2.3.0") is pre_gen.old("2.10.1rc1") is pre_gen.old("3.0") is None


def refused(bake_into: Callable[..., Path], folder: Path, **answers: str) -> list[Path]:
    """What is left beside and in the output folder after a refused bake."""
    out = folder / "beside" / "out"
    out.mkdir(parents=True)
    with pytest.raises(FailedHookException):
        bake_into(out, **answers)
    return sorted(path for path in folder.rglob("*") if path not in (out, out.parent))


@pytest.mark.parametrize("slug", WRONG["project_slug"], ids=[s[:20] for s in WRONG["project_slug"]])
def test_a_wrong_folder_leaves_nothing_anywhere(
    bake_into: Bake, tmp_path: Path, capfd: pytest.CaptureFixture[str], slug: str
) -> None:
    """Not even `..`, an absolute path or 300 characters make a folder, inside or outside."""
    if slug.startswith("/"):
        slug = str(tmp_path / "absolute" / "acme")
    assert refused(bake_into, tmp_path, project_slug=slug, function_name="acme") == []
    message = capfd.readouterr().err
    assert "Refused, nothing was written" in message
    assert "project_slug is" in message and "Example: acme-connector" in message


@pytest.mark.parametrize(
    "answers",
    [
        {"function_name": "class"},
        {"entity": "Transaction"},
        {"base_url": "http://api.example.com"},
        {"project_name": "two\nlines"},
        {"primary_key": 'a"b'},
        {"cursor_field": "a..b"},
        {"description": "\udcff"},
        {"deletes": "soft_delete", "cursor_field": "updated_at"},
        {"deletes": "records", "primary_key": ""},
    ],
    ids=ascii,
)
def test_a_refused_bake_leaves_nothing(
    bake_into: Bake, tmp_path: Path, capfd: pytest.CaptureFixture[str], answers: dict[str, str]
) -> None:
    """The hook stops the bake before a file is there, and says why."""
    assert refused(bake_into, tmp_path, **answers) == []
    message = capfd.readouterr().err
    assert "Refused" in message and "Rule: " in message and "Example: " in message


def test_a_refused_bake_leaves_an_existing_project_alone(bake_into: Bake, tmp_path: Path) -> None:
    """Baked over a project, wrong answers change nothing in it."""
    project = bake_into(tmp_path)
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    with pytest.raises(FailedHookException):
        bake_into(tmp_path, overwrite=True, entity="Wrong")
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before
