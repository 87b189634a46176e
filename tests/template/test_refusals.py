"""Wrong and contradictory answers: refused before a file is written, with the rule."""

import json
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest
from cookiecutter.exceptions import FailedHookException
from hypothesis import given
from hypothesis import strategies as st
from template.conftest import ROOT, Bake

GOOD = {
    "project_name": "Acme Connector",
    "base_url": "https://api.example.com",
    "auth": "bearer",
    "pagination": "cursor",
    "records_path": "data",
    "entity": "transaction",
    "primary_key": "id",
    "cursor_field": "updated_at",
    "deletes": "none",
    "project_slug": "acme-connector",
    "function_name": "acme_connector",
    "description": "Acme",
}
JINJA = ["a {{ b", "a {% b", "a {# b"]
QUOTES = ['a"b', "a'b", "a\\b", "a{b", "a}b"]
WRONG = {
    "project_name": ["", "two\nlines", "tab\there", "x" * 301, "right-to-left \u202e", *JINJA],
    "description": ["", "two\nlines", *JINJA],
    "base_url": [
        "",
        "api.example.com",
        "http://api.example.com",
        "http://localhost.example.com",
        "ftp://api.example.com",
        "javascript:alert(1)",
        "https://",
        "https:///v1",
        "https://.",
        "https://api..example.com",
        "https://*.example.com",
        "https://%65xample.com",
        "https://999.1.1.1",
        "https://[v1.x]",
        "https://größe.example",
        "https://user:secret@api.example.com",
        "https://api.example.com?key=1",
        "https://api.example.com#top",
        "https://api.example.com:port",
        "https://api.example.com:0",
        "https://api.example.com:99999",
        "https://{subdomain}.example.com",
        "https://api.example.com/a b",
        'https://api.example.com/"',
        "https://api.example.com\\v1",
        "https://" + "u" * 64 + ".example.com",
        "https://api.example.com/" + "x" * 200,
    ],
    "records_path": ["a..b", ".a", "a.", "a,b", "x" * 65, "a.b.c.d.e.f.g", *QUOTES],
    "entity": [
        "",
        "Order",
        "1st",
        "_x",
        "order-line",
        "größe",
        "a.b",
        "x" * 51,
        "x\n",
        "class",
        "len",
        "source",
    ],
    "primary_key": [
        ",",
        "id,",
        "id,,line",
        "id,id",
        "id,ID",
        "sys.id",
        "_fivetran_synced",
        "--",
        "id\nline",
        "x" * 65,
        *QUOTES,
    ],
    "cursor_field": [
        "a,b",
        "meta..at",
        ".at",
        "at.",
        "..",
        "x" * 65,
        "a.b.c.d.e.f.g",
        "_Fivetran_Synced",
        *QUOTES,
    ],
    "project_slug": [
        "",
        " ",
        ".",
        "..",
        "../acme",
        "/tmp/acme",
        "C:\\acme",
        "a/b/c",
        "acme ",
        "acme\n",
        "Acme Connector",
        "größe",
        "-acme",
        "_acme",
        "a--b",
        "acme.",
        "a%}b",
        "x" * 300,
        "con",
        "NUL",
        "Com1",
        'a"b',
    ],
    "function_name": [
        "",
        "1acme",
        "_acme",
        "acme-connector",
        "acme connector",
        "größe",
        "x" * 61,
        "class",
        "None",
        "host",
        "Host",
        "app",
        "respond",
        "source",
        "HttpRequest",
        "admin_sync",
        "runtimes",
        "information_schema",
        "PG_Catalog",
        "a/../b",
        'a"b',
    ],
}
CONTRADICTIONS = [
    ({"deletes": "soft_delete"}, "cursor_field"),
    ({"deletes": "records", "primary_key": ""}, "primary_key"),
    ({"deletes": "soft_delete", "primary_key": "", "cursor_field": ""}, "primary_key"),
    ({"deletes": "records", "primary_key": "id,at", "cursor_field": "at"}, "cursor_field"),
    ({"primary_key": "meta", "cursor_field": "meta.at"}, "cursor_field"),
    ({"records_path": ""}, "records_path"),
    ({"records_path": "", "pagination": "next_url"}, "records_path"),
    ({"records_path": "", "pagination": "last_id"}, "records_path"),
    ({"records_path": "", "pagination": "offset", "deletes": "records"}, "records_path"),
    ({"records_path": "next_cursor"}, "records_path"),
    ({"records_path": "next.rows", "pagination": "next_url"}, "records_path"),
    ({"records_path": "deleted", "deletes": "records"}, "records_path"),
    ({"pagination": "last_id", "primary_key": "a,b"}, "primary_key"),
    ({"pagination": "last_id", "primary_key": ""}, "primary_key"),
    ({"pagination": "last_id", "deletes": "records"}, "deletes"),
]
RIGHT = [
    {"project_slug": "Acme_2"},
    {"function_name": "A"},
    {"function_name": "f" * 60},
    {"base_url": "http://localhost:8011"},
    {"base_url": "http://[::1]:80/v1/"},
    {"base_url": "https://xn--gre-6ka8i.example/v1.0/~me/"},
    {"base_url": "https://10.0.0.1:8443/v1"},
    {"base_url": "https://my_host.internal."},
    {"project_name": "{ a } %} #} }}", "description": 'it\'s "x"'},
    {"records_path": "data.items"},
    {"records_path": "", "pagination": "page_number"},
    {"records_path": "", "pagination": "link_header"},
    {"primary_key": ""},
    {"primary_key": "@id,größe,Order-No,伝票番号"},
    {"primary_key": "id,at", "cursor_field": "at"},
    {"cursor_field": ""},
    {"cursor_field": "fields.System.ChangedDate"},
    {"deletes": "soft_delete", "cursor_field": ""},
    {"deletes": "records"},
    {"pagination": "last_id"},
]
CASES = [(name, text) for name, texts in WRONG.items() for text in texts]


