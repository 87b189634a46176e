"""Tests this folder's function against Fivetran's rules, with tests/upstream.py as its upstream."""

import requests

from harness.sample import made_up
from harness.stage import Stage
from harness.testing import FunctionConformance


class TestFunction(FunctionConformance):
    """One test per rule; `pytest --verbose` lists them."""

    def test_more_contacts_than_one_search_gives_arrive(self, stage: Stage) -> None:
        with stage.tables() as tables:
            stage.sync(tables)
            rows = {table.name: table.rows - table.deleted for table in tables.tables()}
            assert rows == {"contact": 1188}

    def test_a_contact_that_is_deleted_goes(self, stage: Stage) -> None:
        url = f"{stage.server.url}/crm/v3/objects/contacts/51"
        with stage.tables() as tables:
            stage.sync(tables)
            bearer = {"Authorization": f"Bearer {made_up('accessToken')}"}
            assert requests.delete(url, headers=bearer).status_code == 204
            stage.sync(tables)
            stage.check(tables, exactly=True)
            assert [table.rows - table.deleted for table in tables.tables()] == [1187]
