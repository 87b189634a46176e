"""Rows and state change together or not at all; a file that is something else is named."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from harness.errors import UsageError
from harness.warehouse import Warehouse


def test_a_state_comes_back_exactly(desk: Any) -> None:
    assert desk.warehouse.state() == {}
    state = {"n": Decimal("1.10"), "big": 2**70, "": [None, True, {"é\0": "\ud800"}], 'a"b': "x"}
    desk.warehouse.set_state(state)
    desk.open()
    assert desk.warehouse.state() == state


def test_reset_drops_tables_and_state(desk: Any) -> None:
    desk.insert({"id": 1})
    desk.warehouse.begin_resync()
    desk.warehouse.reset()
    assert (desk.warehouse.state(), desk.warehouse.tables()) == ({}, [])
    assert not desk.warehouse.resyncing
    desk.insert({"id": "a"})
    assert desk.types() == {"id": "VARCHAR"}


def test_tables_and_state_of_two_upstreams_never_mix(desk: Any) -> None:
    use = desk.warehouse.use_for
    assert use("sample.toml 1") is None
    desk.insert({"id": 1})
    assert use("sample.toml 1") is None
    assert len(desk.rows()) == 1
    assert use("sample.toml 2") == "sample.toml 1"
    assert (desk.warehouse.state(), desk.warehouse.tables()) == ({}, [])
    assert use("sample.toml 3") is None  # there was nothing to drop


def test_after_a_resync_rows_that_were_not_seen_are_marked_and_counted(desk: Any) -> None:
    desk.insert({"id": 1}, {"id": 2}, {"id": 3})
    desk.send(insert={"log": [{"a": 1}], "all": [{"a": 1}]}, softDelete=["all"])
    desk.warehouse.begin_resync()
    assert (desk.warehouse.state(), desk.warehouse.resyncing) == ({}, True)
    desk.open()
    desk.insert({"id": 2})
    desk.send(insert={"log": [{"a": 1}]})
    assert desk.warehouse.finish_resync() == {"all": 1, "item": 2, "log": 1}
    assert [row["_fivetran_deleted"] for row in desk.rows()] == [True, False, True]
    assert [row["_fivetran_deleted"] for row in desk.rows("log")] == [True, False]
    assert not desk.warehouse.resyncing


@pytest.mark.parametrize("schema", ["warehouse", "main", "temp", "Öko Strom", "select"])
def test_a_schema_may_have_any_name_and_the_file_may_be_renamed(
    desk: Any, tmp_path: Path, schema: str
) -> None:
    desk.path = tmp_path / "2" / "warehouse.duckdb"
    desk.path.parent.mkdir()
    desk.open(schema=schema)
    desk.insert({"id": 1}, {"id": 2})
    desk.insert({"id": "x"}, softDelete=["item"])
    desk.warehouse.close()
    moved = desk.path.rename(tmp_path / "moved.duckdb")
    with Warehouse(moved, schema=schema) as warehouse:
        name = warehouse.schema
        assert len(warehouse.rows("item")) == 3
    with duckdb.connect(str(moved)) as database:  # as people query it
        query = f'SELECT count(*), any_value(typeof(id)) FROM moved."{name}".item'
        assert database.execute(query).fetchall() == [(3, "VARCHAR")]


def test_a_file_in_use_is_named(desk: Any) -> None:
    code = f"from harness.warehouse import Warehouse; Warehouse({str(desk.path)!r}, schema='acme')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, env=_env(), text=True)
    assert "UsageError" in found.stderr and "cannot be opened" in found.stderr
    assert "Close what else has it open" in found.stderr


def test_what_is_no_warehouse_of_this_schema_is_named(desk: Any, tmp_path: Path) -> None:
    desk.insert({"id": 1})
    desk.warehouse.close()
    with pytest.raises(UsageError, match="has the tables of the schema acme, not of beta"):
        Warehouse(desk.path, schema="beta")
    for content in ("no database" * 1000, None):
        path = tmp_path / f"{content is None}.duckdb"
        path.write_text(content) if content else path.mkdir()
        with pytest.raises(UsageError, match="cannot be opened") as caught:
            Warehouse(path, schema="acme")
        assert "--warehouse" in caught.value.todo


@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
def test_what_somebody_else_made_is_not_touched(tmp_path: Path, desk: Any, kind: str) -> None:
    desk.warehouse.close()
    with duckdb.connect(str(desk.path)) as database:
        database.execute(f"CREATE {kind} acme.item AS SELECT 7 AS mine")
    desk.open()
    with pytest.raises(UsageError, match='"item" already exists') as caught:
        desk.insert({"id": 1})
    assert "--warehouse" in caught.value.todo
    assert desk.warehouse.state() == {}
    desk.warehouse.close()
    with duckdb.connect(str(desk.path)) as database:
        assert database.execute("FROM acme.item").fetchall() == [(7,)]


def test_a_query_that_is_interrupted_is_no_error_of_the_file(desk: Any) -> None:
    for error in (RuntimeError("Query interrupted"), duckdb.InterruptException("Interrupted!")):
        with pytest.raises(KeyboardInterrupt), desk.warehouse.transaction():
            raise error
    desk.insert({"id": 1})
    assert desk.rows() == [{"id": 1}]


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


def test_a_killed_harness_leaves_the_rows_of_its_state(desk: Any) -> None:
    for wait in (0.0, 0.011, 0.03):
        desk.warehouse.close()
        command = [sys.executable, "-c", APPLY_FOR_EVER, str(desk.path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=_env()) as process:
            assert process.stdout is not None
            for _ in range(2):
                process.stdout.readline()
            time.sleep(wait)
            process.kill()
        desk.open()
        reply = desk.warehouse.state()["reply"]
        assert {row["reply"] for row in desk.rows()} == {reply}
        assert [row["reply"] for row in desk.rows("log")] == list(range(1, reply + 1))


def _env() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