@pytest.mark.parametrize("answers", [{}, *RIGHT], ids=str)
def test_right_answers_are_taken(pre_gen: ModuleType, answers: dict[str, str]) -> None:
    """The rules leave room for what APIs have."""
    assert pre_gen.refusals(GOOD | answers) == []


@pytest.mark.parametrize(("name", "text"), CASES, ids=[f"{n}-{t[:20]!r}" for n, t in CASES])
def test_a_wrong_answer_is_refused(pre_gen: ModuleType, name: str, text: str) -> None:
    """The message has the question, the answer, the rule and an example that is right."""
    (message,) = pre_gen.refusals(GOOD | {name: text})
    found = re.fullmatch(r"(\w+) is (.+)\n    rule:    (.+)\n    example: \w+=(.+)", message)
    assert found and found[1] == name and message.isascii()
    example = found[4].replace(", ", ",")  # as the hook gets a primary key
    assert pre_gen.refusals(GOOD | {name: example}) == []


@pytest.mark.parametrize(("answers", "name"), CONTRADICTIONS, ids=str)
def test_answers_that_contradict_each_other_are_refused(
    pre_gen: ModuleType, answers: dict[str, str], name: str
) -> None:
    """Each is right by itself; the message says why not together, and what can be changed."""
    (message,) = pre_gen.refusals(GOOD | answers)
    assert message.startswith(f"{name} is ")
    example = message.rpartition(f"{name}=")[2].replace("none", "", name == "cursor_field")
    assert pre_gen.refusals(GOOD | answers | {name: example}) == []


@pytest.mark.parametrize("name", ["primary_key", "cursor_field", "records_path", "base_url"])
@given(text=st.text(max_size=70))
def test_no_answer_breaks_the_hook(pre_gen: ModuleType, name: str, text: str) -> None:
    """Whatever is typed is taken or refused."""
    assert len(pre_gen.refusals(GOOD | {name: text})) <= 1


def test_all_wrong_answers_are_named_at_once(pre_gen: ModuleType) -> None:
    """Nobody corrects one answer to meet the next refusal."""
    answers = GOOD | {"entity": "Order", "base_url": "x", "cursor_field": "a,b"}
    assert [text.split()[0] for text in pre_gen.refusals(answers)] == [
        "base_url",
        "entity",
        "cursor_field",
    ]


def test_the_printed_command_gives_a_project(
    pre_gen: ModuleType, bake_into: Bake, tmp_path: Path
) -> None:
    """It repeats the right answers, and has the examples in place of the wrong ones."""
    wrong = {"entity": "Order", "project_name": "Zoë's Shop", "cursor_field": ""}
    words = shlex.split(pre_gen.command(GOOD | wrong | {"_template": "gh:o/t", "__x": "y"}))
    assert words[:3] == ["cookiecutter", "gh:o/t", "--no-input"]
    answers = dict(word.split("=", 1) for word in words[3:])
    assert answers == GOOD | wrong | {"entity": "sales_order", "cursor_field": "none"}
    fetch = bake_into(tmp_path, **answers) / "fetch.py"
    assert '"sales_order",' in fetch.read_text(encoding="utf-8")


def test_the_rule_of_a_refusal_is_in_the_question(pre_gen: ModuleType) -> None:
    """What is refused could be known: the question and the refusal use the same words."""
    prompts = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))["__prompts__"]
    for name in ("base_url", "entity", "project_slug", "function_name"):
        words = re.search(r"\(([^()]+)\)$", prompts[name])
        assert words is not None
        shared = words[1].split(";")[0].removesuffix(" between them")
        assert set(re.findall(r"[\w-]+", shared)) <= set(
            re.findall(r"[\w-]+", pre_gen.RULES[name][1])
        )


def left(bake_into: Bake, folder: Path, **answers: str) -> list[Path]:
    """What a refused bake leaves in and beside the output folder."""
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
    assert left(bake_into, tmp_path, project_slug=slug, function_name="acme") == []
    message = capfd.readouterr().err
    assert "Refused, nothing was written" in message and "example: project_slug=acme-c" in message


@pytest.mark.parametrize(
    "answers",
    [
        {"function_name": "class"},
        {"project_name": "two\nlines"},
        {"primary_key": 'a"b'},
        {"description": "\udcff"},
        {"deletes": "soft_delete"},
        {"records_path": "none"},
    ],
    ids=ascii,
)
def test_a_refused_bake_leaves_nothing(
    bake_into: Bake, tmp_path: Path, capfd: pytest.CaptureFixture[str], answers: dict[str, str]
) -> None:
    """The hook stops the bake before a file is there, and says why."""
    assert left(bake_into, tmp_path, **answers) == []
    assert "Refused, nothing was written" in capfd.readouterr().err


def test_a_refused_bake_leaves_an_existing_project_alone(bake_into: Bake, tmp_path: Path) -> None:
    """Baked over a project, wrong answers change nothing in it."""
    project = bake_into(tmp_path)
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    with pytest.raises(FailedHookException):
        bake_into(tmp_path, overwrite=True, entity="Wrong")
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before
