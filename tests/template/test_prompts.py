"""The questions as they are asked on a terminal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from template.conftest import ROOT, Bake, files

# In the order in which they are asked; None for a default that is derived from other answers.
CONTRACT = {
    "project_name": "Acme Connector",
    "base_url": "https://api.example.com",
    "auth": [
        "bearer",
        "token",
        "api_key_header",
        "api_key_query",
        "basic",
        "oauth2_client_credentials",
        "none",
    ],
    "pagination": ["cursor", "page_number", "offset", "last_id", "link_header", "next_url", "none"],
    "records_path": "data",
    "entity": "transaction",
    "primary_key": "id",
    "cursor_field": "updated_at",
    "deletes": ["none", "records", "soft_delete"],
    "project_slug": None,
    "function_name": None,
    "description": None,
    "python_version": ["3.13", "3.14", "3.12", "3.11"],
    "ci": ["github", "azure_pipelines", "none"],
    "license": ["proprietary", "MIT", "Apache-2.0"],
}
QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
ASKED = list(CONTRACT)


def ask(template: Path, config: Path, out: Path, **typed: str) -> tuple[int, str]:
    """Types these answers, and Enter at each other question."""
    lines = "\n".join(typed.get(name, "") for name in ASKED) + "\n"
    command = ["-m", "cookiecutter", str(template), "-o", str(out), "--config-file", str(config)]
    done = subprocess.run(
        [sys.executable, *command],
        input=lines,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": "200", "PYTHONUTF8": "1", "NO_COLOR": "1", "TERM": "dumb"},
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_names_order_defaults_and_values_are_the_contract() -> None:
    """`cookiecutter … key=value` may rely on these."""
    assert [name for name in QUESTIONS if not name.startswith("_")] == ASKED
    given = {name: value for name, value in CONTRACT.items() if value is not None}
    assert {name: QUESTIONS[name] for name in given} == given


def test_every_question_and_every_choice_has_words() -> None:
    """No question is asked by its bare key, and no choice is shown by its bare value."""
    prompts = QUESTIONS["__prompts__"]
    assert list(prompts) == ASKED
    for name, values in CONTRACT.items():
        if isinstance(values, list):
            assert set(prompts[name]) == {"__prompt__", *values}
    assert json.dumps(prompts, ensure_ascii=False).isascii()


def test_enter_at_every_question_gives_the_default_project(
    template: Path, config: Path, bake: Bake, tmp_path: Path
) -> None:
    """The labels are shown whole, and Enter takes the default each time."""
    code, shown = ask(template, config, tmp_path)
    assert code == 0, shown
    for words in QUESTIONS["__prompts__"].values():
        for label in [words] if isinstance(words, str) else words.values():
            assert label in shown
    made = tmp_path / "acme-connector"
    assert files(made) == files(bake())
    assert all((made / n).read_bytes() == (bake() / n).read_bytes() for n in files(made))


@pytest.mark.parametrize("nothing", ["none", " "])
def test_key_and_cursor_can_be_left_out(
    template: Path, config: Path, tmp_path: Path, nothing: str
) -> None:
    """A number picks a choice; `none` and a blank both leave a column out."""
    code, shown = ask(
        template,
        config,
        tmp_path,
        project_name="Shop",
        auth="3",
        pagination="3",
        primary_key=nothing,
        cursor_field=nothing,
    )
    assert code == 0, shown
    fetch = (tmp_path / "shop" / "fetch.py").read_text(encoding="utf-8")
    assert '@source.entity(\n    "transaction",\n)' in fetch
    assert "offset = fetch.token or 0" in fetch and 'ApiKey("apiKey", header="X-Api-Key")' in fetch


def test_a_refusal_is_shown_on_the_terminal(template: Path, config: Path, tmp_path: Path) -> None:
    """Wrong answers end with the rule and an example, a non-zero exit code and no folder."""
    code, shown = ask(
        template, config, tmp_path, project_slug="../acme", function_name="f", entity="Order"
    )
    assert code != 0
    assert list(tmp_path.iterdir()) == []
    for example in ("project_slug=acme-connector", "entity=sales_order"):
        assert f"example: {example}" in shown
