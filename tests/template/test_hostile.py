"""Answers that try to break out: they bake right, or nothing is written."""

import ast
import tomllib
from pathlib import Path

import pytest
from cookiecutter.exceptions import CookiecutterException, FailedHookException
from jinja2 import TemplateError
from template.conftest import Bake, files, lint

TEXTS = [
    'say "hi"',
    "it's",
    "back\\slash \\n \\u0041",
    "'''",
    '"""',
    "a %} b",
    "a }} b",
    "#} b",
    "größe Ωμέγα 東京 🚚",
    "trailing space ",
    " leading space",
    "${HOME} $(date) `date`",
    "<script>alert(1)</script>",
    "| a | b |",
    "class",
    "..",
    "/etc/passwd",
    "CON",
    "x" * 300,
]


@pytest.mark.parametrize("hostile", TEXTS, ids=ascii)
def test_free_text_bakes_as_it_is(bake: Bake, hostile: str) -> None:
    """A name and a description may hold anything that fits on one line."""
    project = bake(
        project_slug="acme-connector",
        project_name=hostile,
        description=hostile,
        license="MIT",
    )
    title, _, line = (project / "README.md").read_text(encoding="utf-8").splitlines()[:3]
    assert (title, line) == (f"# {hostile.strip()}", hostile.strip())
    assert files(project) == files(bake(license="MIT"))
    assert lint(project) == ""


@pytest.mark.parametrize(
    "hostile", ["{{ 7 * 7 }}", "{{ nothing }}", "{% if %}", "{# note", "{{", "{%"]
)
@pytest.mark.parametrize(
    "question", ["project_name", "description", "entity", "primary_key", "records_path"]
)
def test_jinja_in_an_answer_never_reaches_a_file(
    bake_into: Bake, tmp_path: Path, question: str, hostile: str
) -> None:
    """Cookiecutter renders answers of the command line; what is left over is refused."""
    try:
        project = bake_into(tmp_path, project_slug="acme", **{question: hostile})
    except (CookiecutterException, TemplateError):
        assert list(tmp_path.iterdir()) == []
    else:
        assert all("{{" not in path.read_text(encoding="utf-8") for path in rendered(project))


def rendered(project: Path) -> list[Path]:
    return [project / name for name in ("README.md", "fetch.py", "sample.toml", "pyproject.toml")]


@pytest.mark.parametrize(
    "hostile", [*TEXTS, "a\nb", "a\x00b", "a, b", "a.b", "-", "id#", "a=b", "]"], ids=ascii
)
@pytest.mark.parametrize("question", ["primary_key", "cursor_field", "records_path"])
def test_a_columns_name_is_taken_as_it_is_or_refused(
    bake_into: Bake, tmp_path: Path, question: str, hostile: str
) -> None:
    """A column reaches the code and sample.toml as the API spells it, whatever it is made of."""
    try:
        project = bake_into(tmp_path, **{question: hostile})
    except (FailedHookException, ValueError):
        assert list(tmp_path.iterdir()) == []
        return
    call = entity_call(project)
    sample = tomllib.loads((project / "sample.toml").read_text(encoding="utf-8"))
    (entity,) = sample["entity"].values()
    if question == "records_path":
        assert entity["rows"] == hostile.strip()
        assert f'response.rows("{hostile.strip()}")' in (project / "fetch.py").read_text("utf-8")
    elif question == "primary_key":
        columns = [column.strip() for column in hostile.split(",")]
        assert call["primary_key"] == entity["primary_key"] == columns
        assert set(columns) <= set(entity["record"])
    else:
        assert call["cursor"] == entity["cursor"] == hostile.strip()
    assert lint(project) == ""


def entity_call(project: Path) -> dict[str, object]:
    tree = ast.parse((project / "fetch.py").read_text(encoding="utf-8"))
    (step,) = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    decorator = step.decorator_list[0]
    assert isinstance(decorator, ast.Call)
    return {str(word.arg): ast.literal_eval(word.value) for word in decorator.keywords}


@pytest.mark.parametrize(
    "question", ["pagination", "auth", "deletes", "python_version", "ci", "license"]
)
def test_an_unknown_choice_is_refused(bake_into: Bake, tmp_path: Path, question: str) -> None:
    """Cookiecutter itself refuses values that are not listed, and lists them."""
    with pytest.raises(ValueError, match=f"choice variable {question}, but the choices are"):
        bake_into(tmp_path, **{question: "something else"})
    assert list(tmp_path.iterdir()) == []


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
