"""Each style gives every record once, from the bound on, in pages of the size that is asked for."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import RECORD, STYLES, Serve

COUNTS = st.integers(0, 12)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("size", [7, 1000])
def test_all_pages_give_each_record_between_the_bounds_once(
    serve: Serve, style: str, size: int
) -> None:
    with serve(**STYLES[style], until="before") as client:
        records = client.server.records("order")
        times = sorted(row["updated_at"] for row in records)
        limit = {"limit": size} if client.entity.size else {}
        for low, high in ((None, None), (times[200], None), (times[100], times[200])):
            bounds = {client.entity.since: low, "before": high}
            rows = client.rows(**limit, **{name: v for name, v in bounds.items() if v})
            assert sorted(rows, key=lambda row: row["id"]) == [
                row for row in records if (low or "") <= row["updated_at"] < (high or "3")
            ]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(counts=st.tuples(COUNTS, COUNTS, COUNTS), seed=st.integers(0, 999), data=st.data())
def test_what_changes_is_read_from_the_time_before_on(
    serve: Serve, counts: tuple[int, int, int], seed: int, data: st.DataObject
) -> None:
    """In every style, with the deletions where the upstream tells them."""
    style = data.draw(st.sampled_from(sorted(STYLES)))
    told = {"rows": "data", "deleted": "gone"} if style != "link_header" else {}
    with serve(**{**STYLES[style], **told}) as client:
        newest = max(row["updated_at"] for row in client.server.records("order"))
        before = {row["id"]: row for row in client.server.records("order")}
        done = client.server.change(*counts, seed=seed)
        assert (done["inserted"], done["updated"], done["deleted"]) == counts
        after = {row["id"]: row for row in client.server.records("order")}
        bound = {client.entity.since: datetime.fromisoformat(newest).isoformat()}
        bodies = list(client.pages(**bound))
        rows = [row for b in bodies for row in (b["data"] if told else b)]
        changed = [row for row in rows if row["updated_at"] > newest]
        expected = [row for key, row in after.items() if row != before.get(key)]
        assert sorted(map(repr, changed)) == sorted(map(repr, expected))
        assert len(expected) == counts[0] + counts[1]
        gone = {row["id"] for body in bodies for row in body["gone"]} if told else set()
        assert gone == (before.keys() - after.keys() if told else set())
        assert list(after) == sorted(after)


@pytest.mark.parametrize("style", ["cursor", "by_key", "page_number", "offset", "next_url"])
def test_shortened_pages_still_give_everything(serve: Serve, style: str) -> None:
    with serve(**STYLES[style]) as client, client.sample.shortened().serve() as short:
        client.server = short
        sizes = [len(body["data"]) for body in client.pages(limit=20)]
        assert set(sizes) <= {10, 0}
        assert sum(sizes) == 250


def test_a_page_number_past_the_last_is_a_404_beside_next(serve: Serve) -> None:
    """As Django REST framework answers; where there is no `next`, it is an empty page."""
    for style, status in (("page_number_next", 404), ("page_number", 200)):
        with serve(**STYLES[style]) as client:
            assert client.get(limit=125, page=2).status_code == 200
            assert client.get(limit=125, page=3).status_code == status


def test_next_urls_carry_the_whole_query_but_no_api_key(serve: Serve) -> None:
    auth = {"kind": "api_key_query", "secrets": ["key"]}
    with serve(auth=auth, pagination="next_url") as client:
        key = client.sample.secrets()["key"]
        body = client.get(api_key=key, limit=50, expand="lines").json()
        assert "limit=50&expand=lines&cursor=" in body["next"]
        assert key not in body["next"]
        assert key not in repr(client.server.requests)
        assert client.get(body["next"] + f"&api_key={key}").status_code == 200


@pytest.mark.parametrize(
    ("example", "scale"),
    [
        ("2026-01-05T08:30:00Z", None),
        ("2026-01-05T08:30:00.000-0800", None),
        ("2026-01-05T08:30:00Z", 1),  # written as a number of seconds
        ("2026-01-05T08:30:00Z", 1000),
        (1767601800, None),
        (1767601800123, None),
        (1767601800123456, None),
        (1767601800.25, None),
        ("1767601800", None),
        (41, None),
        ("2026-01-05", None),
        ("2026-01-05 08:30", None),
    ],
)
def test_cursors_and_bounds_of_all_forms(serve: Serve, example: Any, scale: int | None) -> None:
    with serve(record={**RECORD, "updated_at": example}) as client:
        rows = client.rows()
        cut = rows[200]["updated_at"]
        assert type(cut) in (type(example), Decimal)
        assert len(str(cut)) == len(str(example)) or example == 41
        first = next(i for i, row in enumerate(rows) if row["updated_at"] == cut)
        bound = int(datetime.fromisoformat(cut).timestamp()) * scale if scale else cut
        assert client.rows(updated_since=str(bound)) == rows[first:]
        highest = rows[-1]["updated_at"]
        client.server.change(update=3)
        changed = [row for row in client.server.records("order") if row not in rows]
        assert len(changed) == 3
        newest = client.rows(updated_since=str(highest))
        assert all(row in newest for row in changed)
