"""Answers that are wrong, contradict each other or try to break out: refused, or baked right."""

import ast
import importlib.util
import json
import re
import shlex
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from baked import ROOT, Bake, files, lint
from cookiecutter.exceptions import CookiecutterException, FailedHookException
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError

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
QUOTES = ['a"b', "a'b", "a\\b", "a{b", "a}b", "x" * 65]
# Wrong answers without a space in them, and the others.
WORDS = {
    "base_url": r"""
        api.example.com http://api.example.com http://localhost.example.com ftp://api.example.com
        javascript:alert(1) https:// https:///v1 https://. https://api..example.com
        https://*.example.com https://%65xample.com https://999.1.1.1 https://[v1.x]
        https://größe.example https://user:secret@api.example.com https://api.example.com?key=1
        https://api.example.com#top https://api.example.com:port https://api.example.com:0
        https://api.example.com:99999 https://{subdomain}.example.com https://api.example.com/"
        https://api.example.com\v1 https://api.example.com:/v1
    """,
    "records_path": "a..b .a a. a,b a.b.c.d.e.f.g",
    "entity": "Order 1st _x order-line größe a.b class len source",
    "primary_key": ", id, id,,line id,id id,ID sys.id _fivetran_synced --",
    "cursor_field": "a,b meta..at .at at. .. a.b.c.d.e.f.g _Fivetran_Synced",
    "project_slug": r"""
        . .. ../acme /tmp/acme C:\acme a/b/c größe -acme _acme a--b acme. a%}b a"b con NUL Com1
    """,
    "function_name": """
        1acme _acme acme-connector größe class None host Host app respond source HttpRequest
        admin_sync runtimes information_schema PG_Catalog a/../b a"b
    """,
}
SPACED = {
    "project_name": ["", "two\nlines", "tab\there", "x" * 301, "right-to-left \u202e", *JINJA],
    "description": ["", "two\nlines", *JINJA],
    "base_url": [
        "",
        "https://api.example.com/a b",
        f"https://{'u' * 64}.com",
        "https://u/" + "x" * 200,
    ],
    "records_path": QUOTES,
    "entity": ["", "x\n", "x" * 51],
    "primary_key": ["id\nline", *QUOTES],
    "cursor_field": QUOTES,
    "project_slug": ["", " ", "acme ", "acme\n", "Acme Connector", "x" * 300],
    "function_name": ["", "acme connector", "x" * 61],
}
WRONG = {name: [*texts, *WORDS.get(name, "").split()] for name, texts in SPACED.items()}
CASES = [(name, text) for name, texts in WRONG.items() for text in texts]
CONTRADICTIONS = [
    ({"deletes": "soft_delete"}, "cursor_field"),
    ({"deletes": "records", "primary_key": ""}, "primary_key"),
    ({"deletes": "soft_delete", "primary_key": "", "cursor_field": ""}, "primary_key"),
    ({"deletes": "records", "primary_key": "id,at", "cursor_field": "at"}, "cursor_field"),
    ({"primary_key": "meta", "cursor_field": "meta.at"}, "cursor_field"),
    ({"primary_key": "orderId,order_id"}, "primary_key"),
    ({"primary_key": "id,IDCard,id-card"}, "primary_key"),
    ({"primary_key": "orderId", "cursor_field": "order_id"}, "cursor_field"),
    ({"primary_key": "Meta", "cursor_field": "meta.at"}, "cursor_field"),
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
    {},
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


@pytest.fixture(scope="session")
def hook() -> ModuleType:
    """The hook as it stands in the repository, not rendered."""
    spec = importlib.util.spec_from_file_location("hook", ROOT / "hooks" / "pre_gen_project.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("answers", RIGHT, ids=str)
def test_right_answers_are_taken(hook: ModuleType, answers: dict[str, str]) -> None:
    assert hook.refusals(GOOD | answers) == []


@pytest.mark.parametrize(
    ("answers", "name"),
    [*(({name: text}, name) for name, text in CASES), *CONTRADICTIONS],
    ids=lambda value: ascii(value)[:60],
)
def test_a_refusal_has_the_rule_and_an_example_that_is_right(
    hook: ModuleType, answers: dict[str, str], name: str
) -> None:
    answers = GOOD | answers
    ((question, rule, example),) = hook.refusals(answers)
    assert question == name
    shown = (
        f"  {name} is {answers[name][:60]!a}\n    rule:    {rule}\n    example: {name}={example}\n"
    )
    assert shown in hook.message(answers, hook.refusals(answers))
    asked = example.replace(", ", ",").replace("none", "", name == "cursor_field")  # as rendered
    assert hook.refusals(answers | {name: asked}) == []


@pytest.mark.parametrize("name", ["primary_key", "cursor_field", "records_path", "base_url"])
@given(text=st.text(max_size=70))
def test_no_answer_breaks_the_hook(hook: ModuleType, name: str, text: str) -> None:
    assert len(hook.refusals(GOOD | {name: text})) <= 1


def test_all_wrong_answers_are_named_at_once(hook: ModuleType) -> None:
    answers = GOOD | {"entity": "Order", "base_url": "x", "cursor_field": "a,b"}
    assert [name for name, *_ in hook.refusals(answers)] == ["base_url", "entity", "cursor_field"]


def test_the_printed_command_gives_a_project(
    hook: ModuleType, bake_into: Bake, tmp_path: Path
) -> None:
    """It repeats the right answers, and has the examples in place of the wrong ones."""
    wrong = {"entity": "Order", "project_name": "Zoë's Shop", "cursor_field": ""}
    answers = GOOD | wrong | {"_template": "gh:o/t", "__x": "y"}
    (line,) = re.findall(
        "^  (cookiecutter .*)$", hook.message(answers, hook.refusals(answers)), re.M
    )
    words = shlex.split(line)
    assert words[:3] == ["cookiecutter", "gh:o/t", "--no-input"]
    answers = dict(word.split("=", 1) for word in words[3:])
    assert answers == GOOD | wrong | {"entity": "sales_order", "cursor_field": "none"}
    fetch = bake_into(tmp_path, **answers) / "fetch.py"
    assert '"sales_order",' in fetch.read_text(encoding="utf-8")


def test_the_rule_of_a_refusal_is_in_the_question(hook: ModuleType) -> None:
    """What is refused could be known: the question and the refusal use the same words."""
    prompts = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))["__prompts__"]
    for name in ("base_url", "entity", "project_slug", "function_name"):
        (words,) = re.findall(r"\(([^()]+)\)$", prompts[name])
        shared = words.split(";")[0].removesuffix(" between them")
        assert set(re.findall(r"[\w-]+", shared)) <= set(re.findall(r"[\w-]+", hook.RULES[name][1]))


