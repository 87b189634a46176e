"""Each pagination style hands out its records page by page."""

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

STYLES = ["cursor", "page_number", "offset", "link_header", "next_url", "none"]
TOKENS = ["cursor", "link_header", "next_url"]


@pytest.mark.parametrize("style", STYLES)
def test_a_walk_reads_every_record(serve, style):
    with serve(pagination=style) as upstream:
        by_id = sorted(upstream.rows(), key=lambda row: row["id"])
        assert [row["id"] for row in by_id] == list(range(1, 251))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    style=st.sampled_from(STYLES),
    records=st.integers(0, 60),
    size=st.integers(1, 70),
    short_pages=st.booleans(),
    last=st.sampled_from(["null", "absent", "empty", "404"]),
    key=st.sampled_from([["id"], ["account", "line"], []]),
    filtered=st.booleans(),
)
def test_a_quiet_upstream_gives_each_record_exactly_once(
    serve, style, records, size, short_pages, last, key, filtered
):
    if style == "none" or (style not in ("cursor", "next_url") and last != "404"):
        last = None
    record = {"id": 1, "account": "A-0001", "line": 1, "updated_at": "2026-01-05", "note": "a b"}
    changes = {"short_pages": short_pages, "last": last, "primary_key": key}
    with serve(pagination=style, records=records, record=record, **changes) as upstream:
        expected = upstream.server.records("transaction")
        params = {} if style == "none" else {"limit": size}
        if filtered and expected:
            params["updated_since"] = sorted(row["updated_at"] for row in expected)[records // 2]
            expected = [r for r in expected if r["updated_at"] >= params["updated_since"]]
        rows = upstream.rows(**params)
        assert sorted(map(repr, rows)) == sorted(map(repr, expected))


@pytest.mark.parametrize("style", [style for style in STYLES if style != "none"])
def test_a_page_is_as_long_as_asked(serve, style):
    with serve(pagination=style) as upstream:
        rows = [
            len(page.json()["data"] if upstream.entity.rows else page.json())
            for page in upstream.pages(limit=100)
        ]
        assert rows[:3] == [100, 100, 50]


def test_without_a_size_a_page_has_a_hundred_records(upstream):
    assert len(upstream.get().json()["data"]) == 100


@pytest.mark.parametrize("style", TOKENS)
def test_tokens_follow_the_time_of_change(serve, style):
    with serve(pagination=style) as upstream:
        moments = [row["updated_at"] for row in upstream.rows(limit=7)]
        assert moments == sorted(moments)


@pytest.mark.parametrize("style", ["page_number", "offset", "none"])
def test_positions_follow_the_creation(serve, style):
    with serve(pagination=style) as upstream:
        assert [row["id"] for row in upstream.rows()] == list(range(1, 251))


@pytest.mark.parametrize(
    ("last", "expected"),
    [("null", {"next_cursor": None}), ("absent", {}), ("empty", {"next_cursor": ""})],
)
def test_the_last_page_tells_its_end_in_the_way_that_was_chosen(serve, last, expected):
    with serve(records=3, last=last) as upstream:
        body = upstream.get().json()
        del body["data"]
        assert body == expected


def test_the_last_page_of_a_link_header_has_no_next(serve):
    with serve(records=3, pagination="link_header") as upstream:
        assert list(upstream.get().links) == ["first"]


@pytest.mark.parametrize("style", [style for style in STYLES if style != "none"])
def test_with_404_the_page_after_the_last_is_not_found(serve, style):
    with serve(records=6, pagination=style, last="404") as upstream:
        assert len(upstream.rows(limit=3)) == 6
        assert [seen.status for seen in upstream.server.requests] == [200, 200, 404]


@pytest.mark.parametrize("style", ["page_number", "offset"])
def test_without_404_the_page_after_the_last_is_empty(serve, style):
    with serve(records=6, pagination=style) as upstream:
        assert upstream.get(**{upstream.entity.token: 7}).json() == {"data": []}


@pytest.mark.parametrize("style", [style for style in STYLES if style != "none"])
def test_short_pages_come_in_the_middle(serve, style):
    with serve(pagination=style, short_pages=True) as upstream:
        pages = [page.json() for page in upstream.pages(limit=20)]
        lengths = [len(page["data"] if upstream.entity.rows else page) for page in pages]
        assert {10, 20} <= set(lengths[:-2])


@pytest.mark.parametrize("style", ["link_header", "next_url"])
def test_a_url_that_is_given_out_keeps_the_parameters(serve, style):
    with serve(pagination=style, also=["include"]) as upstream:
        since = upstream.rows()[100]["updated_at"]
        first = next(iter(upstream.pages(limit=10, updated_since=since)))
        url = first.links["next"]["url"] if style == "link_header" else first.json()["next"]
        assert url.startswith(f"{upstream.server.url}/transactions?")
        assert {"limit=10", f"updated_since={quote(since)}"} <= set(
            url.partition("?")[2].split("&")
        )


def test_a_walk_with_tokens_misses_nothing_while_records_change(serve):
    with serve(deleted="deleted") as upstream:
        known = {row["id"] for row in upstream.server.records("transaction")}
        found, gone = set(), set()
        for turn, page in enumerate(upstream.pages(limit=20)):
            body = page.json()
            found |= {row["id"] for row in body["data"]}
            gone |= {row["id"] for row in body["deleted"]}
            if turn < 5:
                upstream.server.change(insert=2, update=9, delete=2, seed=turn)
        live = {row["id"] for row in upstream.server.records("transaction")}
        assert live <= found
        assert known - live <= gone


@pytest.mark.parametrize("style", ["page_number", "offset"])
def test_positions_miss_nothing_when_tombstones_keep_their_place(serve, style):
    with serve(pagination=style, deleted="deleted") as upstream:
        found = set()
        for turn, page in enumerate(upstream.pages(limit=20)):
            found |= {row["id"] for row in page.json()["data"]}
            if turn < 5:
                upstream.server.change(update=9, delete=2, seed=turn)
        assert {row["id"] for row in upstream.server.records("transaction")} <= found


@pytest.mark.parametrize("style", STYLES)
def test_the_newest_can_come_first(serve, style):
    with serve(pagination=style, newest_first=True, short_pages=True) as upstream:
        rows = upstream.rows()
        moments = [row["updated_at"] for row in rows]
        assert moments == sorted(moments, reverse=True)
        assert len({row["id"] for row in rows}) == 250


@pytest.mark.parametrize("style", ["cursor", "page_number", "offset", "next_url"])
@pytest.mark.parametrize("newest_first", [False, True])
def test_a_flag_says_whether_there_is_more(serve, style, newest_first):
    changes = {"pagination": style, "newest_first": newest_first, "more": "meta.more"}
    with serve(records=6, **changes) as upstream:
        flags = [page.json()["meta"]["more"] for page in upstream.pages(limit=2)]
        assert flags[:3] == [True, True, False]


def test_post_reads_the_same_parameters_from_the_json_body(serve):
    with serve(method="POST", size="page.limit", token="page.after", also=["query"]) as upstream:
        url = upstream.server.url + "/transactions"
        body = {"query": {"any": [1]}, "page": {"limit": 7, "after": None}}
        first = upstream.session.post(url, json=body, timeout=10).json()
        body["page"]["after"] = first["next_cursor"]
        second = upstream.session.post(url, json=body, timeout=10).json()
        ids = {row["id"] for row in first["data"] + second["data"]}
        assert len(ids) == 14


def test_rows_and_the_next_token_stand_where_their_paths_lead(serve):
    places = {"rows": "data.items.nodes", "next": "data.items.pageInfo.endCursor"}
    with serve(**places, records=101) as upstream:
        items = upstream.get().json()["data"]["items"]
        assert len(items["nodes"]) == 100
        assert isinstance(items["pageInfo"]["endCursor"], str)


def test_a_key_of_odata_holds_its_dot(serve):
    with serve(pagination="next_url", rows="value", next="@odata.nextLink") as upstream:
        assert list(upstream.get().json()) == ["value", "@odata.nextLink"]
        assert len(upstream.rows()) == 250


def test_a_body_that_is_the_list_has_no_wrapping(serve):
    with serve(pagination="offset", rows="") as upstream:
        assert isinstance(upstream.get().json(), list)
