"""Rows and state change together or not at all."""

import os
import shutil
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from harness.errors import ProtocolBroken, UsageError
from harness.warehouse import Warehouse


def test_a_new_warehouse_has_an_empty_state(desk: Any) -> None:
    assert (desk.warehouse.state(), desk.warehouse.previous_state()) == ({}, None)


def test_a_reply_leaves_its_state_and_the_one_that_it_was_called_with(desk: Any) -> None:
    desk.warehouse.apply({"state": {"a": 1}}, {})
    desk.warehouse.apply({"state": {"a": 2}}, {"a": 1})
    desk.open()
    assert (desk.warehouse.state(), desk.warehouse.previous_state()) == ({"a": 2}, {"a": 1})


def test_a_state_comes_back_exactly(desk: Any) -> None:
    state = {"n": Decimal("1.10"), "big": 2**70, "": [None, True, {"é\0": "\ud800"}], 'a"b': "x"}
    desk.warehouse.set_state(state)
    assert desk.warehouse.state() == state


def test_a_reply_that_fails_leaves_nothing(desk: Any) -> None:
    desk.insert({"id": 1, "a": 1})
    before = desk.warehouse.state(), desk.warehouse.tables()
    with pytest.raises(ProtocolBroken):
        desk.send(
            insert={"item": [{"id": "x", "a": "wide", "b": "new"}], "other": [{"no": "key"}]},
            schema={"item": {"primary_key": ["id"]}, "other": {"primary_key": ["id"]}},
            softDelete=["item"],
        )
    assert (desk.warehouse.state(), desk.warehouse.tables()) == before
    assert desk.rows() == [{"id": 1, "a": 1}]


def test_reset_drops_tables_and_state(desk: Any) -> None:
    desk.insert({"id": 1})
    desk.warehouse.reset()
    assert (desk.warehouse.state(), desk.warehouse.tables()) == ({}, [])
    desk.insert({"id": "a"}, key=("id",))
    assert desk.types() == {"id": "VARCHAR"}


@pytest.mark.parametrize("change", ["reset", "begin_resync"])
def test_what_empties_the_state_remembers_the_one_before(desk: Any, change: str) -> None:
    desk.warehouse.set_state({"a": 1})
    getattr(desk.warehouse, change)()
    assert (desk.warehouse.state(), desk.warehouse.previous_state()) == ({}, {"a": 1})


def test_after_a_resync_rows_that_were_not_seen_are_marked(desk: Any) -> None:
    desk.insert({"id": 1}, {"id": 2}, {"id": 3})
    desk.warehouse.begin_resync()
    desk.insert({"id": 2})
    assert desk.warehouse.resyncing
    assert desk.warehouse.finish_resync() == {"item": 2}
    assert [row["_fivetran_deleted"] for row in desk.rows()] == [True, False, True]
    assert not desk.warehouse.resyncing


def test_a_resync_goes_on_after_the_file_was_closed(desk: Any) -> None:
    desk.insert({"id": 1}, {"id": 2})
    desk.warehouse.begin_resync()
    desk.open(clock=lambda: 5)
    desk.insert({"id": 2})
    desk.open(clock=lambda: 5)
    assert desk.warehouse.finish_resync() == {"item": 1}


def test_a_resync_marks_appended_rows_of_before(desk: Any) -> None:
    desk.insert({"a": 1}, key=None)
    desk.warehouse.begin_resync()
    desk.insert({"a": 1}, key=None)
    desk.warehouse.finish_resync()
    assert [row["_fivetran_deleted"] for row in desk.rows()] == [True, False]


def test_a_resync_leaves_blocked_tables_alone(desk: Any) -> None:
    desk.insert({"id": 1})
    desk.open(blocked={"item"})
    desk.warehouse.begin_resync()
    assert desk.warehouse.finish_resync() == {}
    assert desk.rows() == [{"id": 1}]


def test_a_resync_that_marks_nothing_makes_no_column(desk: Any) -> None:
    desk.insert({"id": 1})
    desk.warehouse.begin_resync()
    desk.insert({"id": 1})
    assert desk.warehouse.finish_resync() == {"item": 0}
    assert desk.rows() == [{"id": 1}]


