"""The questions as they are asked on a terminal."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from template.conftest import ROOT, Bake, files

CONTRACT = {
    "project_name": "Acme Connector",
    "base_url": "https://api.example.com",
    "entity": "transaction",
    "pagination": ["cursor", "page_number", "offset", "link_header", "next_url", "none"],
    "auth": [
        "bearer",
        "api_key_header",
        "api_key_query",
        "basic",
        "oauth2_client_credentials",
        "none",
    ],
    "primary_key": "id",
    "deletes": ["none", "records", "soft_delete"],
    "python_version": ["3.13", "3.14", "3.12", "3.11"],
    "ci": ["github", "azure_pipelines", "none"],
    "license": ["proprietary", "MIT", "Apache-2.0"],
}
DERIVED = {"project_slug", "description", "function_name", "cursor_field"}
QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
ASKED = [name for name in QUESTIONS if not name.startswith("_")]


def ask(template: Path, config: Path, out: Path, *lines: str) -> tuple[int, str]:
    """Types the lines, then Enter for each question that is left."""
    typed = "\n".join([*lines, *[""] * (len(ASKED) - len(lines))]) + "\n"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "cookiecutter",
            str(template),
            "-o",
            str(out),
            "--config-file",
            str(config),
        ],
        input=typed,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": "200", "PYTHONUTF8": "1", "NO_COLOR": "1", "TERM": "dumb"},
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_names_defaults_and_values_are_the_contract() -> None:
    """`cookiecutter … key=value` may rely on these."""
    assert {name: QUESTIONS[name] for name in CONTRACT} == CONTRACT
    assert set(ASKED) == set(CONTRACT) | DERIVED


def test_every_question_and_every_choice_has_words_of_its_own() -> None:
    """No question is asked by its bare key, and no choice is shown by its bare value."""
    prompts = QUESTIONS["__prompts__"]
    assert list(prompts) == ASKED
    for name, values in QUESTIONS.items():
        if isinstance(values, list) and not name.startswith("_"):
            assert set(prompts[name]) == {"__prompt__", *values}
    assert all(text.isascii() for text in json.dumps(prompts, ensure_ascii=False).splitlines())


@pytest.mark.parametrize(
    ("question", "rule"),
    [("entity", "lower case, as sales_order"), ("base_url", "no braces"), ("base_url", "fetch.py")],
)
def test_a_rule_that_is_often_missed_stands_in_the_question(question: str, rule: str) -> None:
    """A wrong answer is refused only after the last question, so the rule comes before."""
    assert rule in QUESTIONS["__prompts__"][question]


@pytest.mark.parametrize(
    ("style", "quoted"),
    [
        ("cursor", '{"data": [...], "next_cursor": "abc"}'),
        ("page_number", '{"data": [...]}'),
        ("offset", '{"data": [...]}'),
        ("link_header", '[{"id": 1}, ...]'),
        ("next_url", '{"data": [...], "next": "https://.../next"}'),
        ("none", '{"data": [...]}'),
    ],
)
def test_the_label_of_a_paging_style_quotes_the_json_it_fits(style: str, quoted: str) -> None:
    """Whoever has a reply of the API at hand finds the style by looking."""
    assert quoted in QUESTIONS["__prompts__"]["pagination"][style]


def test_enter_at_every_question_gives_the_default_project(
    template: Path, config: Path, bake: Bake, tmp_path: Path
) -> None:
    """The labels are shown whole, and Enter takes the default each time."""
    code, shown = ask(template, config, tmp_path)
    assert code == 0, shown
    for name in ASKED:
        words = QUESTIONS["__prompts__"][name]
        for label in [words] if isinstance(words, str) else words.values():
            assert label in shown
    made = tmp_path / "acme-connector"
    assert files(made) == files(bake())
    assert all((made / n).read_bytes() == (bake() / n).read_bytes() for n in files(made))


def test_choices_are_picked_by_number(template: Path, config: Path, tmp_path: Path) -> None:
    """A number picks the choice, and the answers before and after it reach the files."""
    code, shown = ask(
        template, config, tmp_path, "Shop", "", "", "", "https://shop.example/v1", "order", "3", "2"
    )
    assert code == 0, shown
    fetch = (tmp_path / "shop" / "fetch.py").read_text(encoding="utf-8")
    assert "offset = fetch.token or 0" in fetch and 'ApiKey("apiKey", header="X-Api-Key")' in fetch
    assert '"/orders"' in fetch and "https://shop.example/v1" in fetch


def test_a_space_leaves_the_key_and_the_cursor_out(
    template: Path, config: Path, tmp_path: Path
) -> None:
    """Enter takes the default, so a space stands for none, as the questions say."""
    lines = [""] * len(ASKED)
    for name in ("primary_key", "cursor_field"):
        lines[ASKED.index(name)] = " "
        assert "a space for none" in QUESTIONS["__prompts__"][name]
    code, shown = ask(template, config, tmp_path, *lines)
    assert code == 0, shown
    fetch = (tmp_path / "acme-connector" / "fetch.py").read_text(encoding="utf-8")
    assert '@source.entity("transaction")' in fetch


def test_soft_delete_offers_no_cursor(template: Path, config: Path, tmp_path: Path) -> None:
    """Whoever picks soft_delete and goes on with Enter gets a project without a cursor."""
    lines = [""] * len(ASKED)
    lines[ASKED.index("deletes")] = "3"
    code, shown = ask(template, config, tmp_path, *lines)
    assert code == 0, shown
    fetch = (tmp_path / "acme-connector" / "fetch.py").read_text(encoding="utf-8")
    assert "soft_delete=True" in fetch and "cursor=" not in fetch


def test_a_refusal_is_shown_on_the_terminal(template: Path, config: Path, tmp_path: Path) -> None:
    """Wrong answers end with the rule and an example, a non-zero exit code and no folder."""
    code, shown = ask(
        template, config, tmp_path, "Acme", "../acme", "", "class", "http://example.com"
    )
    assert code != 0
    assert list(tmp_path.iterdir()) == []
    for name, example in (
        ("project_slug", "acme-connector"),
        ("function_name", "acme_connector"),
        ("base_url", "https://api.example.com/v1"),
    ):
        assert re.search(rf"{name} is .*Rule: .*Example: {re.escape(example)}", shown)
