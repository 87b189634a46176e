"""docs/opentelemetry.md: its code, run with the real libraries and an in-memory exporter."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from harness.sample import load
from publish.conftest import Bake

SPANS = Path(__file__).parent / "spans.py"


def follow(project: Path) -> dict[str, str]:
    """Do in the project's files what the page says, and give the app settings that it names."""
    page = (project / "docs" / "opentelemetry.md").read_text(encoding="utf-8")
    module, line = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (project / "telemetry.py").write_text(module, encoding="utf-8", newline="\n")
    put_before(project / "fetch.py", line)
    (packages,) = re.findall(r"^In `requirements.txt`: (.*)\.$", page, re.M)
    put_before(project / "requirements.txt", "\n".join(re.findall("`(.*?)`", packages)) + "\n")
    (member,) = re.findall(r"^In `host.json`, at the top: `(.*)`\.$", page, re.M)
    host = json.loads((project / "host.json").read_text(encoding="utf-8"))
    host |= json.loads(f"{{{member}}}")
    (project / "host.json").write_text(json.dumps(host), encoding="utf-8", newline="\n")
    return dict(re.findall(r"^- `(\w+)=(\w+)`", page, re.M))


def put_before(file: Path, text: str) -> None:
    """Write something at the beginning of a file."""
    whole = text + file.read_text(encoding="utf-8")
    file.write_text(whole, encoding="utf-8", newline="\n")


def spans_of(project: Path) -> tuple[list[Any], list[str], str]:
    """The spans of a good and a bad call, the secrets, and the second call's error."""
    sample = load(project)
    with sample.serve() as upstream:
        done = subprocess.run(
            [sys.executable, str(SPANS), upstream.url],
            cwd=project,
            env={**os.environ, **sample.secrets()},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    good, bad = said["replies"]
    assert len(good["insert"]["transaction"]) == 2500
    return said["spans"], list(sample.secrets().values()), bad["errorMessage"]


@pytest.fixture
def project(bake: Bake, tmp_path: Path) -> Path:
    """A project whose secret travels in the query."""
    return shutil.copytree(bake(auth="api_key_query"), tmp_path / "project")


def test_spans_would_show_the_secret(project: Path) -> None:
    """What the page warns of: left alone, URLs and exceptions in the spans hold the API key."""
    spans, (secret,), _ = spans_of(project)
    urls = [span["attributes"]["http.url"] for span in spans]
    assert any(secret in url for url in urls)
    assert any(secret in json.dumps(span["events"]) for span in spans)


def test_the_pages_code_keeps_the_secret_out(project: Path) -> None:
    """With it there is still a span per request, and in none of them a query or the secret."""
    follow(project)
    spans, (secret,), error = spans_of(project)
    assert secret not in json.dumps(spans)
    urls = [span["attributes"]["http.url"] for span in spans]
    assert len([url for url in urls if url.endswith("/transactions")]) == len(urls) > 25
    refused = [span for span in spans if span["status"]["status_code"] == "ERROR"]
    assert refused and all(span["status"]["description"] for span in refused)
    assert "127.0.0.1:9" in error


def test_the_token_of_oauth2_is_no_exception(bake: Bake, tmp_path: Path) -> None:
    """The request for a token has a span, and no span has a credential."""
    project = shutil.copytree(bake(auth="oauth2_client_credentials"), tmp_path / "project")
    follow(project)
    spans, secrets, _ = spans_of(project)
    assert any(span["attributes"]["http.url"].endswith("/oauth/token") for span in spans)
    assert not any(secret in json.dumps(spans) for secret in secrets)


def test_the_pages_code_is_as_clean_as_the_project(project: Path) -> None:
    """Lint, format and types have nothing against it, with the project's own settings."""
    follow(project)
    for command in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]):
        files = ["telemetry.py", "fetch.py"]
        done = subprocess.run(
            [sys.executable, "-m", *command, *files], cwd=project, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout
