"""Tests this folder's function against Fivetran's rules, with tests/upstream.py as its upstream."""

import requests

from harness.sample import made_up
from harness.stage import Stage
from harness.testing import FunctionConformance


class TestFunction(FunctionConformance):
    """One test per rule; `pytest --verbose` lists them."""

    def test_what_changes_after_it_was_created_arrives_too(self, stage: Stage) -> None:
        charges, customers = stage.server.url + "/v1/charges", stage.server.url + "/v1/customers"
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {made_up('apiKey')}"
        with stage.tables() as tables:
            stage.sync(tables)
            for number in range(1, 31):
                for text in ("first", "second"):
                    session.post(f"{charges}/ch_3MmlLr{number:06}", data={"description": text})
            session.post(f"{customers}/cus_3MmlLr000001", data={"name": "Ana"})
            session.delete(f"{customers}/cus_3MmlLr000001")
            session.delete(f"{customers}/cus_3MmlLr000200")
            stage.sync(tables)
            rows = {table.name: table.rows - table.deleted for table in tables.tables()}
            assert rows == {"charge": 530, "customer": 198}
            stage.check(tables, exactly=True)
