"""What a step finds in a reply, and its lower bound in other forms."""

from collections.abc import Callable
from typing import Any

import pytest
from connector import Fetch, Page, Response
from connector.testing import Reply

from .play import Player
from .scripted import Upstream, iso, script, source

pytestmark = pytest.mark.usefixtures("clock")


def seen(body: Any, look: Callable[[Response], Any], **headers: str) -> Any:
    """What a step finds in a reply."""
    made, found = source(), []

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        found.append(look(fetch.get("/thing")))
        return Page()

    upstream = Upstream(lambda _: Reply(json=body, headers=headers))
    assert Player(made, upstream).sync().error == ""
    return found[0]


def error(look: Callable[[Fetch], Any], reply: Any = None, **options: Any) -> tuple[str, int]:
    """The error of a step that does this, and how many requests it made."""
    made = source(**options)

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        look(fetch)
        return Page()

    upstream = Upstream(lambda _: {} if reply is None else reply)
    return Player(made, upstream).sync().error, len(upstream.asked)


@pytest.mark.parametrize(
    ("body", "path", "value"),
    [
        ({"next": "b"}, "next", "b"),
        ({"meta": {"next": {"id": 7}}}, "meta.next", {"id": 7}),
        ({"meta": {"next": None}}, "meta.next", None),
        ({"@odata.nextLink": "u"}, "@odata.nextLink", "u"),
        ({"a": {"@odata.nextLink": "u"}}, "a.@odata.nextLink", "u"),
        ({"@search.next": {"skip": 5}}, "@search.next.skip", 5),
        ({"a": {"b.c": {"d.e.f": {"g": 1}}}}, "a.b.c.d.e.f.g", 1),
        ({"a.b": {"c": 1}, "a": {"b": {"c": 2}}}, "a.b.c", 1),
        ({"a.b": {"x": 1}, "a": {"b": {"c": 2}}}, "a.b.c", 2),
        ({"a.b": None, "a": {"b.c": [3]}}, "a.b.c", [3]),
        ({"a.": {".b": 4}}, "a...b", 4),
        ({"n": {"x": 1}}, "n.x", 1),
        ({"n": 123456789012345678901234567890}, "n", 123456789012345678901234567890),
    ],
)
def test_value_is_one_decoded_value_at_a_dotted_path(body: Any, path: str, value: Any) -> None:
    assert seen(body, lambda response: response.value(path)) == value


@pytest.mark.parametrize("default", [None, "", 0])
def test_value_takes_a_default_for_what_is_left_out_on_the_last_page(default: Any) -> None:
    assert seen({}, lambda response: response.value("next", default=default)) == default
    assert seen({"a": 1}, lambda response: response.value("a.b", default)) == default


def test_a_mistyped_name_does_not_end_a_walk_after_its_first_page() -> None:
    message, _ = error(lambda fetch: fetch.get("/thing").value("nxt"), {"data": [], "next": "b"})
    for said in ("'nxt'", "data, next", "default=None", "GET https://api.example.com/thing"):
        assert said in message


@pytest.mark.parametrize(
    ("body", "path", "said"),
    [
        ({"meta": {"next_cursor": "b", "n": 1}}, "meta.next_cursr", "'meta' are next_cursor, n"),
        ({"a.b": {"c": {"d": 1}}, "a": {"x": 1}}, "a.b.c.e", "the keys of 'a.b.c' are d"),
        ({"meta": None}, "meta.next", "'meta' starts null"),
        ({"meta": [{"next": 1}]}, "meta.next", "'meta' starts [{"),
        ({"meta": {}}, "meta.next", "the keys of 'meta' are none"),
        ({"x": 1}, "meta.next", "has no 'meta.next': its keys are x"),
        ([1], "meta", "it starts [1]"),
    ],
)
@pytest.mark.parametrize("look", ["value", "rows"])
def test_a_missing_path_shows_what_is_there_where_it_stops(
    body: Any, path: str, said: str, look: str
) -> None:
    message, _ = error(lambda fetch: getattr(fetch.get("/thing"), look)(path), body)
    assert f"has no {path!r}: " in message and said in message
    assert ("default=None" in message) == (look == "value")


@pytest.mark.parametrize("path", ["data.items", "data", "data.items.more", "dta"])
def test_a_list_that_a_graphql_reply_lacks_is_told_with_the_replys_errors(path: str) -> None:
    body = {"data": {"items": None}, "errors": [{"message": "field items: access denied"}]}
    message, _ = error(lambda fetch: fetch.get("/thing").rows(path), body)
    assert 'errors: [{"message":"field items: access denied"}]' in message


