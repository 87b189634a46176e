"""The API that sample.toml describes: pages, records, changes, credentials, refusals, faults."""

import base64
import random
import re
import uuid
from collections import Counter
from datetime import datetime
from decimal import Decimal

import pytest
import requests
from harness.sample import Faults, made_up

from .conftest import LINES, RECORD, STYLES

TIME = "2026-01-05T08:30:00Z"
TEXTS = [TIME, "2026-01-05T08:30:00.000+0530", "2026-01-05", "2026-01-05 08:30", "1767601800"]
NUMBERS = [1767601800, 1767601800123, 1767601800123456, 1767601800.25, 41]
UUID = "0b8e6f2c-3c1d-4f5e-9a7b-1c2d3e4f5a6b"
EXAMPLE = {
    "id": 1,
    "updated_at": TIME,
    "score": 90.39646779001665,
    "uuid": UUID,
    "note": "paid in two parts",
    "price": "12.50",
    "settled": True,
    "booked_on": "2026-01-04",
    "tags": ["new", "größer"],
    "customer": {"name": "Zoë Müller", "code": "C-007"},
}
ALL = {"inserted", "updated", "deleted"}
TOKEN, GRANT = made_up("apiToken"), {"grant_type": "client_credentials"}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("style", STYLES)
def test_each_record_between_the_bounds_comes_once_with_all_changes(serve, style, seed):
    chance = random.Random(f"{style} {seed}")
    insert, update, delete = chance.choices(range(13), k=3)
    size, short = chance.choice([6, 40, 1000]), chance.random() < 0.5
    tells = {"deleted": "gone"} if style != "link_header" else {}
    with serve(**STYLES[style], **tells, until="before", short=short) as client:
        before = {row["id"]: row for row in client.server.records("order")}
        times = {row["updated_at"] for row in before.values()}
        assert len(times) < 220, "some of the 250 are changed many at once"
        done = client.server.change(insert, update, delete, seed=seed)
        assert done == +Counter(inserted=insert, updated=update, deleted=delete)
        records = client.server.records("order")
        changed = [row for row in records if row != before.get(row["id"])]
        assert changed == [row for row in records if row["updated_at"] > max(times)]
        with client.sample.fewer(10).serve() as other:
            assert other.records("order") == list(before.values())[:10], "not changed with it"

        times = sorted(row["updated_at"] for row in records)
        since, until = chance.choice([None, *times[::40]]), chance.choice([None, *times[::60]])
        asked = {client.entity.since: since, "before": until, client.entity.size: size}
        pages = list(client.pages(**{name: value for name, value in asked.items() if value}))
        rows = sorted((row for page, _ in pages for row in page), key=lambda row: row["id"])
        low, high = since or "", until or "3"
        assert rows == [row for row in records if low <= row["updated_at"] < high]
        if tells and not until:
            gone = {row["id"] for _, page in pages for row in page}
            assert gone == before.keys() - {row["id"] for row in records}
        sizes = [len(rows + gone) for rows, gone in pages if rows + gone]
        assert style == "none" or set(sizes[:-1]) <= {size // 2 if short else size}
        # As Django REST framework; where there is no `next`, the page after the last one is empty.
        last = client.server.requests[-1].status
        assert last == (404 if sizes and style == "page_number_next" else 200)


def test_next_urls_carry_the_whole_query_but_no_api_key(serve):
    auth = {"kind": "api_key_query", "secrets": ["key"]}
    with serve(auth=auth, pagination="next_url") as client:
        key = client.sample.secrets()["key"]
        following = client.get(api_key=key, limit=50, expand="lines").json["next"]
        assert "limit=50&expand=lines&cursor=" in following
        assert key not in following + repr(client.server.requests)
        assert client.get(f"{following}&api_key={key}").status_code == 200


@pytest.mark.parametrize("example", [*TEXTS, *NUMBERS])
def test_cursors_and_bounds_of_all_forms(serve, example):
    with serve(record={**RECORD, "updated_at": example}) as client:
        rows = client.rows()
        cut, highest = rows[200]["updated_at"], rows[-1]["updated_at"]
        assert type(cut) in (type(example), Decimal)
        assert len(str(cut)) == len(str(example)) or example == 41
        expected = rows[next(i for i, row in enumerate(rows) if row["updated_at"] == cut) :]
        bounds = [str(cut)]
        if example == TIME:
            seconds = int(datetime.fromisoformat(cut).timestamp())
            bounds += [str(seconds * scale) for scale in (1, 1000, 10**6)]
        if str(example).endswith("+0530"):
            bounds.append(cut.removesuffix("+0530"))
        for bound in bounds:
            assert client.rows(updated_since=bound) == expected
        client.server.change(update=3)
        changed = [row for row in client.server.records("order") if row not in rows]
        newest = client.rows(updated_since=str(highest))
        assert len(changed) == 3
        assert all(row in newest for row in changed)


def test_records_have_the_example_s_columns_types_and_forms(serve):
    with serve(record=EXAMPLE) as client:
        rows = client.server.records("order")
        first = {**rows[0], "score": float(rows[0]["score"]), "updated_at": TIME}
        assert first == EXAMPLE
        for row in client.rows():
            assert list(row) == list(EXAMPLE)
            for column, value in row.items():
                assert value is None or type(value) in (type(EXAMPLE[column]), Decimal)
            assert uuid.UUID(row["uuid"])
            # Numbers that a double cannot hold exactly, as in the example.
            assert row["score"].as_tuple().exponent == -14
        for column in ("note", "settled", "booked_on", "score", "customer"):
            assert len({str(row[column]) for row in rows}) > 1
        assert any(row["note"] is None for row in rows)


@pytest.mark.parametrize("first", [1, TIME])
def test_a_cursor_in_the_primary_key_counts_up_and_is_never_updated(serve, first):
    with serve(record={"id": first, "note": "a b"}, cursor="id") as client:
        before = client.rows()
        assert client.server.change(insert=2, update=5) == {"inserted": 2}
        rows = client.rows()
        assert rows[:-2] == before
        assert len({row["id"] for row in rows}) == 252


def test_lines_are_inside_their_orders_and_change_with_them(serve):
    with serve(lines=LINES, deleted="gone") as client:
        server, orders = client.server, client.rows()
        assert {len(order["lines"]) for order in orders} == {0, 1, 2, 3}
        assert not any("order_id" in line for order in orders for line in order["lines"])
        before = server.records("line")
        made = [{"order_id": order["id"], **line} for order in orders for line in order["lines"]]
        assert sorted(made, key=repr) == sorted(before, key=repr)
        assert len({(row["order_id"], row["line"]) for row in before}) == len(before)

        server.change(update=200, seed=1)
        assert len(server.records("line")) == len(before)
        assert server.records("line") != before
        for one in ("order", "line"):
            assert not server.change(delete=3, entities=[one])
        assert server.change(delete=200, entities=["order", "line"]) == {"deleted": 200}
        ids = {row["id"] for row in server.records("order")}
        assert len(ids) == 50
        assert {row["order_id"] for row in server.records("line")} <= ids
        assert (server.tells_deletions("order"), server.tells_deletions("line")) == (True, False)


@pytest.mark.parametrize(
    ("auth", "wanted"),
    [
        ({"kind": "bearer"}, "Authorization: Bearer <apiToken>"),
        ({"kind": "token"}, "Authorization: Token <apiToken>"),
        ({"kind": "api_key_header"}, "X-Api-Key: <apiToken>"),
        ({"kind": "api_key_header", "prefix": "K "}, "X-Api-Key: K <apiToken>"),
        ({"kind": "api_key_header", "header": "Key"}, "Key: <apiToken>"),
        ({"kind": "basic"}, "Authorization: Basic <apiToken>: in base64"),
        ({"kind": "basic", "secrets": ["u", "p"]}, "Authorization: Basic <u>:<p> in base64"),
    ],
)
def test_the_right_credentials_and_no_others(serve, auth, wanted):
    header, _, shown = wanted.partition(": ")
    value = re.sub(r"<(\w+)>", lambda name: made_up(name[1]), shown)
    if "base64" in value:
        value = "Basic " + base64.b64encode(value.split()[1].encode()).decode()
    says = (
        f"sample.toml line 3 expects {wanted}, but the request does not have it: change [auth] "
        "there or auth= in fetch.py"
    )
    with serve(auth={"kind": None, "secrets": ["apiToken"], **auth}) as client:
        for headers in ({}, {"Authorization": TOKEN}, {header: "wrong"}):
            client.headers = headers
            assert client.refusal() == says
            scheme = shown.partition(" ")[0] if " " in shown else "ApiKey"
            assert client.get().headers["WWW-Authenticate"] == f'{scheme} realm="sample"'
        client.headers = {header: value}
        assert (client.get().status_code, client.sample.checks) == (200, True)


@pytest.mark.parametrize(
    ("data", "login", "error"),
    [
        ({"grant_type": "password"}, None, "unsupported_grant_type"),
        (GRANT, None, "invalid_client"),
        (GRANT, (made_up("id"), made_up("secret")), None),
        ({**GRANT, "client_id": made_up("id"), "client_secret": made_up("secret")}, None, None),
    ],
)
def test_oauth_tokens_are_issued_and_wanted(serve, data, login, error):
    with serve(auth={"kind": "oauth2_client_credentials", "secrets": ["id", "secret"]}) as client:
        assert "an access_token of the token endpoint" in client.refusal()
        response = client.http.post("/t", data=data, auth=login)
        assert response.json.get("error") == error
        client.headers["Authorization"] = f"Bearer {response.json.get('access_token')}"
        assert client.get().status_code == (401 if error else 200)


# In the file, [auth] is line 2, [entity.order] line 3, its path line 4.
@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"updated_after": TIME}, ["line 9", 'since = "updated_after"']),
        ({"changed": "1767601800"}, ["line 9", 'since = "changed"']),
        ({"jql": "updated >= '2026-01-05'"}, ["line 3", "jql", "WSGI app"]),
        ({"after": "after:17:1"}, ["line 3", 'token = "after"']),
        ({"limit": "0"}, ["line 8", "limit is '0'", "at least 1"]),
        ({"limit": "ten"}, ["line 8", "limit is 'ten'", "change fetch.py or size there"]),
        ({"cursor": "nonsense"}, ["cursor is not a token"]),
        ({"updated_since": "05.01.2026 08:30"}, ["line 9", "another form needs a WSGI app"]),
        ({"updated_since": TIME, "updated_until": TIME}, ['until = "updated_until"']),
        # A number that was another one in the request before is a page.
        ({"page": "2", "depth": "3", "sort": "id"}, ['write token = "page"']),
    ],
)
def test_a_parameter_is_refused_with_the_line_to_change(serve, params, words):
    with serve() as client:
        constant = {"depth": 3, "sort": "id", "api-version": "2026-01-05"}
        assert client.get(page=1, **constant).status_code == 200
        message = client.refusal(**params)
        assert all(word in message for word in words), message
        assert not re.search("also|ignore|accept", message), "no advice ignores a filter"


