"""The conformance suite: an upstream of one's own, more secrets, and a lower bound."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from harness.bench import Bench
from harness.errors import FunctionFailed
from harness.sample import made_up
from harness.testing import FunctionConformance

from .conftest import SAMPLE, SOUND, by_hand, write

# Issues per project, and the token is the id of the last record: no sample.toml can say so.
APP = """
from urllib.parse import parse_qs

from harness.sample import made_up
from tests.issues import ISSUES, answer


def app(environ, start_response):
    if environ.get("HTTP_AUTHORIZATION") != "Bearer " + made_up("apiToken"):
        return answer(start_response, "401 Unauthorized", {})
    path = environ["PATH_INFO"]
    if path == "/projects":
        return answer(start_response, "200 OK", {"projects": sorted(ISSUES)})
    rows = ISSUES[path.split("/")[2]]
    after = int(parse_qs(environ["QUERY_STRING"])["after"][0])
    return answer(start_response, "200 OK", [row for row in rows if row["id"] > after][:15])
"""
ISSUES = """
import json

ISSUES = {
    key: [{"id": n, "project": key, "title": f"issue {n}"} for n in range(first, first + 40)]
    for key, first in {"A": 1, "B": 101, "C": 201}.items()
}


def answer(start_response, status, body):
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]
"""
FUNCTION = """
if "apiToken" not in request["secrets"]:
    return reply({"errorMessage": "the secret apiToken is missing"})


def get(path, **params):
    for _ in range(6):
        try:
            answer = requests.get(
                os.environ["UPSTREAM_BASE_URL"] + path,
                params=params,
                headers={"Authorization": "Bearer " + request["secrets"]["apiToken"]},
                timeout=10,
            )
        except requests.RequestException:
            continue
        if answer.status_code in (200, 401):
            try:
                return answer.status_code, answer.json()
            except ValueError:
                continue
    return 503, None


status, found = get("/projects")
if status != 200:
    return reply({"errorMessage": f"the upstream answers {status}"})
if request.get("setup_test"):
    return reply({"state": state, "hasMore": False})
keys = found["projects"]
at, after = state.get("at", 0), state.get("after", 0)
status, rows = get(f"/projects/{keys[at]}/issues", after=after)
if status != 200:
    return reply({"errorMessage": f"the upstream answers {status}"})
going_on = {"at": at, "after": rows[-1]["id"]} if rows else {"at": at + 1, "after": 0}
done = going_on["at"] == len(keys)
return reply({
    "state": {} if done else going_on,
    "insert": {"issue": rows},
    "schema": {"issue": {"primary_key": ["id"]}},
    "hasMore": not done,
})
"""
# All but the one that needs the runtime's app settings.
TESTS = [
    name
    for name, _ in inspect.getmembers(FunctionConformance, inspect.isfunction)
    if name.startswith("test_") and name != "test_any_cut_gives_the_same_tables"
]

Opened = Callable[..., Bench]


class Own(FunctionConformance):
    """As a project's tests/test_function.py says it."""

    sample = "tests.upstream:app"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Opened]:
    """Opens a bench for the function with the app, with texts of the function replaced."""
    with ExitStack() as stack:

        def open_(old: str = "", new: str = "", app: str = APP) -> Bench:
            assert old in FUNCTION
            folder, room = tmp_path / "project", tmp_path / "room"
            (folder / "tests").mkdir(parents=True)
            room.mkdir()
            code = by_hand(FUNCTION.replace(old, new) if old else FUNCTION)
            write(folder, "no TOML at all", {"function_app.py": code})
            (folder / "tests" / "upstream.py").write_text(app, encoding="utf-8")
            (folder / "tests" / "issues.py").write_text(ISSUES, encoding="utf-8")
            assert Own.sample
            return stack.enter_context(Bench.opened(folder, room, Own.sample))

        yield open_


def run(name: str, bench: Bench, suite: FunctionConformance | None = None) -> None:
    getattr(suite or FunctionConformance(), name)(bench)


