"""Files that are not the harness's, or not as it left them, and a query that is broken off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from harness.errors import UsageError
from harness.warehouse import Warehouse


def test_a_table_of_somebody_elses_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE SCHEMA acme; CREATE TABLE acme.item AS SELECT 7 AS mine")
    reply = {"state": {"at": 1}, "insert": {"item": [{"id": 1}]}, "hasMore": False}
    with Warehouse(path, schema="acme") as warehouse:
        with pytest.raises(UsageError, match=r'"item" is there already, and the harness') as caught:
            warehouse.apply(reply, {})
        assert "--warehouse" in str(caught.value.todo)
        assert warehouse.state() == {}
    with duckdb.connect(str(path)) as database:
        assert database.execute("FROM acme.item").fetchall() == [(7,)]


def test_a_table_that_somebody_changed_is_said_with_the_file(desk: Any) -> None:
    desk.insert({"id": 1})
    desk.warehouse._connection.execute("ALTER TABLE acme.item RENAME COLUMN id TO other")
    with pytest.raises(UsageError, match=r"warehouse\.duckdb: .*id") as caught:
        desk.insert({"id": 2})
    assert "start anew" in str(caught.value.todo)
    desk.warehouse._connection.execute("ALTER TABLE acme.item RENAME COLUMN other TO id")
    desk.insert({"id": 2})
    assert len(desk.rows()) == 2


@pytest.mark.parametrize(
    ("content", "says"), [(b"no database" * 1000, "it is no DuckDB file"), (None, "it is a folder")]
)
def test_what_is_no_warehouse_is_not_called_in_use(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    path = tmp_path / "warehouse.duckdb"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=says) as caught:
        Warehouse(path, schema="acme")
    assert "delete this one and the state file" in str(caught.value.todo)


def test_a_file_of_another_schema_says_that_the_state_goes_with_it(desk: Any) -> None:
    with pytest.raises(UsageError) as caught:
        desk.open(schema="beta")
    assert "delete this one and the state file" in str(caught.value.todo)
    desk.open()


@pytest.mark.parametrize(
    "error", [RuntimeError("Query interrupted"), duckdb.InterruptException("Interrupted!")]
)
def test_a_query_that_is_broken_off_by_hand_is_no_error(desk: Any, error: Exception) -> None:
    """DuckDB says Ctrl-C so, when it looks for it, which is no matter of fractions of a second."""
    with pytest.raises(KeyboardInterrupt), desk.warehouse._catalog():
        raise error
    desk.insert({"id": 1})
    assert desk.rows() == [{"id": 1}]


def test_another_error_of_the_code_stays_what_it_is(desk: Any) -> None:
    with pytest.raises(RuntimeError, match="other"), desk.warehouse._catalog():
        raise RuntimeError("other")
