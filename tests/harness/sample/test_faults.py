"""Faults by a seed, which plays the same again, or after the first page."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import requests
from harness.sample import Faults

from .conftest import LINES, STYLES, Serve

ALL = {"inserted", "updated", "deleted"}


def played(serve: Serve, seed: int, marked: tuple[str, ...] = (), **entity: Any) -> Any:
    """The statuses of sixty requests, page by page with one try each, and what was done."""
    faults, statuses, token = Faults(seed), [], None
    faults.marked |= set(marked)
    with serve(faults=faults, **entity) as client:
        for _ in range(60):
            following = {client.entity.token: token} if token else {}
            response = client.get(limit=25, **following)
            statuses.append(response.status_code)
            cut = int(response.headers["Content-Length"]) > len(response.data)
            token = response.json.get("next") if response.status_code == 200 and not cut else None
        faults.quiet = True
        assert len(client.rows()) == len(client.server.records("order"))
    return statuses, faults.done


def test_a_seed_plays_the_same_again(serve: Serve) -> None:
    one, again, other = (played(serve, seed, marked=("order",)) for seed in (1, 1, 2))
    assert one == again != other


def test_every_fault_happens(serve: Serve) -> None:
    statuses: set[int] = set()
    done: Counter[str] = Counter()
    for seed in range(8):
        found, counts = played(serve, seed, deleted="gone")
        statuses |= set(found)
        done += counts
    assert set(done) == {"429", "500", "reset", "expired"} | ALL
    assert statuses == {200, 400, 410, 429, 500}


@pytest.mark.parametrize(
    ("marked", "entity", "expected"),
    [
        ((), {}, {"inserted", "updated"}),
        (("order",), {}, ALL),
        ((), {"deleted": "gone"}, ALL),
        (("order",), STYLES["offset"], {"inserted", "updated"}),
        ((), {"primary_key": []}, {"inserted"}),
        (("order",), {"lines": LINES}, {"inserted", "updated"}),
        (("order", "line"), {"lines": LINES}, ALL),
        ((), {"lines": {**LINES, "primary_key": []}}, {"inserted"}),
    ],
)
def test_only_what_a_correct_function_can_find_out_changes(
    serve: Serve, marked: tuple[str, ...], entity: dict[str, Any], expected: set[str]
) -> None:
    done = Counter()
    for seed in range(4):
        done += played(serve, seed, marked, **entity)[1]
    assert ALL & set(done) == expected


def test_a_reset_breaks_the_connection_and_an_expired_token_stays_expired(serve: Serve) -> None:
    faults = Faults(1)
    with serve(faults=faults) as client:
        while not faults.done["reset"]:
            try:
                requests.get(f"{client.server.url}/orders", timeout=5)
            except requests.exceptions.ChunkedEncodingError as error:
                broken = error
        assert "IncompleteRead" in str(broken)

        faults.quiet = True
        token = client.get().json["next"]
        faults.quiet = False
        while not faults.done["expired"]:
            client.get(cursor=token)
        faults.quiet = True
        statuses = [
            client.get(**ask).status_code for ask in ({"cursor": token}, {}, {"cursor": token})
        ]
        assert statuses[0] in (400, 410)
        assert statuses[1:] == [200, 200], "the walk began again"


@pytest.mark.parametrize(("style", "statuses"), [("cursor", [200, 503]), ("none", [503, 503])])
def test_all_after_the_first_page_fails_until_all_is_well_again(
    serve: Serve, style: str, statuses: list[int]
) -> None:
    faults = Faults.after_first_page(503)
    with serve(faults=faults, **STYLES[style]) as client:
        assert [client.get().status_code for _ in range(2)] == statuses
        assert faults.done == {"503": statuses.count(503)}
        seen = client.server.requests[-1]
        assert (seen.status, seen.entity, seen.problem) == (503, "order", "")
        faults.quiet = True
        assert len(client.rows()) == 250