# ---- baked

REFUSED = [
    *({"project_slug": slug, "function_name": "acme"} for slug in WRONG["project_slug"]),
    {"function_name": "class"},
    {"project_name": "two\nlines"},
    {"primary_key": 'a"b'},
    {"description": "\udcff"},
    {"deletes": "soft_delete"},
    {"records_path": "none"},
]


@pytest.mark.parametrize("answers", REFUSED, ids=lambda answers: ascii(answers)[:60])
def test_a_refused_bake_leaves_nothing_anywhere(
    bake_into: Bake, tmp_path: Path, capfd: pytest.CaptureFixture[str], answers: dict[str, str]
) -> None:
    """Neither inside nor outside of the output folder: not even for `..` or an absolute path."""
    if answers.get("project_slug") == "/tmp/acme":
        answers = answers | {"project_slug": str(tmp_path / "absolute" / "acme")}
    out = tmp_path / "beside" / "out"
    out.mkdir(parents=True)
    with pytest.raises(FailedHookException):
        bake_into(out, **answers)
    assert sorted(tmp_path.rglob("*")) == [out.parent, out]
    message = capfd.readouterr().err
    assert "Refused, nothing was written" in message
    assert "project_slug" not in answers or "example: project_slug=acme-connector" in message


def test_a_refused_bake_leaves_an_existing_project_alone(bake_into: Bake, tmp_path: Path) -> None:
    project = bake_into(tmp_path)
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    with pytest.raises(FailedHookException):
        bake_into(tmp_path, overwrite=True, entity="Wrong")
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


