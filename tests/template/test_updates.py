"""cruft, which records the answers of a project, brings later versions of the template to it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from template.conftest import GENERATED

# Not the settings of whoever runs the tests.
GIT = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **GIT, "HOME": str(folder)},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr


def commit(folder: Path) -> None:
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "change")


def test_an_update_brings_the_template_s_files_and_leaves_the_user_s(
    template: Path, tmp_path: Path
) -> None:
    """connector/ is replaced, a change of README.md is merged, fetch.py and secrets stay."""
    origin = shutil.copytree(template, tmp_path / "template")
    run(origin, "git", "init", "--quiet", "--initial-branch", "main")
    commit(origin)
    cruft = (sys.executable, "-m", "cruft")
    context = '{"project_name": "Shop", "entity": "item"}'
    run(tmp_path, *cruft, "create", str(origin), "--no-input", "--extra-context", context)
    project = tmp_path / "shop"
    mine = {"fetch.py": "mine = 1\n", "sample.toml": "mine = 1\n", "connection.json": "{}\n"}
    for name, text in mine.items():
        (project / name).write_text(text, encoding="utf-8")
    readme = (project / "README.md").read_text(encoding="utf-8")
    (project / "README.md").write_text(readme.replace("# Shop", "# My shop"), encoding="utf-8")
    run(project, "git", "init", "--quiet", "--initial-branch", "main")
    commit(project)

    for name in ("connector/README.md", "fetch.py", "README.md", "connection.example.json"):
        with (origin / GENERATED / name).open("a", encoding="utf-8", newline="\n") as file:
            file.write("\nnew in the template\n")
    commit(origin)
    run(project, *cruft, "update", "--skip-apply-ask", "--refresh-private-variables")

    assert {name: (project / name).read_text(encoding="utf-8") for name in mine} == mine
    assert "new in the template" in (project / "connector/README.md").read_text(encoding="utf-8")
    merged = (project / "README.md").read_text(encoding="utf-8")
    assert merged.startswith("# My shop") and merged.endswith("\nnew in the template\n")
    assert list(project.rglob("*.rej")) == []
