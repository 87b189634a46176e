"""Tests this folder's function against Fivetran's rules, with tests/upstream.py as its upstream."""

from harness.stage import Stage
from harness.testing import FunctionConformance


class TestFunction(FunctionConformance):
    """One test per rule; `pytest --verbose` lists them."""

    def test_closed_issues_and_pull_requests_arrive_too(self, stage: Stage) -> None:
        with stage.tables() as tables:
            stage.sync(tables)
            assert {table.name: table.rows for table in tables.tables()} == {"issue": 840}
