"""The CI files, held against the schemas of their kinds and against zizmor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from publish.conftest import Bake

SCHEMAS = {
    "github": (["--builtin-schema", "vendor.github-workflows"], ".github/workflows/test.yml"),
    "azure_pipelines": (
        # The schema's patterns are no valid Unicode ones; `${{ if }}` is resolved before.
        [
            *("--builtin-schema", "vendor.azure-pipelines"),
            *("--data-transform", "azure-pipelines", "--regex-variant", "nonunicode"),
        ],
        "azure-pipelines.yml",
    ),
}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of this environment."""
    return subprocess.run(
        [str(Path(sys.executable).with_name(command[0])), *command[1:]],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


@pytest.mark.parametrize("ci", SCHEMAS)
def test_the_file_is_of_its_kind(bake: Bake, ci: str) -> None:
    """check-jsonschema's copy of the published schema takes it."""
    options, name = SCHEMAS[ci]
    done = run("check-jsonschema", *options, str(bake(ci=ci) / name))
    assert done.returncode == 0, done.stdout


def test_zizmor_finds_nothing(bake: Bake) -> None:
    """Not even what its pedantic persona calls a smell."""
    done = run("zizmor", "--offline", "--persona", "pedantic", str(bake(ci="github")))
    assert done.returncode == 0, done.stdout
    assert "No findings to report" in done.stdout


@pytest.mark.parametrize("ci", SCHEMAS)
def test_nothing_secret_is_asked_for(bake: Bake, ci: str) -> None:
    """Deploying needs an identity that Azure trusts, and no secret, key or publish profile."""
    text = (bake(ci=ci) / SCHEMAS[ci][1]).read_text(encoding="utf-8")
    for word in ("secrets.", "publish-profile", "creds:", "password", "client-secret"):
        assert word not in text
