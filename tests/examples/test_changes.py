"""Records change while an example reads them: chaos with an upstream in which users work."""

from __future__ import annotations

from pathlib import Path

import pytest
from examples.conftest import run

# Around the example's own app: before each of the first requests somebody changes something.
APP = """
import itertools

from harness.sample import made_up
from tests.upstream import app as api
from werkzeug.test import Client

CHANGES = {changes!r}
AUTH = {auth}
numbers = itertools.count(1)


def app(environ, start_response):
    number = next(numbers)
    if number <= 12:
        for method, path, content in CHANGES:
            path = path.format(number * 37, key=number * 37 * 51)
            Client(api).open(path, method=method, **AUTH, **content)
    return api(environ, start_response)
"""
BEARER = '{{"headers": {{"Authorization": "Bearer " + made_up("{}")}}}}'
BASIC = '{{"auth": (made_up("{}"), made_up("apiToken"))}}'
TEXT = {"json": {"summary": "changed", "title": "changed", "subject": "changed"}}
CONTACTS = "/crm/v3/objects/contacts/"
# How the API's users sign in, and what they change.
CASES = {
    "github_issues": (
        BEARER.format("githubToken"),
        [
            ("PATCH", "/repos/octo/app/issues/{}", TEXT),
            ("PATCH", "/repos/octo/docs/issues/7", {"json": {"state": "closed"}}),
        ],
    ),
    "hubspot_contacts": (
        BEARER.format("accessToken"),
        [
            ("PATCH", CONTACTS + "{key}", {"json": {"properties": {"firstname": "Ana"}}}),
            ("DELETE", CONTACTS + "5100", {}),
        ],
    ),
    "jira_issues": (
        BASIC.format("email"),
        [("PUT", "/rest/api/3/issue/APP-{}", {"json": {"fields": TEXT["json"]}})],
    ),
    "stripe_charges": (
        BEARER.format("apiKey"),
        [
            ("POST", "/v1/charges/ch_3MmlLr{:06}", {"data": {"description": "changed"}}),
            ("POST", "/v1/customers/cus_3MmlLr000199", {"data": {"name": "Ana"}}),
            ("DELETE", "/v1/customers/cus_3MmlLr{:06}", {}),
        ],
    ),
    "zendesk_tickets": (
        BASIC.format("user"),
        [
            ("PUT", "/api/v2/tickets/{}.json", TEXT),
            ("DELETE", "/api/v2/tickets/7.json", {}),
            ("PUT", "/api/v2/organizations/{}.json", {"json": {"name": "changed"}}),
        ],
    ),
}


@pytest.mark.parametrize("project", CASES, indirect=True)
def test_changes_while_it_is_read_are_not_lost(
    project: Path, request: pytest.FixtureRequest
) -> None:
    """Lost replies, errors and changes at once; the tables are those of an undisturbed sync."""
    auth, changes = CASES[request.node.callspec.params["project"]]
    text = APP.format(changes=changes, auth=auth)
    (project / "tests" / "changing.py").write_text(text, encoding="utf-8")
    for seed in ("1", "2", "3"):
        upstream = ("--upstream", "tests.changing:app")
        run(project, "-m", "harness", "sync", "--chaos", seed, *upstream)