def test_a_filter_by_time_needs_a_cursor_first(serve):
    with serve(since=None, cursor=None) as client:
        assert 'since = "updated_since" and cursor' in client.refusal(updated_since=TIME)


@pytest.mark.parametrize(
    ("asked", "data", "status", "words"),
    [
        (
            "GET /v2/orders",
            None,
            404,
            'only POST /orders: write path = "/v2/orders" in FILE line 4 or',
        ),
        ("GET /orders", None, 405, 'FILE line 12: /orders accepts only POST; write method = "GET"'),
        ("POST /orders", b"[1]", 400, "fetch.py: POST /orders needs a JSON object as its body"),
        ("POST /t", {"grant_type": "x"}, 404, 'kind = "oauth2_client_credentials" in FILE line 2'),
    ],
)
def test_a_request_that_the_file_does_not_describe(serve, asked, data, status, words):
    method, path = asked.split()
    with serve(method="POST") as client:
        response = client.http.open(path, method=method, data=data)
        assert words.replace("FILE", "sample.toml") in response.json["message"]
        allowed = "POST" if status == 405 else None
        assert (response.status_code, response.headers.get("Allow")) == (status, allowed)
        assert client.server.requests[-1].entity == ("order" if path == "/orders" else "")


def played(serve, seed, marked=(), **entity):
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


def test_every_fault_happens_and_a_seed_plays_the_same_again(serve):
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
def test_only_what_a_correct_function_can_find_out_changes(serve, marked, entity, expected):
    runs = [played(serve, seed, marked, **entity) for seed in range(4)]
    assert ALL & {kind for _, done in runs for kind in done} == expected


def test_a_reset_breaks_the_connection(serve):
    faults = Faults(1)
    with serve(faults=faults) as client, pytest.raises(requests.exceptions.ChunkedEncodingError):
        while True:
            requests.get(f"{client.server.url}/orders", timeout=5)
    assert faults.done["reset"] == 1
