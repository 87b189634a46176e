"""Tests this folder's function against Fivetran's rules, with tests/upstream.py as its upstream."""

import requests

from harness.sample import made_up
from harness.stage import Stage
from harness.testing import FunctionConformance


class TestFunction(FunctionConformance):
    """One test per rule; `pytest --verbose` lists them."""

    def test_what_changes_and_what_is_deleted_arrives_with_the_next_sync(
        self, stage: Stage
    ) -> None:
        url, session = stage.server.url + "/api/v2", requests.Session()
        session.auth = (made_up("user"), made_up("apiToken"))
        with stage.tables() as tables:
            stage.sync(tables)
            session.put(f"{url}/tickets/1.json", json={"subject": "changed"})
            session.delete(f"{url}/tickets/2.json")
            session.put(f"{url}/organizations/1.json", json={"name": "changed"})
            stage.sync(tables)
            stage.check(tables, exactly=True)
            rows = {table.name: table.rows - table.deleted for table in tables.tables()}
            assert rows == {"ticket": 2339, "organization": 2200}
