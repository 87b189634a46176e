"""Faults over real HTTP: by a seed, which plays the same again, or after the first page."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
import requests
from harness.sample import Faults

from .conftest import LINES, STYLES, Client, Serve


def played(client: Client, count: int = 60) -> list[str]:
    """What happens to so many requests, walked page by page, one try each."""
    found, token = [], None
    for _ in range(count):
        try:
            response = client.get(**({"cursor": token} if token else {}), limit=25)
        except requests.RequestException as error:
            found.append(type(error).__name__)
            continue
        found.append(str(response.status_code))
        token = response.json()["next"] if response.ok else None
    return found


def test_a_seed_plays_the_same_again(serve: Serve) -> None:
    runs = []
    for seed in (1, 1, 2):
        faults = Faults(seed)
        faults.marked.add("order")
        with serve(faults=faults) as client:
            runs.append((played(client), faults.done))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_every_fault_and_every_change_happens(serve: Serve) -> None:
    done: Counter[str] = Counter()
    seen: set[str] = set()
    for seed in range(8):
        faults = Faults(seed)
        with serve(faults=faults, deleted="gone") as client:
            seen |= set(played(client))
            done += faults.done
            faults.quiet = True
            assert len(client.rows()) == len(client.server.records("order"))
    kinds = {"429", "500", "reset", "expired", "inserted", "updated", "deleted"}
    assert set(done) == kinds
    assert {"429", "500", "200", "ChunkedEncodingError"} <= seen
    assert seen & {"400", "410"}


def changed(serve: Serve, marked: set[str], **entity: Any) -> set[str]:
    """Which changes happen over some seeds while the lists are read."""
    done: Counter[str] = Counter()
    for seed in range(6):
        faults = Faults(seed)
        faults.marked |= marked
        with serve(faults=faults, **entity) as client:
            for _ in range(25):
                with suppress(requests.RequestException):
                    client.get()
        done += faults.done
    return {kind for kind in ("inserted", "updated", "deleted") if done[kind]}


@pytest.mark.parametrize(
    ("marked", "entity", "expected"),
    [
        (set(), {}, {"inserted", "updated"}),
        ({"order"}, {}, {"inserted", "updated", "deleted"}),
        (set(), {"deleted": "gone"}, {"inserted", "updated", "deleted"}),
        ({"order"}, STYLES["offset"], {"inserted", "updated"}),
        (set(), {"primary_key": []}, {"inserted"}),
        ({"order"}, {"lines": LINES}, {"inserted", "updated"}),
        ({"order", "line"}, {"lines": LINES}, {"inserted", "updated", "deleted"}),
        (set(), {"lines": {**LINES, "primary_key": []}}, {"inserted"}),
    ],
)
def test_only_what_a_correct_function_can_find_out_changes(
    serve: Serve, marked: set[str], entity: dict[str, Any], expected: set[str]
) -> None:
    assert changed(serve, marked, **entity) == expected


def test_an_expired_token_stays_expired_until_the_walk_begins_again(serve: Serve) -> None:
    faults = Faults(1)
    faults.quiet = True
    with serve(faults=faults) as client:
        token = client.get().json()["next"]
        faults.quiet = False
        while not faults.done["expired"]:
            with suppress(requests.RequestException):
                client.get(cursor=token)
        faults.quiet = True
        assert client.get(cursor=token).status_code in (400, 410)
        assert client.get().status_code == 200
        assert client.get(cursor=token).status_code == 200


def test_all_pages_after_the_first_fail_until_all_is_well_again(serve: Serve) -> None:
    faults = Faults.after_first_page(503)
    with serve(faults=faults) as client:
        statuses = [client.get().status_code for _ in range(5)]
        assert statuses == [200, 503, 503, 503, 503]
        assert faults.done == {"503": 4}
        seen = client.server.requests[-1]
        assert (seen.status, seen.entity, seen.problem) == (503, "order", "")
        faults.quiet = True
        assert len(client.rows()) == 250
    with serve(faults=Faults.after_first_page(500), **STYLES["none"]) as client:
        assert client.get().status_code == 500, "its first page is the whole list"