@pytest.mark.parametrize("errors", [None, [], {}, ""])
def test_errors_that_are_none_are_not_quoted(errors: Any) -> None:
    body = {"data": None, "errors": errors}
    for path in ("data", "x"):
        message, _ = error(lambda fetch, path=path: fetch.get("/thing").rows(path), body)
        assert "; errors" not in message


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ('<https://api.example.com/x?page=2>; rel="next"', "https://api.example.com/x?page=2"),
        ('</p>; rel="prev", </n>; rel="next last"', "https://api.example.com/n"),
        ("</n>; rel=next; title=a", "https://api.example.com/n"),
        ('</p>; rel="prev"', None),
        ('<https://a.b/2>; REL="next"', "https://a.b/2"),
        ("<https://a.b/2;jsessionid=9?p=2>; rel=next", "https://a.b/2;jsessionid=9?p=2"),
        ('<https://a.b/2?fields=a;b&p=2>; rel="next"', "https://a.b/2?fields=a;b&p=2"),
        ('<https://a.b/2?ids=1,2>; rel="next",', "https://a.b/2?ids=1,2"),
        ('<https://a.b/2>; title="a, b; c"; rel="last next"', "https://a.b/2"),
        ('<https://a.b/2>; rel="prev"; rel="next"', None),
        ('<https://a.b/2>; rel="next"; anchor="#other"', None),
        ("<https://a.b/1>;rel=prev , <https://a.b/3> ; rel = next", "https://a.b/3"),
        ('https://a.b/2; rel="next"', None),
        ("<https://a.b/2>; rel='next'", "https://a.b/2"),
        ("<https://a.b/2>; rel='last next'; title='a, b'", "https://a.b/2"),
        ("<https://a.b/1>; title=it's; rel='prev', <https://a.b/3>; rel='next'", "https://a.b/3"),
        ("<https://a.b/1>; title='; rel=prev, <https://a.b/3>; rel=next", "https://a.b/3"),
    ],
)
def test_link_is_the_url_of_a_relation(link: str, url: str | None) -> None:
    assert seen([], lambda response: response.link("next"), Link=link) == url


def test_no_link_header_is_no_link() -> None:
    assert seen([], lambda response: response.link("next")) is None


def test_a_response_is_a_requests_response() -> None:
    status, text, header = seen(
        {"a": 1}, lambda r: (r.status_code, r.text, r.headers["X-Total"]), **{"X-Total": "7"}
    )
    assert (status, text, header) == (200, '{"a": 1}', "7")


def test_a_body_of_more_than_64_mebibytes_is_an_error_that_says_what_to_do() -> None:
    message, _ = error(lambda fetch: fetch.get("/thing"), b" " * (64 * 2**20 + 1))
    assert "the reply to GET https://api.example.com/thing is larger than 64 MiB" in message
    assert "page_size" in message


# ---- since in other forms


@pytest.mark.parametrize(
    ("since", "options", "form", "value"),
    [
        ("2025-12-31T20:00:00+05:30", {}, "iso", "2025-12-31T14:30:00Z"),
        ("2025-12-31T20:00:00.25Z", {}, "iso", "2025-12-31T20:00:00.25Z"),
        ("2025-12-31T20:00:00.75Z", {}, "epoch", 1767211200),
        ("2025-12-31T20:00:00.75Z", {}, "epoch_ms", 1767211200750),
        ("2025-12-31T20:00:00Z", {}, "%d/%m/%Y %H:%M", "31/12/2025 20:00"),
        (1767211200, {"cursor_type": "epoch"}, "iso", "2025-12-31T20:00:00Z"),
        (1767211200750, {"cursor_type": "epoch_ms"}, "epoch", 1767211200),
        ("2025-12-31T20:00:00", {"timezone": "America/Denver"}, "epoch", 1767236400),
        ("2025-12-31T20:00:00", {"timezone": "America/Denver"}, "%H:%M", "20:00"),
        (None, {}, "iso", None),
    ],
)
def test_since_can_be_had_in_another_form(
    since: Any, options: dict[str, Any], form: str, value: Any
) -> None:
    made, found = source(), []

    @made.entity("thing", primary_key=["id"], cursor="at", start=since, **options)
    def thing(fetch: Fetch) -> Page:
        found.append(fetch.since_as(form))
        return Page()

    assert Player(made, script({})).sync().error == ""
    assert found == [value] and type(found[0]) is type(value)


def test_since_that_is_no_instant_has_no_other_form() -> None:
    made = source()

    @made.entity("thing", primary_key=["id"], cursor="at")
    def thing(fetch: Fetch) -> Page:
        fetch.since_as("epoch")
        return Page()

    player = Player(made, script({}), state={"thing": "event-17"})
    sync = player.sync()
    assert "since_as('epoch')" in sync.error and "event-17" in sync.error
    assert iso(0) not in sync.error
