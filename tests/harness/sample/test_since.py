"""The bounds of a request choose by the cursor: from the lower one on, up to before the upper."""

from datetime import UTC, datetime

import pytest

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
        assert 'but it takes what since_as = "%d/%m/%Y" says: see [entity' in wrong


def test_nothing_after_the_newest_is_an_empty_page(upstream):
    assert upstream.get(updated_since="2999-01-01").json() == {"data": [], "next_cursor": None}