TEXTS = [
    *("it's", 'say "hi"', "'''", '"""', "back\\slash \\n \\u0041", "größe Ωμέγα 東京 🚚"),
    *("a %} b", "a }} b", "#} b", "${HOME} $(date) `date`", "<script>alert(1)</script>"),
    *("trailing space ", " leading space", "| a | b |", "class", "..", "/etc/passwd", "CON"),
    "x" * 300,
]


@pytest.mark.parametrize("hostile", TEXTS, ids=ascii)
def test_free_text_bakes_as_it_is(bake: Bake, hostile: str) -> None:
    texts = {"project_name": hostile, "description": hostile}
    project = bake(project_slug="acme-connector", license="MIT", **texts)
    title, _, line = (project / "README.md").read_text(encoding="utf-8").splitlines()[:3]
    assert (title, line) == (f"# {hostile.strip()}", hostile.strip())
    assert files(project) == files(bake(license="MIT"))
    lint(project)


@pytest.mark.parametrize("hostile", ["{{ 7 * 7 }}", "{{ nothing }}", "{% if %}", "{# note", "{{"])
@pytest.mark.parametrize("question", ["project_name", "primary_key"])
def test_jinja_in_an_answer_never_reaches_a_file(
    bake_into: Bake, tmp_path: Path, question: str, hostile: str
) -> None:
    """Cookiecutter renders answers of the command line; what is left over is refused."""
    try:
        project = bake_into(tmp_path, project_slug="acme", **{question: hostile})
    except (CookiecutterException, TemplateError):
        assert list(tmp_path.iterdir()) == []
    else:
        for name in ("README.md", "fetch.py", "sample.toml", "pyproject.toml"):
            assert "{{" not in (project / name).read_text(encoding="utf-8")


COLUMNS = [*TEXTS, "amount", "data", "id", "a\nb", "a\x00b", "-", "id#", "a=b", "]"]


@pytest.mark.parametrize("hostile", COLUMNS, ids=ascii)
def test_a_field_s_name_is_taken_as_it_is_or_refused(
    bake_into: Bake, tmp_path: Path, hostile: str
) -> None:
    """It reaches the code and sample.toml as the API spells it, whatever it is made of."""
    name = hostile.strip()
    try:
        project = bake_into(tmp_path, primary_key=name, cursor_field=hostile, records_path=hostile)
    except (FailedHookException, ValueError):
        assert list(tmp_path.iterdir()) == []
        return
    code = (project / "fetch.py").read_text(encoding="utf-8")
    (step,) = [node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]
    call = {word.arg: ast.literal_eval(word.value) for word in step.decorator_list[0].keywords}
    assert (call["primary_key"], call["cursor"]) == ([name], name)
    assert f'response.rows("{name}")' in code
    sample = tomllib.loads((project / "sample.toml").read_text(encoding="utf-8"))
    (entity,) = sample["entity"].values()
    assert (entity["primary_key"], entity["cursor"], entity["rows"]) == ([name], name, name)
    assert name in entity["record"]
    lint(project)


@pytest.mark.parametrize(
    ("name", "slug", "function"),
    [
        ("Acme Connector", "acme-connector", "acme_connector"),
        ("Grüße & Söhne", "grusse-sohne", "grusse_sohne"),
        ('O\'Brien "Ltd"', "o-brien-ltd", "o_brien_ltd"),
        ("x" * 300, "x" * 60, "x" * 60),
    ],
    ids=ascii,
)
def test_names_are_derived(bake: Bake, name: str, slug: str, function: str) -> None:
    """The folder and the function are named after the project unless they are answered."""
    project = bake(project_name=name)
    assert project.name == slug
    assert f'route="{function}"' in (project / "function_app.py").read_text(encoding="utf-8")
