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
