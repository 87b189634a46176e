"""Declarations that contradict themselves are refused where they stand."""

from datetime import datetime, timedelta

import connector
import pytest
from connector import Page

from .scripted import one, reading, source

DAY = timedelta(days=1)


def refused(declare):
    """What the refusal of a declaration says; it is a ValueError too."""
    with pytest.raises(connector.ConnectorError) as caught:
        declare()
    assert isinstance(caught.value, ValueError)
    return str(caught.value)


OPTIONS = [
    ({"primary_key": "id"}, 'primary_key=["id"]'),
    ({"primary_key": ["id", "id"]}, "list of columns"),
    ({"primary_key": [""]}, "list of columns"),
    ({"cursor": ""}, "cursor is blank"),
    *(({"cursor_type": kind}, "%d.%m.%Y") for kind in ("", "iso", "Epoch", "seconds")),
    *(({"cursor_type": form}, "does not say which") for form in (
        "%H:%M", "%d.%m. %H:%M", "%d %Y", "%I:%M %d.%m.%Y", "%Y-%m-%d %M", "%Y-%U",
    )),
    *(({"cursor_type": form}, "not a strptime form") for form in (
        "%Q", "%-d.%m.%Y", "%s", "%d %d %Y", "100%",
    )),
    *(({"timezone": zone}, "IANA") for zone in (
        "Mars/Olympus", "../etc/passwd", "America", "", "EST5EDT6",
    )),
    ({"start": datetime(2025, 1, 1)}, "no time zone"),
    ({"order": "up"}, "order is 'up'"),
    ({"order": "asc", "cursor": None}, "order needs cursor="),
    ({"window": DAY, "start": "2020-01-01", "cursor": None}, "window needs cursor="),
    ({"window": DAY}, "window needs start"),
    ({"window": timedelta(0), "start": "2020-01-01"}, "window is 0:00:00"),
    ({"window": DAY, "start": 1, "cursor_type": "sequence"}, "window is a duration"),
    ({"lookback": DAY, "cursor": None}, "lookback needs cursor="),
    ({"lookback": timedelta(seconds=-1)}, "lookback is -1"),
    ({"lookback": DAY, "cursor_type": "sequence"}, "lookback is a duration"),
    ({"lookback": DAY, "cursor_type": "text"}, "lookback is a duration"),
    ({"lookback": DAY, "primary_key": []}, "lookback without a primary_key"),
    ({"page_size": 0}, "page_size"),
    ({"soft_delete": "yes", "cursor": None}, "soft_delete is 'yes'"),
    ({"soft_delete": True}, "leave out cursor"),
    ({"soft_delete": True, "cursor": None, "primary_key": []}, "soft_delete needs a primary_key"),
    ({"tables": {"Order Line": ["id"]}}, "Order Line"),
    ({"tables": {"part": "id"}}, 'primary_key=["id"]'),
    ({"tables": {"thing": ["key"]}}, "leave it out"),
    ({"tables": {"part": []}}, "table 'part' needs a primary key"),
    *(({"name": name}, "[a-z][a-z0-9_]*") for name in (
        "Thing", "1thing", "thing-x", "", "thing ", "_sync", "thíng",
    )),
    # Of another type.
    ({"window": 3600, "start": "2020-01-01"}, "window is 3600; it must be like window=timedelta("),
    ({"lookback": "5m"}, "lookback is '5m'; it must be like lookback=timedelta(minutes=5)"),
    ({"page_size": "10"}, "page_size is '10'; it must be like page_size=100"),
    ({"tables": ["part"]}, "tables is ['part']; it must be like tables={"),
    *(({name: 5}, f"{name} is 5; it must") for name in ("cursor", "cursor_type", "timezone")),
    *(({"page_size": size}, f"page_size is {size}; it must be like") for size in (None, True)),
    ({"primary_key": None}, 'primary_key=["id"]'),
]  # fmt: skip


@pytest.mark.parametrize(("options", "text"), OPTIONS, ids=str)
def test_a_declaration_that_contradicts_itself_is_refused_where_it_stands(options, text):
    assert text in refused(lambda: one(**options))


def test_a_strptime_form_that_names_a_time_is_taken():
    for form in ("%Y", "%G-W%V-%u", "%c", "%b %d, %Y, %I %p", "%%%Y%m%d%H%M%S", "%d-%b-%y %z"):
        one(cursor_type=form)


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ({}, {"name": "thing"}, "declared twice"),
        ({}, {"tables": {"thing": ["key"]}}, "it must be the same"),
        ({"soft_delete": True}, {"tables": {"thing": ["id"]}}, "has soft_delete"),
        ({"tables": {"other": ["id"]}}, {"soft_delete": True}, "has soft_delete"),
    ],
    ids=str,
)
def test_a_declaration_that_contradicts_another_is_refused(first, second, text):
    made = source()
    reading(made, primary_key=["id"], **first)
    second = {"name": "other", "primary_key": ["id"], **second}
    assert text in refused(lambda: reading(made, **second))


@pytest.mark.parametrize(
    "step", [lambda: Page(), lambda fetch, page: Page(), lambda *, fetch: Page()]
)
def test_a_step_takes_one_argument(step):
    assert "a step takes one argument" in refused(lambda: source().entity("thing")(step))
    source().entity("thing")(lambda fetch, size=10: Page())


SOURCES = [
    *(({"base_url": url}, "it must start with https://") for url in (
        "http://api.example.com", "api.example.com", "ftp://x.y", "",
        "https://api.example.com/v1?x=1", "https://api.example.com/v1#part",
        "https://user:word@api.example.com", "https://{a b}.example.com",
        "https://api.example.com/{", "https://api example.com",
    )),
    *(({"allowed_hosts": [host]}, "is not a host name") for host in (
        "files.example.com:8443", "https://files.example.com", "*.x.y", "",
    )),
    *(({name: "one"}, "are lists") for name in ("secrets", "payload", "allowed_hosts")),
    ({"workers": 0}, "workers is 0"),
    ({"workers": "4"}, "workers is '4'; it must be like workers=4"),
    ({"workers": None}, "workers is None; it must be like workers=4"),
    ({"headers": ["x"]}, "headers is ['x']; it must be like"),
    ({"auth": connector.BearerToken}, 'auth must be like auth=BearerToken("apiToken")'),
    ({"auth": "made-up-token-1"}, 'auth must be like auth=BearerToken("apiToken")'),
]  # fmt: skip


@pytest.mark.parametrize(("options", "text"), SOURCES, ids=str)
def test_a_source_that_contradicts_itself_is_refused(options, text):
    said = refused(lambda: source(**options))
    assert text in said and "made-up-token-1" not in said
