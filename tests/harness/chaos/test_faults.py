"""Each fault does over real HTTP what it says; what is not allowed does not happen."""

from __future__ import annotations

import http.client
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from harness.sample import Sample, Server
from harness.sample.faults import Faults

from .conftest import SAMPLE

CURSOR = {
    'pagination = "page_number"': 'pagination = "cursor"\nnext = "next"',
    'token = "page"': 'token = "cursor"',
    'kind = "bearer"\nsecrets = ["apiToken"]': 'kind = "none"',
}
POST = {**CURSOR, 'rows = "data"': 'rows = "data"\nmethod = "POST"'}
POSITIONS = {'kind = "bearer"\nsecrets = ["apiToken"]': 'kind = "none"'}
KEYLESS = {'primary_key = ["id"]': "primary_key = []"}

Serve = Callable[..., Server]
Ask = Callable[[Server, str], Any]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts upstreams that fail, described by the sample.toml with texts replaced."""
    with ExitStack() as stack:

        def start(seed: int | None, changes: dict[str, str]) -> Server:
            text = SAMPLE
            for old, new in changes.items():
                assert old in text, old
                text = text.replace(old, new)
            path = tmp_path / "sample.toml"
            path.write_text(text, encoding="utf-8")
            return stack.enter_context(Sample.load(path).serve(chaos=seed))

        yield start


def faults_of(server: Server) -> Faults:
    assert server.faults is not None
    return server.faults


def met(
    serve: Serve, kind: str, ask: Ask, changes: dict[str, str] = CURSOR
) -> tuple[Any, Server, str]:
    """What the first second page gets that meets a fault of this kind; its upstream and token."""
    for seed in range(30):
        server = serve(seed, changes)
        faults = faults_of(server)
        faults.quiet = True
        token = post(server) if changes is POST else page(server)
        token = token.json()["next"]
        faults.quiet = False
        for _ in range(20):
            before = faults.done[kind]
            got = ask_once(ask, server, token)
            if faults.done[kind] > before:
                return got, server, token
    raise AssertionError(f"no request met {kind}")


def ask_once(ask: Ask, server: Server, token: str) -> Any:
    try:
        return ask(server, token)
    except (requests.RequestException, http.client.HTTPException) as error:
        return error


def page(server: Server, token: str | None = None) -> requests.Response:
    return requests.get(f"{server.url}/things", {"limit": 10, "cursor": token}, timeout=5)


def post(server: Server, token: str | None = None) -> requests.Response:
    body = {"limit": 10, "cursor": token}
    return requests.post(f"{server.url}/things", json=body, timeout=5)


def test_a_429_says_when_to_come_back(serve: Serve) -> None:
    got = met(serve, "429", page)[0]
    assert got.status_code == 429
    assert got.headers["Retry-After"] in ("0", "1")


def test_a_500_is_no_json(serve: Serve) -> None:
    got = met(serve, "500", page)[0]
    assert (got.status_code, got.headers["Content-Type"]) == (500, "text/html; charset=utf-8")
    with pytest.raises(requests.JSONDecodeError):
        got.json()


def test_a_reset_breaks_the_connection_in_mid_body(serve: Serve) -> None:
    def half(server: Server, token: str) -> tuple[int, bytes, int]:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
        connection.request("GET", f"/things?limit=10&cursor={token}")
        answer = connection.getresponse()
        try:
            answer.read()
        except http.client.IncompleteRead as error:
            return answer.status, error.partial, error.expected or 0
        finally:
            connection.close()
        return answer.status, b"", 0

    status, partial, missing = met(serve, "reset", half)[0]
    assert status == 200
    assert partial.startswith(b'{"data":')
    assert missing in (len(partial), len(partial) + 1)
    assert isinstance(met(serve, "reset", page)[0], requests.exceptions.ChunkedEncodingError)


def test_a_slow_reply_is_whole(serve: Serve) -> None:
    got = met(serve, "slow", page)[0]
    assert got.status_code == 200
    assert len(got.json()["data"]) == 10


def test_an_expired_token_is_refused(serve: Serve) -> None:
    assert met(serve, "expired", page)[0].status_code in (400, 410)


def test_an_expired_token_stays_so_until_the_walk_begins_anew(serve: Serve) -> None:
    _, server, token = met(serve, "expired", page)
    faults_of(server).quiet = True
    assert page(server, token).status_code in (400, 410)
    assert page(server).status_code == 200
    assert page(server, token).status_code == 200


def test_a_token_in_a_json_body_expires_too(serve: Serve) -> None:
    _, server, token = met(serve, "expired", post, POST)
    faults_of(server).quiet = True
    assert post(server, token).status_code in (400, 410)
    assert post(server).status_code == 200


@pytest.mark.parametrize("changes", [{**CURSOR, **KEYLESS}, POSITIONS], ids=["no key", "position"])
def test_tokens_expire_only_where_a_walk_can_start_over(
    serve: Serve, changes: dict[str, str]
) -> None:
    assert not happened(serve, changes)["expired"]


def happened(serve: Serve, changes: dict[str, str], *, deletes: bool = False) -> Counter[str]:
    """What happens to the second page of many upstreams."""
    done: Counter[str] = Counter()
    for seed in range(15):
        server = serve(seed, changes)
        faults = faults_of(server)
        faults.deletes = deletes
        faults.quiet = True
        second = requests.get(f"{server.url}/things", {"limit": 10}, timeout=5).json().get("next")
        faults.quiet = False
        query = f"cursor={second}" if second else "page=2"
        for _ in range(10):
            ask_once(lambda s, q: requests.get(f"{s.url}/things?{q}", timeout=5), server, query)
        done += faults.done
    return done


def test_records_change_between_pages(serve: Serve) -> None:
    server = serve(3, CURSOR)
    before = {record["id"]: record for record in server.records("thing")}
    for _ in range(20):
        ask_once(page, server, "")
    after = {record["id"]: record for record in server.records("thing")}
    done = faults_of(server).done
    assert len(after) - len(before) == done["inserted"] > 0
    assert done["updated"] >= sum(after[key] != before[key] for key in before) > 0
    assert not done["deleted"]


def test_without_a_key_records_are_only_inserted(serve: Serve) -> None:
    done = happened(serve, {**CURSOR, **KEYLESS})
    assert done["inserted"]
    assert not done["updated"] + done["deleted"]


def test_what_would_be_read_twice_without_a_key_is_not_inserted(serve: Serve) -> None:
    first = {"nulls = []": "nulls = []\nnewest_first = true"}
    assert not happened(serve, {**POSITIONS, **KEYLESS, **first})["inserted"]


def test_records_are_deleted_where_the_upstream_tells(serve: Serve) -> None:
    told = {'rows = "data"': 'rows = "data"\ndeleted = "gone"'}
    assert happened(serve, {**CURSOR, **told})["deleted"]
    assert not happened(serve, CURSOR)["deleted"]


def test_records_are_deleted_where_the_function_finds_out_and_no_position_shifts(
    serve: Serve,
) -> None:
    assert happened(serve, CURSOR, deletes=True)["deleted"]
    assert not happened(serve, POSITIONS, deletes=True)["deleted"]


def test_on_quiet_days_nothing_happens(serve: Serve) -> None:
    server = serve(3, CURSOR)
    faults_of(server).quiet = True
    assert [page(server).status_code for _ in range(20)] == [200] * 20
    assert not faults_of(server).done
    assert len(server.records("thing")) == 250


def test_without_a_seed_there_are_no_faults(serve: Serve) -> None:
    assert serve(None, CURSOR).faults is None


def test_a_path_fails_the_same_whoever_else_asks(serve: Serve) -> None:
    """Threads of a function that read other paths change nothing."""

    def statuses(server: Server, *, others: bool) -> list[Any]:
        found = []
        for _ in range(20):
            if others:
                ask_once(lambda s, _: requests.get(f"{s.url}/others", timeout=5), server, "")
            got = ask_once(page, server, "")
            found.append(getattr(got, "status_code", type(got).__name__))
        return found

    alone, beside = serve(5, CURSOR), serve(5, CURSOR)
    assert statuses(alone, others=False) == statuses(beside, others=True)
