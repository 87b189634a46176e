"""Commands of the harness, typed in the folder of a hand-made function; empty tables."""

import json
import shlex

import handmade
import pytest
from harness.cli import main
from harness.warehouse import Privacy, Warehouse


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Makes a folder whose function has a body, and goes there."""

    def made(body=handmade.GOOD, **connection):
        folder = handmade.make(tmp_path / "project", body, **connection)
        monkeypatch.chdir(folder)
        monkeypatch.delenv("FUNCTION_KEY", raising=False)
        return folder

    return made


@pytest.fixture
def run(capsys):
    """Types a command that ends with a code and shows some texts: what it wrote, on one line."""

    def run(command, *shown, code=0):
        ended, written = main(shlex.split(command)), capsys.readouterr()
        line = " ".join((written.out + written.err).split())
        assert (ended, [text for text in shown if text not in line]) == (code, []), line
        return line

    return run


@pytest.fixture
def result(capsys):
    """Types a command with --json: the one object that it wrote."""

    def result(command):
        code = main([*shlex.split(command), "--json"])
        found = json.loads(capsys.readouterr().out)
        assert found["exit_code"] == code
        return found

    return result


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "warehouse.duckdb"
    with Warehouse(path, schema="acme") as warehouse:
        yield warehouse


@pytest.fixture
def tables(warehouse):
    """An empty warehouse: emptying one is faster than making one."""
    warehouse.reset()
    warehouse.privacy = Privacy()
    return warehouse
