"""The bounds of a request choose by the cursor: from the lower one on, up to before the upper."""

from datetime import UTC, datetime

import pytest
from connector import Fetch, Page, Source
from connector.testing import call_step

STYLES = ["cursor", "page_number", "offset", "link_header", "next_url", "none"]


@pytest.mark.parametrize("style", STYLES)
def test_records_from_the_lower_bound_on_are_given(serve, style):
    with serve(pagination=style) as upstream:
        moments = sorted(row["updated_at"] for row in upstream.server.records("transaction"))
        rows = upstream.rows(updated_since=moments[200])
        assert sorted(row["updated_at"] for row in rows) == moments[200:]


@pytest.mark.parametrize("style", STYLES)
def test_records_at_the_upper_bound_are_left_out(serve, style):
    with serve(pagination=style, until="before") as upstream:
        moments = sorted(row["updated_at"] for row in upstream.server.records("transaction"))
        rows = upstream.rows(before=moments[200])
        assert sorted(row["updated_at"] for row in rows) == moments[:200]


def test_a_bound_may_be_written_in_another_way_than_the_cursor(upstream):
    moment = upstream.rows()[240]["updated_at"]
    instant = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    seconds = int(instant.timestamp())
    others = [
        instant.astimezone(UTC).isoformat(),
        moment.replace("Z", ".000000"),
        str(seconds),
        str(seconds * 1000),
        f"{seconds - 1}.5",
    ]
    expected = upstream.rows(updated_since=moment)
    assert len(expected) == 10
    for other in others:
        assert upstream.rows(updated_since=other) == expected


def test_bounds_in_a_form_of_their_own_are_read_as_the_file_says(serve):
    with serve(since_as="%d/%m/%Y") as upstream:
        expected = upstream.rows(updated_since="05/01/2026")
        assert all(row["updated_at"] >= "2026-01-05" for row in expected)
        assert 0 < len(expected) < 250
        wrong = upstream.get(updated_since="2026-01-05").json()["message"]
        assert 'but it takes what since_as = "%d/%m/%Y" says' in wrong


@pytest.mark.parametrize("form", ["iso", "epoch", "epoch_ms", "%d/%m/%Y %H:%M:%S"])
def test_bounds_are_read_as_the_fetch_step_writes_them(serve, form):
    """The words are those of `fetch.since_as`, and what it writes comes through."""
    with serve(since_as=form) as upstream:
        moments = sorted(row["updated_at"] for row in upstream.server.records("transaction"))

        @Source(base_url="https://api.example.com").entity("transaction", cursor="updated_at")
        def step(fetch: Fetch) -> Page:
            bound = fetch.since_as(form)
            return Page(upstream.rows(updated_since=bound))

        page = call_step(step, {}, since=moments[200])
        assert sorted(row["updated_at"] for row in page.rows) == moments[200:]


@pytest.mark.parametrize(
    ("form", "other"),
    [
        ("iso", "1795457451"),
        ("iso", "1795457451774"),
        ("epoch", "2026-11-23T10:10:51Z"),
        ("epoch", "1795457451774"),
        ("epoch", "1795457451.5"),
        ("epoch_ms", "1795457451"),
        ("epoch_ms", "2026-11-23T10:10:51Z"),
    ],
)
def test_a_bound_in_another_form_than_the_file_says_is_refused(serve, form, other):
    with serve(since_as=form) as upstream:
        response = upstream.get(updated_since=other)
        assert response.status_code == 400
        assert f'it takes what since_as = "{form}" says' in response.json()["message"]


def test_nothing_after_the_newest_is_an_empty_page(upstream):
    assert upstream.get(updated_since="2999-01-01").json() == {"data": [], "next_cursor": None}
