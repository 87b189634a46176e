"""A warehouse on a real file, with short ways to send it replies about one entity, `item`."""

from itertools import count
from typing import Any

import pytest
from harness import codec
from harness.protocol.messages import Answer, read
from harness.redact import Redactor
from harness.warehouse import Privacy, Warehouse

Record = dict[str, Any]


class Desk:
    """An open warehouse."""

    def __init__(self, path):
        self.path, self._replies = path, count(1)
        self.warehouse = Warehouse(path, schema="acme")

    def open(self, schema="acme"):
        """Opens the file again, as another command would."""
        self.warehouse.close()
        self.warehouse = Warehouse(self.path, schema=schema, privacy=self.warehouse.privacy)

    def hide(self, *blocked, hashed=()):
        self.warehouse.privacy = Privacy(blocked, hashed)

    def send(self, **parts):
        """Applies a reply as a function would send it."""
        reply = {"state": {"reply": next(self._replies)}, "hasMore": False, **parts}
        answer = Answer(200, "application/json", codec.encode(reply), 0.0)
        return self.warehouse.apply(read(answer, Redactor()))

    def insert(self, *records, key=("id",), **parts):
        """Applies a reply that inserts into `item`."""
        schema = {"item": {"primary_key": list(key)}}
        return self.send(**{"schema": schema, "insert": {"item": list(records)}, **parts})

    def delete(self, *records, **parts):
        """Applies a reply that deletes from `item`."""
        return self.insert(insert={}, delete={"item": list(records)}, **parts)

    def rows(self, table="item"):
        """The rows; of Fivetran's columns with `_fivetran_deleted` alone."""
        hidden = {"_fivetran_batch", "_fivetran_index", "_fivetran_synced"}
        found = self.warehouse.rows(table)
        return [{name: row[name] for name in row if name not in hidden} for row in found]

    def types(self, table="item"):
        """The DuckDB type of each column of the source."""
        (found,) = [each for each in self.warehouse.tables() if each.name == table]
        return {c.name: c.type for c in found.columns if not c.name.startswith("_fivetran")}


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """The desk of all tests: emptying a warehouse is faster than making one."""
    desk = Desk(tmp_path_factory.mktemp("desk") / "warehouse.duckdb")
    yield desk
    desk.warehouse.close()


@pytest.fixture
def desk(shared):
    """A desk with an empty warehouse."""
    shared.warehouse.reset()
    shared.hide()
    return shared


@pytest.fixture
def fresh(tmp_path):
    """A desk with a file of this test's."""
    desk = Desk(tmp_path / "warehouse.duckdb")
    yield desk
    desk.warehouse.close()
