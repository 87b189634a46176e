"""Rows, state and runs in the file: changed together or not at all, found again, never mixed."""

import os
import subprocess
import sys
import time
from decimal import Decimal

import duckdb
import pytest
from harness.errors import UsageError
from harness.warehouse import Warehouse
from harness.warehouse.runs import MOST_RUNS, CallRecord, Runs


def test_a_state_comes_back_exactly(desk):
    assert desk.warehouse.state() == {}
    state = {"n": Decimal("1.10"), "big": 2**70, "": [None, True, {"é\0": "\ud800"}], 'a"b': "x"}
    desk.warehouse.set_state(state)
    desk.open()
    assert desk.warehouse.state() == state


def test_tables_and_state_of_two_upstreams_never_mix(desk):
    use = desk.warehouse.use_for
    assert use("sample.toml 1") is None
    desk.insert({"id": 1})
    desk.warehouse.begin_resync()
    assert use("sample.toml 1") is None
    assert len(desk.rows()) == 1 and desk.warehouse.resyncing
    assert use("sample.toml 2") == "sample.toml 1"
    assert (desk.warehouse.state(), desk.warehouse.tables()) == ({}, [])
    assert not desk.warehouse.resyncing
    assert use("sample.toml 3") is None  # there was nothing to drop
    desk.insert({"id": "a"})
    assert desk.types() == {"id": "VARCHAR"}


@pytest.mark.parametrize("schema", ["warehouse", "main", "temp", "Öko Strom", "select"])
def test_a_schema_may_have_any_name_and_the_file_may_be_renamed(fresh, schema):
    fresh.open(schema)
    fresh.insert({"id": 1}, {"id": 2})
    fresh.insert({"id": "x"}, softDelete=["item"])
    fresh.warehouse.close()
    fresh.path = fresh.path.rename(fresh.path.with_name("moved.duckdb"))
    fresh.open(schema)
    assert len(fresh.rows()) == 3
    fresh.warehouse.close()
    with duckdb.connect(str(fresh.path)) as database:  # as people query it
        name = fresh.warehouse.schema
        query = f'SELECT count(*), any_value(typeof(id)) FROM moved."{name}".item'
        assert database.execute(query).fetchall() == [(3, "VARCHAR")]


def test_what_is_no_warehouse_of_this_schema_or_is_in_use_is_named(fresh, tmp_path):
    code = f"from harness.warehouse import Warehouse; Warehouse({str(fresh.path)!r}, schema='acme')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, env=_env(), text=True)
    assert "UsageError" in found.stderr and "cannot be opened" in found.stderr
    assert "Close what else has it open" in found.stderr
    fresh.insert({"id": 1})
    with pytest.raises(UsageError, match="has the tables of the schema acme, not of beta"):
        fresh.open("beta")
    text, folder = tmp_path / "text.duckdb", tmp_path / "folder.duckdb"
    text.write_text("no database" * 1000)
    folder.mkdir()
    for path in (text, folder):
        with pytest.raises(UsageError, match="cannot be opened") as caught:
            Warehouse(path, schema="acme")
        assert "--warehouse" in caught.value.todo


@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
def test_what_somebody_else_made_is_not_touched(fresh, kind):
    fresh.warehouse.close()
    with duckdb.connect(str(fresh.path)) as database:
        database.execute(f"CREATE {kind} acme.item AS SELECT 7 AS mine")
    fresh.open()
    with pytest.raises(UsageError, match='"item" already exists') as caught:
        fresh.insert({"id": 1})
    assert "--warehouse" in caught.value.todo
    assert fresh.warehouse.state() == {}
    fresh.warehouse.close()
    with duckdb.connect(str(fresh.path)) as database:
        assert database.execute("FROM acme.item").fetchall() == [(7,)]


APPLY_FOR_EVER = """
import sys
from harness.protocol.messages import Reply
from harness.warehouse import Warehouse
with Warehouse(sys.argv[1], schema="acme") as warehouse:
    while True:
        number = warehouse.state().get("reply", 0) + 1
        value = "x" * number if number > 5 else number
        rows = [{"id": index, "reply": number, "v": value} for index in range(500)]
        warehouse.apply(
            Reply(
                state={"reply": number},
                insert={"item": rows, "log": [{"reply": number}]},
                schema={"item": ["id"]},
                soft_delete=["item"],
            )
        )
        print(number, flush=True)
"""


def test_a_killed_harness_leaves_the_rows_of_its_state(fresh):
    for wait in (0.0, 0.011, 0.03):
        fresh.warehouse.close()
        command = [sys.executable, "-c", APPLY_FOR_EVER, str(fresh.path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=_env()) as process:
            for _ in range(2):
                process.stdout.readline()
            time.sleep(wait)
            process.kill()
        fresh.open()
        reply = fresh.warehouse.state()["reply"]
        assert {row["reply"] for row in fresh.rows()} == {reply}
        assert [row["reply"] for row in fresh.rows("log")] == list(range(1, reply + 1))


def _env():
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


def test_the_last_runs_are_there_the_newest_first_until_reset(desk):
    runs = Runs(desk.warehouse)
    for _ in range(MOST_RUNS + 2):
        runs.add_call(runs.begin("sync", "x"), CallRecord(1, 0.0, 0.0))
    found = runs.last()
    assert [record.id for record in found] == list(range(MOST_RUNS + 2, 2, -1))
    assert all(len(record.calls) == 1 for record in found)
    desk.warehouse.reset()
    assert runs.last() == []
