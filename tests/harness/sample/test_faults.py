"""Faults of the sample API, and changes while it is read, by a seed."""

from __future__ import annotations

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


def test_every_fault_happens_and_a_seed_plays_the_same_again(serve: Serve) -> None:
    runs = [played(serve, seed, deleted="gone") for seed in range(8)]
    assert {status for statuses, _ in runs for status in statuses} == {200, 400, 410, 429, 500}
    assert {kind for _, done in runs for kind in done} == {"429", "500", "reset", "expired"} | ALL
    assert played(serve, 0, deleted="gone") == runs[0] != runs[1]


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
    runs = [played(serve, seed, marked, **entity) for seed in range(4)]
    assert ALL & {kind for _, done in runs for kind in done} == expected


def test_a_reset_breaks_the_connection(serve: Serve) -> None:
    faults = Faults(1)
    with serve(faults=faults) as client, pytest.raises(requests.exceptions.ChunkedEncodingError):
        while True:
            requests.get(f"{client.server.url}/orders", timeout=5)
    assert faults.done["reset"] == 1
