"""What chaos and an app of the project's own ask of the sample's server and of sample.toml."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests
from harness.sample import Own, Sample, SampleError, made_up

from .conftest import SAMPLE

BY_CHANGE = "nulls = []\nby_change = true"


def write(folder: Path, old: str, new: str) -> Path:
    path = folder / "sample.toml"
    text = SAMPLE.replace('kind = "bearer"\nsecrets = ["apiToken"]', 'kind = "none"')
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_positions_count_by_change_where_sample_toml_says_so(tmp_path: Path) -> None:
    sample = Sample.load(write(tmp_path, "nulls = []", BY_CHANGE))
    with sample.serve() as server:
        changed = server.change(update=1, seed=1)["thing"].updated[0]
        pages = [
            requests.get(f"{server.url}/things", {"page": page, "limit": 50}, timeout=5).json()
            for page in range(1, 6)
        ]
    rows = [row for page in pages for row in page["data"]]
    assert [row["updated_at"] for row in rows] == sorted(row["updated_at"] for row in rows)
    assert rows[-1]["id"] == changed["id"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('pagination = "page_number"\n', 'pagination = "link_header"\n', "is said of positions"),
        ('cursor = "updated_at"\n', "", "needs cursor"),
        ("nulls = []\n", "nulls = []\nnewest_first = true\n", "does not go with newest_first"),
    ],
)
def test_by_change_is_refused_where_it_means_nothing(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    path = write(tmp_path, "nulls = []", BY_CHANGE)
    text = path.read_text(encoding="utf-8").replace('since = "updated_since"\n', "")
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(SampleError, match=rf"by_change: .*{says}"):
        Sample.load(path)


def test_a_plain_wsgi_app_keeps_its_connection(tmp_path: Path) -> None:
    """It gives no Content-Length and leaves request bodies unread, as small apps do."""

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["REQUEST_METHOD"].encode(), b"!"]

    with Own(app, "upstream:app", []).serve() as server, requests.Session() as session:
        got = [session.post(server.url, data=b"x" * 100_000, timeout=5).text for _ in range(3)]
        assert got == ["POST!"] * 3
        assert session.get(server.url, timeout=5).headers["Content-Length"] == "4"


def test_an_app_may_read_the_body(tmp_path: Path) -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    with Own(app, "upstream:app", []).serve() as server:
        assert requests.post(server.url, data=b"hello", timeout=5).text == "hello"


def test_an_app_in_tests_is_imported_anew_and_leaves_no_module_behind(tmp_path: Path) -> None:
    """tests/ is not published to Azure; its modules find each other, and two runs share nothing."""
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "data.py").write_text("seen = []\n", encoding="utf-8")
    (folder / "upstream.py").write_text(
        "from tests.data import seen\n\n\ndef app(environ, start_response):\n"
        "    seen.append(1)\n    start_response('200 OK', [])\n"
        "    return [str(len(seen)).encode()]\n",
        encoding="utf-8",
    )
    before = {name for name in sys.modules if name.partition(".")[0] == "tests"}
    for _ in range(2):
        with Own.load(tmp_path, "tests.upstream:app", []).serve() as server:
            assert [requests.get(server.url, timeout=5).text for _ in "ab"] == ["1", "2"]
    assert before == {name for name in sys.modules if name.partition(".")[0] == "tests"}


def test_a_foreign_package_named_tests_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, name in (("foreign", "__init__"), ("foreign", "upstream"), ("project", "upstream")):
        path = tmp_path / folder / "tests" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = f"def app(environ, start):\n    start('200 OK', [])\n    return [b'{folder}']\n"
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "foreign")
    foreign = ModuleType("tests")
    monkeypatch.setitem(sys.modules, "tests", foreign)
    own = Own.load(tmp_path / "project", "tests.upstream:app", [])
    with own.serve() as server:
        assert requests.get(server.url, timeout=5).text == "project"
    assert sys.modules["tests"] is foreign


def test_secrets_of_an_app_are_made_up() -> None:
    own = Own(lambda environ, start_response: [], "upstream:app", ["apiToken"])
    assert own.secrets() == {"apiToken": made_up("apiToken")}
    assert made_up("apiToken") != made_up("apiKey")