def test_no_resync_can_be_finished_that_was_not_begun(desk: Any) -> None:
    with pytest.raises(UsageError, match="No re-sync"):
        desk.warehouse.finish_resync()


def test_a_file_in_use_is_an_error_that_says_so(desk: Any) -> None:
    code = f"from harness.warehouse import Warehouse; Warehouse({str(desk.path)!r}, schema='acme')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, env=_env(), text=True)
    assert "UsageError" in found.stderr and "cannot be opened" in found.stderr


def test_a_file_that_is_no_warehouse_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.write_text("no database, but long enough to look at" * 1000)
    with pytest.raises(UsageError, match="cannot be opened"):
        Warehouse(path, schema="acme")


def test_a_file_of_another_schema_is_an_error(desk: Any) -> None:
    with pytest.raises(UsageError, match="holds the schema acme, not beta"):
        desk.open(schema="beta")
    desk.open(schema="acme")


@pytest.mark.parametrize("schema", ["warehouse", "main", "temp", "Öko Strom", "select"])
def test_a_schema_may_have_any_name(desk: Any, tmp_path: Path, schema: str) -> None:
    desk.path = tmp_path / "2" / "warehouse.duckdb"
    desk.path.parent.mkdir()
    desk.open(schema=schema)
    desk.insert({"id": 1}, {"id": 2})
    desk.insert({"id": "x"}, softDelete=["item"])
    desk.open(schema=schema)
    assert len(desk.rows()) == 3


def test_the_harness_keeps_its_own_schema_to_itself(desk: Any) -> None:
    with pytest.raises(UsageError, match="_harness"):
        desk.open(schema="_harness")


def test_sql_in_the_warehouse_reaches_no_other_file(desk: Any, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("secret\n1\n")
    with pytest.raises(duckdb.PermissionException):
        desk.warehouse._connection.execute(f"SELECT * FROM '{tmp_path / 'other.csv'}'")


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (1, 70_000),
        (2**40, Decimal("0.5")),
        (Decimal("12.50"), Decimal("1E+300")),
        (Decimal("12.50"), "x"),
        (Decimal("1E+300"), "x"),
        (True, "x"),
        ("2026-01-05", "x"),
        ("2026-01-05T08:30:00.120+05:30", "x"),
        ({"a": 1}, "x"),
    ],
)
def test_a_file_left_by_a_kill_after_a_column_widened_opens_again(
    desk: Any, tmp_path: Path, narrow: Any, wide: Any
) -> None:
    desk.insert({"id": 1, "v": narrow})
    desk.open()
    desk.insert({"id": 2, "v": wide})
    for path in (desk.path, Path(f"{desk.path}.wal")):
        shutil.copy(path, tmp_path / f"left-{path.name}")
    with Warehouse(tmp_path / f"left-{desk.path.name}", schema="acme") as left:
        assert left.rows("item") == desk.warehouse.rows("item")


APPLY_FOR_EVER = """
import sys
from harness.warehouse import Warehouse
with Warehouse(sys.argv[1], schema="acme") as warehouse:
    while True:
        state = warehouse.state()
        reply = state.get("reply", 0) + 1
        value = "x" * reply if reply > 5 else reply
        rows = [{"id": index, "reply": reply, "v": value} for index in range(500)]
        warehouse.apply(
            {
                "state": {"reply": reply},
                "insert": {"item": rows, "log": [{"reply": reply}]},
                "schema": {"item": {"primary_key": ["id"]}},
                "softDelete": ["item"],
            },
            state,
        )
        print(reply, flush=True)
"""


def test_a_killed_harness_leaves_the_rows_of_its_state(desk: Any) -> None:
    desk.warehouse.close()
    for wait in (0.0, 0.003, 0.011, 0.019, 0.03):
        command = [sys.executable, "-c", APPLY_FOR_EVER, str(desk.path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=_env()) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.readline()
            time.sleep(wait)
            process.kill()
        desk.open()
        reply = desk.warehouse.state()["reply"]
        assert desk.warehouse.previous_state() == ({"reply": reply - 1} if reply > 1 else {})
        assert {row["reply"] for row in desk.rows()} == {reply}
        assert [row["reply"] for row in desk.rows("log")] == list(range(1, reply + 1))
        desk.warehouse.close()


def _env() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
