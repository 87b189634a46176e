"""Generated Python for names of every length and alphabet: the formatter and the linter agree."""

import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from cookiecutter.generate import generate_context
from cookiecutter.prompt import prompt_for_config
from cookiecutter.utils import create_env_with_context
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jinja2 import Environment, FileSystemLoader
from template.conftest import GENERATED, ROOT
from template.test_refusals import GOOD

PYTHON = ("fetch.py", "function_app.py", "tests/test_fetch.py")
TOOLS = (["format", "--check"], ["check", "--quiet", "--extend-select", "E501"])

Said = Callable[[Iterable[dict[str, str]]], str]


@cache
def templates() -> Environment:
    """Cookiecutter's own Jinja, with this template's settings."""
    env = create_env_with_context(generate_context(str(ROOT / "cookiecutter.json")))
    env.loader = FileSystemLoader([ROOT / GENERATED, ROOT / "templates"])
    return env


def render(answers: dict[str, str], folder: Path) -> None:
    """Writes the generated Python for these answers, without the rest of a bake."""
    context = generate_context(str(ROOT / "cookiecutter.json"), extra_context=answers)
    context["cookiecutter"] = prompt_for_config(context, no_input=True)
    for name in PYTHON:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = templates().get_template(name).render(**context)
        path.write_text(text, encoding="utf-8", newline="\n")


@pytest.fixture
def said(tmp_path: Path) -> Said:
    """`said(many answers)` is what ruff has to say about all of them, "" for nothing."""
    own = (ROOT / GENERATED / "pyproject.toml").read_text(encoding="utf-8")
    own = templates().from_string(own).render(cookiecutter={"python_version": "3.13"})
    rooms = '[tool.ruff.lint.isort]\nknown-first-party = ["connector", "fetch"]\n'
    (tmp_path / "pyproject.toml").write_text(own + rooms, encoding="utf-8")
    calls = iter(range(10**6))

    def said(many: Iterable[dict[str, str]]) -> str:
        folder = tmp_path / str(next(calls))
        for number, answers in enumerate(many):
            render(answers, folder / str(number))
        done = [
            subprocess.run(
                [sys.executable, "-m", "ruff", *tool, "--no-cache", "."],
                cwd=folder,
                capture_output=True,
                text=True,
                encoding="utf-8",
            )
            for tool in TOOLS
        ]
        return "".join(d.stdout + d.stderr for d in done if d.returncode)

    return said


def lengths(name: str, start: str, longest: int, **others: str) -> list[dict[str, str]]:
    """The answer `name` in every length, beside others."""
    return [
        {**others, name: start + "u" * (length - len(start))}
        for length in range(len(start), longest + 1)
    ]


@pytest.mark.parametrize(
    "many",
    [
        lengths("base_url", "https://u.example/", 140, pagination="next_url"),
        lengths("base_url", "https://u.example/", 140, pagination="link_header", auth="none"),
        lengths("base_url", "https://u.example/", 140, auth="oauth2_client_credentials"),
        lengths("entity", "u", 50, pagination="link_header", deletes="records"),
        lengths("entity", "u", 50, pagination="next_url", primary_key="k" * 30),
        lengths("entity", "u", 50, pagination="offset", primary_key="k" * 64),
        lengths("entity", "u", 50, pagination="page_number", deletes="records"),
        lengths("function_name", "u", 60),
        lengths("primary_key", "u", 64, cursor_field="c" * 20),
        lengths("primary_key", "u", 64, cursor_field="c" * 64),
        lengths("cursor_field", "u", 64, primary_key="order_id, line_no"),
        lengths("cursor_field", "a.b.c.d.e.u", 40),
        lengths("cursor_field", "größe.u", 40),
    ],
    ids=lambda many: "-".join(many[0]),
)
def test_every_length_is_laid_out_by_the_formatters_rules(
    said: Said, pre_gen: ModuleType, many: list[dict[str, str]]
) -> None:
    """One column more or less puts no line over the limit and none where it would be joined."""
    assert [pre_gen.refusals(GOOD | answers) for answers in many] == [[]] * len(many)
    assert said(many) == ""


# Plain, Latin, wide and narrow, Jamo, halfwidth kana, combining marks, astral: then any at all.
LETTERS = st.one_of(
    st.sampled_from("aZ9_é伝ｱカ가ᄀ각\u0301\u0e33ﷺ𝔸🚚א"),
    st.characters(categories=["L", "M", "N", "S"]),
)
NAMES = st.one_of(
    st.text(LETTERS, min_size=1, max_size=64),
    LETTERS.flatmap(lambda c: st.integers(1, 64).map(c.__mul__)),
)
COLUMNS = st.fixed_dictionaries(
    {
        "primary_key": st.lists(NAMES, max_size=4).map(",".join),
        "cursor_field": st.one_of(NAMES, st.lists(NAMES, max_size=7).map(".".join)),
        "pagination": st.sampled_from(["cursor", "next_url"]),
        "base_url": st.integers(60, 80).map(lambda n: "https://u.example/".ljust(n, "u")),
    }
)


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.generate],  # to shrink dozens of files takes minutes, and ruff shows the line
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(many=st.lists(COLUMNS, min_size=20, max_size=40))
def test_columns_of_any_alphabet_are_laid_out_by_the_formatters_rules(
    said: Said, pre_gen: ModuleType, many: list[dict[str, str]]
) -> None:
    """Whatever names the hook takes, the formatter and the linter find nothing in the files."""
    assert said(taken for taken in many if not pre_gen.refusals(GOOD | taken)) == ""