def fixture_of(folder: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The suite's own fixture for the project of `own`, without pytest's wrapping of it."""
    Named = type("Named", (Own,), {"folder": folder / "project"})
    fixture = inspect.unwrap(FunctionConformance.bench)
    fixture = getattr(fixture, "_fixture_function", fixture)
    room = folder / "named"
    room.mkdir()
    return fixture(Named(), request, room)


def connect(folder: Path, file: str, *secrets: str) -> None:
    """Writes a connection file with these secrets."""
    given = {"schema": "acme", "secrets": dict.fromkeys(secrets, "not to be sent")}
    (folder / file).write_text(json.dumps(given), encoding="utf-8")


# They change the upstream's records or pages.
CHANGING = ("test_changes_arrive_with_the_next_sync", "test_a_short_page_is_not_the_last")


@pytest.mark.parametrize("name", [name for name in TESTS if name not in CHANGING])
def test_a_sound_function_passes_with_an_app_of_ones_own(own: Opened, name: str) -> None:
    run(name, own(), Own())


@pytest.mark.parametrize("name", CHANGING)
def test_what_would_change_the_records_of_an_app_skips_and_says_so(own: Opened, name: str) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"tests\.upstream:app (are not|has no pages)"):
        run(name, own(), Own())


def test_an_error_in_mid_walk_that_an_app_of_ones_own_gives_is_to_be_reported(own: Opened) -> None:
    ends = 'return reply({"state": {}, "hasMore": False})'
    told = 'return reply({"errorMessage": f"the upstream answers {status}"})'
    with pytest.raises(AssertionError, match="and the function reported no error"):
        run("test_an_upstream_that_fails_is_reported", own(told, ends), Own())


def test_the_suite_opens_the_app_that_it_names(
    own: Opened, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    own()
    opening = fixture_of(tmp_path, request)
    assert next(opening).place == "tests.upstream:app"
    opening.close()


THROTTLED = """
    app.asked = getattr(app, "asked", 0) + 1
    if app.asked % 3 == 0:
        start_response("429 Too Many Requests", [("Retry-After", "3600")])
        return [b""]
    path = environ["PATH_INFO"]
"""
WAITS = """
        if answer.status_code == 429:
            sleep(int(answer.headers["Retry-After"]))
            continue
        if answer.status_code in (200, 401):
"""


def test_nobody_waits_through_the_throttles_of_an_app(
    own: Opened, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Hours of them: the test would not end."""
    app = APP.replace('\n    path = environ["PATH_INFO"]\n', THROTTLED)
    own("        if answer.status_code in (200, 401):\n", WAITS.lstrip("\n"), app)
    code = tmp_path / "project" / "function_app.py"
    text = code.read_text(encoding="utf-8")
    code.write_text("from time import sleep\n" + text, encoding="utf-8")
    before = time.sleep
    opening = fixture_of(tmp_path, request)
    bench = next(opening)
    run("test_sync_delivers_every_record", bench, Own())
    assert any(seen.status == 429 for seen in bench.server.requests)
    opening.close()
    assert time.sleep is before


def test_a_fault_is_found_with_an_app_of_ones_own(own: Opened) -> None:
    """It leaves a record out when a call is repeated."""
    shortened = (
        "app.last, last = [at, after], getattr(app, 'last', None)\n"
        "rows = rows[1:] if last == [at, after] else rows\ngoing_on = {"
    )
    with pytest.raises(AssertionError, match="of 120 records are missing"):
        run("test_lost_replies_change_nothing", own("going_on = {", shortened), Own())


def test_an_app_without_records_is_told(own: Opened) -> None:
    bench = own(app=APP.replace("> after]", "> after + 1000]"))
    with pytest.raises(AssertionError, match=r"no row: has tests\.upstream:app none"):
        run("test_sync_delivers_every_record", bench, Own())


NEEDS = 'if "{0}" not in request["secrets"]:\n' + (
    '    return reply({{"errorMessage": "the secret {0} is missing"}})\n'
)


def needing(name: str) -> str:
    """The sound function, which needs a secret and answers setup tests."""
    body = NEEDS.format(name) + SOUND.replace(
        "if rows is None:",
        'if request.get("setup_test") and rows is not None:\n'
        '    return reply({"state": state, "hasMore": False})\nif rows is None:',
    )
    return by_hand(body)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def opened(folder: Path) -> Any:
    room = folder.parent / "room"
    room.mkdir()
    return Bench.opened(folder, room)


@pytest.mark.parametrize("file", ["connection.json", "connection.example.json"])
def test_a_secret_that_only_a_connection_names_is_made_up(project: Path, file: str) -> None:
    write(project, SAMPLE, {"function_app.py": needing("accountId")})
    connect(project, "connection.example.json", "apiToken")
    connect(project, file, "apiToken", "accountId")
    with opened(project) as bench:
        assert bench.secrets == {name: made_up(name) for name in ("apiToken", "accountId")}
        run("test_sync_delivers_every_record", bench)
        run("test_missing_secrets_are_reported_by_name", bench)
        run("test_wrong_secrets_are_reported", bench)
        run("test_chaos_gives_the_same_tables", bench)


MISSING = "the payload key 'region' is missing or blank: write it in connection.json"


@pytest.mark.parametrize(
    "name", ["test_sync_delivers_every_record", "test_setup_test_passes_and_delivers_nothing"]
)
@pytest.mark.parametrize("file", ["connection.json", "connection.example.json"])
def test_a_payload_key_that_the_example_lacks_is_told_to_belong_there(
    project: Path, name: str, file: str
) -> None:
    needs = '    if "region" not in request["customPayload"]:\n        raise LookupError\n'
    needs = needs.replace("raise LookupError", f'return reply({{"errorMessage": "{MISSING}"}})')
    head, asked, rest = needing("apiToken").partition('    state = request["state"]\n')
    write(project, SAMPLE, {"function_app.py": head + asked + needs + rest})
    connect(project, "connection.example.json", "apiToken")
    given = {"schema": "acme", "secrets": {"apiToken": "x"}, "customPayload": {"region": "eu"}}
    (project / file).write_text(json.dumps(given), encoding="utf-8")
    with opened(project) as bench:
        if file == "connection.example.json":
            run(name, bench)
            return
        with pytest.raises(FunctionFailed, match="region") as caught:
            run(name, bench)
        assert "write what is missing into connection.example.json" in caught.value.__notes__[0]
        with pytest.raises(FunctionFailed) as disturbed:
            run("test_chaos_gives_the_same_tables", bench)
        assert any("connection.example.json" in note for note in disturbed.value.__notes__)


def test_an_auth_that_no_kind_describes_has_its_secrets(project: Path) -> None:
    sample = SAMPLE.replace('kind = "bearer"\nsecrets = ["apiToken"]', 'kind = "none"')
    code = needing("signingKey").replace('request["secrets"]["apiToken"]', '"x"')
    write(project, sample, {"function_app.py": code})
    connect(project, "connection.json", "signingKey")
    with opened(project) as bench:
        run("test_sync_delivers_every_record", bench)
        run("test_missing_secrets_are_reported_by_name", bench)
        with pytest.raises(pytest.skip.Exception, match=r"sample\.toml takes any secret"):
            run("test_wrong_secrets_are_reported", bench)


def test_a_step_that_never_sends_since_is_found(project: Path) -> None:
    code = needing("apiToken").replace(', "updated_since": since', "")
    write(project, SAMPLE, {"function_app.py": code})
    with (
        opened(project) as bench,
        pytest.raises(
            AssertionError,
            match=r"no request for thing in the second sync carried updated_since: "
            r"(.|\n)*Does the step send fetch\.since",
        ),
    ):
        run("test_second_sync_changes_nothing", bench)


ENDED = 'ended = {"since": started}'


@pytest.mark.parametrize(
    ("ended", "says"),
    [
        pytest.param(
            'ended = {"since": max(row["booked_on"] for row in KEPT)}',
            "holds .*, which is booked_on of a record of thing; the upstream filters by updated_at",
            id="of another column",
        ),
        pytest.param(
            'ended = {"since": "2001-01-01T00:00:00Z"}',
            r"updated_since=2001-01-01T00:00:00Z, by which 250 of 250 records are read again",
            id="from long ago",
        ),
    ],
)
def test_a_cursor_that_is_not_the_upstreams_is_found(project: Path, ended: str, says: str) -> None:
    sample = SAMPLE.replace("name = ", 'booked_on = "2026-01-04T00:00:00Z"\nname = ')
    code = needing("apiToken").replace(ENDED, ended)
    code = code.replace("    going_on =", "    KEPT.extend(rows)\n    going_on =")
    code = code.replace("\n\ndef reply", "\nKEPT = []\n\n\ndef reply", 1)
    write(project, sample, {"function_app.py": code})
    with opened(project) as bench, pytest.raises(AssertionError, match=says):
        run("test_second_sync_changes_nothing", bench)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="sends it"),
        pytest.param({'since = "updated_since"\n': ""}, id="the upstream has none"),
        pytest.param({"records = 250": "records = 0"}, id="there are no records"),
    ],
)
def test_a_step_that_sends_since_where_it_can_passes(
    project: Path, changes: dict[str, str]
) -> None:
    sample, code = SAMPLE, needing("apiToken")
    for old, new in changes.items():
        assert old in sample
        sample = sample.replace(old, new)
    if "updated_since" not in sample:
        code = code.replace(', "updated_since": since', "")
    write(project, sample, {"function_app.py": code})
    with opened(project) as bench:
        run("test_second_sync_changes_nothing", bench)
