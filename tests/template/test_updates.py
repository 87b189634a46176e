"""Bakes over a project, and cruft, which brings later versions of the template to it."""

import os
import shutil
import tomllib
from pathlib import Path

from baked import GENERATED, Bake, files, run

PRIVATE = {"connection.json": b'{"secrets": {"apiToken": "typed"}}', "local.settings.json": b"{}"}
NOT_CHOSEN = ("LICENSE", "azure-pipelines.yml", ".github/workflows/deploy.yml")


def contents(project: Path) -> dict[str, bytes]:
    return {name: (project / name).read_bytes() for name in files(project)}


def modes(project: Path) -> set[int]:
    return {(project / name).stat().st_mode & 0o777 for name in PRIVATE}


def test_the_same_answers_give_the_same_bytes(bake_into: Bake, tmp_path: Path) -> None:
    answers = {"auth": "basic", "license": "MIT"}
    first = contents(bake_into(tmp_path / "a", **answers))
    assert contents(bake_into(tmp_path / "b", **answers)) == first


def test_a_second_bake_keeps_secrets_that_were_typed(bake_into: Bake, tmp_path: Path) -> None:
    """Both files are for their owner alone, before and after."""
    project = bake_into(tmp_path)
    before = contents(project)
    assert modes(project) == {0o600}
    for name, text in PRIVATE.items():
        (project / name).write_bytes(text)
        (project / name).chmod(0o644)
    bake_into(tmp_path, overwrite=True)
    assert contents(project) == before | PRIVATE
    assert modes(project) == {0o600}


def test_what_was_not_chosen_and_is_there_stays(bake_into: Bake, tmp_path: Path) -> None:
    """Baked over a project with -s, a license or a pipeline of the user's stays."""
    project = bake_into(tmp_path, ci="none")
    before = contents(project)
    for name in NOT_CHOSEN:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(b"mine\n")
    bake_into(tmp_path, overwrite=True, skip=True, ci="none")
    assert contents(project) == before | dict.fromkeys(NOT_CHOSEN, b"mine\n")


def git(folder: Path, *arguments: str) -> None:
    """Git with an author of its own, without the settings of whoever runs the tests."""
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    run(folder, str(shutil.which("git")), *author, *arguments, **settings)


def commit(folder: Path) -> None:
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "change")


def test_an_update_brings_the_template_s_files_and_leaves_the_user_s(
    template: Path, tmp_path: Path
) -> None:
    """connector/ is replaced, a change of README.md is merged, what cruft is to skip stays."""
    caches = shutil.ignore_patterns("__pycache__")
    origin = Path(shutil.copytree(template, tmp_path / "template", ignore=caches))
    commit(origin)
    home = {"HOME": str(tmp_path), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    context = '{"project_name": "Shop", "entity": "item"}'
    create = ("create", str(origin), "--no-input", "--extra-context", context)
    run(tmp_path, "-m", "cruft", *create, **home)
    project = tmp_path / "shop"
    skipped = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["tool"]["cruft"][
        "skip"
    ]
    assert set(skipped) == {
        *("connection.json", "local.settings.json", "fetch.py", "sample.toml"),
        *("tests/test_fetch.py", "tests/test_function.py"),
    }
    for name in skipped:
        (project / name).write_text("mine = 1\n", encoding="utf-8")
    readme = (project / "README.md").read_text(encoding="utf-8")
    (project / "README.md").write_text(readme.replace("# Shop", "# My shop"), encoding="utf-8")
    commit(project)

    for name in ("connector/README.md", "fetch.py", "README.md", "connection.example.json"):
        with (origin / GENERATED.name / name).open("a", encoding="utf-8", newline="\n") as file:
            file.write("\nnew in the template\n")
    commit(origin)
    update = ("update", "--skip-apply-ask", "--refresh-private-variables")
    run(project, "-m", "cruft", *update, **home)

    assert {(project / name).read_text(encoding="utf-8") for name in skipped} == {"mine = 1\n"}
    assert "new in the template" in (project / "connector/README.md").read_text(encoding="utf-8")
    merged = (project / "README.md").read_text(encoding="utf-8")
    assert merged.startswith("# My shop") and merged.endswith("\nnew in the template\n")
    assert list(project.rglob("*.rej")) == []
