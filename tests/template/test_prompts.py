"""The questions as they are asked on a terminal."""

import json
from pathlib import Path

import pytest
from baked import ROOT, Bake, files, run
from template.test_pairs import OPTIONS

# In the order in which they are asked; None for a default that is derived from other answers.
CONTRACT = {
    "project_name": "Acme Connector",
    "base_url": "https://api.example.com",
    "auth": OPTIONS["auth"],
    "pagination": OPTIONS["pagination"],
    "records_path": "data",
    "entity": "transaction",
    "primary_key": "id",
    "cursor_field": "updated_at",
    "deletes": OPTIONS["deletes"],
    "project_slug": None,
    "function_name": None,
    "description": None,
    "python_version": OPTIONS["python_version"],
    "ci": OPTIONS["ci"],
    "license": OPTIONS["license"],
}
QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))


def ask(template: Path, out: Path, code: int = 0, **typed: str) -> str:
    """Types these answers, and Enter at each other question."""
    lines = "\n".join(typed.get(name, "") for name in CONTRACT) + "\n"
    command = ("-m", "cookiecutter", str(template), "-o", str(out))
    terminal = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return run(out, *command, code=code, typed=lines, **terminal)


def test_names_order_defaults_and_values_are_the_contract() -> None:
    """`cookiecutter … key=value` may rely on these."""
    assert [name for name in QUESTIONS if not name.startswith("_")] == list(CONTRACT)
    given = {name: value for name, value in CONTRACT.items() if value is not None}
    assert {name: QUESTIONS[name] for name in given} == given


def test_every_question_and_every_choice_has_words() -> None:
    prompts = QUESTIONS["__prompts__"]
    assert list(prompts) == list(CONTRACT)
    for name, values in CONTRACT.items():
        if isinstance(values, list):
            assert set(prompts[name]) == {"__prompt__", *values}
    assert json.dumps(prompts, ensure_ascii=False).isascii()


def test_enter_at_every_question_gives_the_default_project(
    template: Path, bake: Bake, tmp_path: Path
) -> None:
    """The labels are shown whole; at the end the README's own next commands."""
    shown = ask(template, tmp_path)
    for words in QUESTIONS["__prompts__"].values():
        for label in [words] if isinstance(words, str) else words.values():
            assert label in shown
    made, same = tmp_path / "acme-connector", bake()
    assert files(made) == files(same)
    assert all((made / name).read_bytes() == (same / name).read_bytes() for name in files(made))
    readme = (made / "README.md").read_text(encoding="utf-8")
    for command in ("pip install -r requirements-dev.txt", "python -m harness sync --sample"):
        assert command in shown and command in readme
    assert "Created acme-connector." in shown


@pytest.mark.parametrize("nothing", ["none", " "])
def test_key_and_cursor_can_be_left_out(template: Path, tmp_path: Path, nothing: str) -> None:
    """A number picks a choice; `none` and a blank both leave a column out."""
    typed = {"project_name": "Shop", "auth": "3", "pagination": "3"}
    ask(template, tmp_path, **typed, primary_key=nothing, cursor_field=nothing)
    fetch = (tmp_path / "shop" / "fetch.py").read_text(encoding="utf-8")
    assert '@source.entity(\n    "transaction",\n)' in fetch
    assert "offset = fetch.token or 0" in fetch and 'ApiKey("apiKey", header="X-Api-Key")' in fetch


def test_a_refusal_is_shown_on_the_terminal(template: Path, tmp_path: Path) -> None:
    wrong = {"project_slug": "../acme", "function_name": "f", "entity": "Order"}
    shown = ask(template, tmp_path, code=1, **wrong)
    assert list(tmp_path.iterdir()) == []
    for example in ("project_slug=acme-connector", "entity=sales_order"):
        assert f"example: {example}" in shown
