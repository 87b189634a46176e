"""The hooks: the same each time, harmless when run again, without traces of tools."""

import json
from pathlib import Path

import pytest
from template.conftest import ROOMS, Bake, files


def contents(project: Path) -> dict[str, bytes]:
    return {name: (project / name).read_bytes() for name in files(project)}


def test_the_same_answers_give_the_same_bytes(bake_into: Bake, tmp_path: Path) -> None:
    """Two bakes are equal byte for byte."""
    answers = {"auth": "basic", "license": "MIT"}
    first = contents(bake_into(tmp_path / "a", **answers))
    assert contents(bake_into(tmp_path / "b", **answers)) == first


def test_a_second_bake_keeps_secrets_that_were_typed(bake_into: Bake, tmp_path: Path) -> None:
    """Baked over an existing project, connection.json and local.settings.json stay as they are."""
    project = bake_into(tmp_path)
    before = contents(project)
    mine = {"connection.json": b'{"secrets": {"apiToken": "typed"}}', "local.settings.json": b"{}"}
    for name, text in mine.items():
        (project / name).write_bytes(text)
        (project / name).chmod(0o644)
    bake_into(tmp_path, overwrite=True)
    assert contents(project) == before | mine
    assert {(project / name).stat().st_mode & 0o777 for name in mine} == {0o600}


MINE = ("LICENSE", "azure-pipelines.yml", ".github/workflows/deploy.yml")


def test_what_was_not_chosen_and_is_there_stays(bake_into: Bake, tmp_path: Path) -> None:
    """Baked over a project with -s, a license or a pipeline of the user's stays."""
    project = bake_into(tmp_path, ci="none")
    before = contents(project)
    for name in MINE:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("mine\n", encoding="utf-8")
    bake_into(tmp_path, overwrite=True, skip=True, ci="none")
    assert contents(project) == before | dict.fromkeys(MINE, b"mine\n")


def test_existing_files_can_be_skipped(bake_into: Bake, tmp_path: Path) -> None:
    """With -s what is there stays, but for the rooms; what is missing is made again."""
    project = bake_into(tmp_path, license="MIT")
    before = contents(project)
    mine = {name: b"{}" for name in before if not name.startswith(ROOMS)}
    for name, text in mine.items():
        (project / name).write_bytes(text)
    (project / "README.md").unlink()
    bake_into(tmp_path, overwrite=True, skip=True, license="MIT")
    assert contents(project) == before | mine | {"README.md": before["README.md"]}


def test_other_answers_reach_the_files_that_are_data(bake_into: Bake, tmp_path: Path) -> None:
    """Baked over a project, host.json is the template's again, the example has the new names."""
    project = bake_into(tmp_path)
    host = (project / "host.json").read_bytes()
    (project / "host.json").write_bytes(b"{}")
    bake_into(tmp_path, overwrite=True, function_name="Other", auth="basic")
    assert (project / "host.json").read_bytes() == host
    example = json.loads((project / "connection.example.json").read_text(encoding="utf-8"))
    assert (example["schema"], list(example["secrets"])) == ("other", ["username", "password"])


def test_a_bake_names_the_next_commands(
    bake_into: Bake, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The README's own commands, in the folder that was created."""
    project = bake_into(tmp_path)
    shown = capfd.readouterr().out
    readme = (project / "README.md").read_text(encoding="utf-8")
    for command in ("pip install -r requirements-dev.txt", "python -m harness sync --sample"):
        assert command in shown and command in readme
    assert f"Created {project.name}." in shown
