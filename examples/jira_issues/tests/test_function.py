"""Tests this folder's function against Fivetran's rules, with tests/upstream.py as its upstream."""

import requests

from harness.sample import made_up
from harness.stage import Stage
from harness.testing import FunctionConformance


class TestFunction(FunctionConformance):
    """One test per rule; `pytest --verbose` lists them."""

    def test_the_hour_that_a_clock_change_leaves_out_hides_nothing(self, stage: Stage) -> None:
        with stage.tables() as tables:
            stage.sync(tables)
            assert tables.state() == {"issue": "2026-03-08T03:02:00.000-0700"}
            (again,) = stage.sync(tables)
            assert b'"2026-03-08T03:02:00.000-0700"' in again.answer.body.partition(b"insert")[2]
            assert b'"2026-03-08T01:59:50.000-0800"' in again.answer.body

    def test_a_changed_issue_arrives_with_the_next_sync(self, stage: Stage) -> None:
        login = (made_up("email"), made_up("apiToken"))
        url = f"{stage.server.url}/rest/api/3/issue/APP-1"
        with stage.tables() as tables:
            stage.sync(tables)
            requests.put(url, json={"fields": {"summary": "changed"}}, auth=login)
            stage.sync(tables)
            stage.check(tables, exactly=True)
