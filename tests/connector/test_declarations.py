"""Declarations that contradict themselves are refused where they stand."""

from datetime import timedelta
from typing import Any

import connector
import pytest
from connector import Page

from .scripted import one, source


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"primary_key": "id"}, 'primary_key=["id"]'),
        ({"cursor_type": "seconds"}, "cursor_type"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"order": "up"}, "order"),
        ({"order": "asc", "cursor": None}, "order needs cursor"),
        ({"window": timedelta(days=1)}, "window needs start"),
        ({"window": timedelta(0), "start": "2020-01-01"}, "window"),
        ({"lookback": timedelta(seconds=-1)}, "lookback"),
        ({"lookback": timedelta(1), "cursor_type": "sequence"}, "lookback"),
        ({"page_size": 0}, "page_size"),
        ({"page_size": True}, "page_size"),
        ({"soft_delete": "yes", "cursor": None}, "soft_delete"),
        ({"tables": {"Order Line": ["id"]}}, "Order Line"),
        ({"tables": {"part": "id"}}, 'primary_key=["id"]'),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused_where_it_stands(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(connector.ConnectorError) as caught:
        one(**options)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["Thing", "1thing", "thing-x", "", "thing ", "_sync", "thíng"])
def test_an_entitys_name_is_a_tables_name(name: str) -> None:
    with pytest.raises(connector.ConnectorError, match=r"\[a-z\]\[a-z0-9_\]\*"):
        source().entity(name)(lambda fetch: Page())


@pytest.mark.parametrize(
    "step",
    [lambda: Page(), lambda fetch, page: Page(), lambda *, fetch: Page()],
    ids=["none", "two", "by name"],
)
def test_a_step_takes_one_argument(step: Any) -> None:
    with pytest.raises(connector.ConnectorError, match="a step takes one argument"):
        source().entity("thing")(step)


def test_a_step_may_have_arguments_with_defaults() -> None:
    source().entity("thing")(lambda fetch, size=10: Page())


def test_an_entity_is_declared_once() -> None:
    made = one()
    with pytest.raises(connector.ConnectorError, match="declared twice"):
        made.entity("thing")(lambda fetch: Page())


def test_a_table_has_one_primary_key_wherever_it_is_declared() -> None:
    made = one()
    with pytest.raises(connector.ConnectorError, match="a schema never varies"):
        made.entity("other", tables={"thing": ["key"]})(lambda fetch: Page())


@pytest.mark.parametrize("url", ["http://api.example.com", "api.example.com", "ftp://x.y", ""])
def test_a_base_url_is_https_or_localhost(url: str) -> None:
    with pytest.raises(connector.ConnectorError, match="https://"):
        source(base_url=url)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1?x=1",
        "https://api.example.com/v1#part",
        "https://user:word@api.example.com",
        "https://{a b}.example.com",
        "https://api.example.com/{",
        "https://api example.com",
        None,
    ],
)
def test_a_base_url_is_what_paths_can_be_appended_to(url: Any) -> None:
    with pytest.raises(connector.ConnectorError, match=r"no user name, no \? and no #"):
        source(base_url=url)


@pytest.mark.parametrize("host", ["files.example.com:8443", "https://files.example.com", "*.x.y"])
def test_an_allowed_host_is_a_name(host: str) -> None:
    with pytest.raises(connector.ConnectorError, match="no host's name"):
        source(allowed_hosts=[host])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"primary_key": ["id", "id"]}, "list of columns"),
        ({"primary_key": [""]}, "list of columns"),
        ({"primary_key": None}, "list of columns"),
        ({"cursor": ""}, "cursor is ''"),
        ({"cursor": ["at"]}, "cursor is ['at']"),
        ({"window": 5, "start": "2020-01-01"}, "window is 5; it is a duration"),
        ({"lookback": 300}, "lookback is 300; it is a duration"),
        ({"tables": {"thing": ["key"]}}, "leave it out"),
        ({"tables": {"part": []}}, "table 'part' needs a primary key"),
    ],
)
def test_what_would_go_wrong_later_is_refused_at_once(options: dict[str, Any], said: str) -> None:
    with pytest.raises(connector.ConnectorError) as caught:
        one(**options)
    assert said in str(caught.value)


def test_a_star_import_brings_the_public_names_alone() -> None:
    brought: dict[str, Any] = {}
    exec("from connector import *", brought)
    assert brought.keys() - {"__builtins__"} == set(connector.__all__)
    assert "Source" in connector.__all__ and "state" not in connector.__all__
