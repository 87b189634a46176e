"""For each rule a run that breaks it and no other, and a similar one that breaks none."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from handmade import SECRET
from harness import sync
from harness.errors import HarnessError, ProtocolBroken
from harness.project import Connection
from harness.protocol.messages import Answer
from harness.protocol.rules import ERROR, RULES, Findings, advice, summary
from harness.redact import Redactor
from harness.warehouse import Privacy, Warehouse

ROOT = Path(__file__).parents[3]
LOGGED = {"maybe-truncated", "creation-cursor", "counted-pages"}  # by the function
KEYED = {"t": {"primary_key": ["id"]}}
NOON, ONE = "2026-01-05T12:00:00Z", "2026-01-05T13:00:00Z"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"
REDACTOR = Redactor([SECRET])
Reply = dict[str, Any] | Answer


class Scripted:
    """A function that gives these answers, one after the other."""

    name = "scripted"

    def __init__(self, answers: Iterable[Reply]) -> None:
        self._answers = iter(answers)

    def call(self, body: bytes) -> Answer:
        """The next answer."""
        given = next(self._answers)
        return given if isinstance(given, Answer) else answer(given)


def judged(
    path: Path,
    answers: Iterable[Reply],
    *,
    setup: bool = False,
    blocked: Iterable[str] = (),
    hashed: Iterable[str] = (),
) -> Findings:
    """What a sync into the warehouse at a path, or a setup test, breaks."""
    findings, target = Findings(REDACTOR), Scripted(answers)
    connection = Connection("acme", {"apiToken": SECRET}, {}, list(blocked), list(hashed))
    if setup:
        for exchange in sync.Fivetran(target, connection, REDACTOR).setup_test():
            findings.check(exchange)
        return findings
    number = 0
    with Warehouse(path, schema="acme", privacy=Privacy(blocked, hashed)) as tables:
        try:
            for exchange in sync.Fivetran(target, connection, REDACTOR).sync(
                tables, sleep=lambda _: None
            ):
                number = exchange.number
                findings.check(exchange)
        except HarnessError as error:
            findings.stopped(number, error)
        else:
            findings.finish(tables.tables(), tables.unmatched())
    return findings


def reply(*rows: dict[str, Any], at: Any = 1, more: bool = False, **parts: Any) -> dict[str, Any]:
    """A correct reply with these records of `t`; parts replace it, None takes one out."""
    whole: dict[str, Any] = {"state": {"at": at}, "schema": KEYED, "hasMore": more}
    if rows:
        whole["insert"] = {"t": list(rows)}
    whole |= parts
    return {name: value for name, value in whole.items() if value is not None}


def answer(
    body: Any = None, status: int = 200, kind: str = "application/json", seconds: float = 0.1
) -> Answer:
    """An answer that is not just a correct JSON body."""
    data = body if isinstance(body, bytes) else json.dumps(body or reply()).encode()
    return Answer(status, kind, data, seconds)


def replies(*each: list[dict[str, Any]], **parts: Any) -> list[dict[str, Any]]:
    """One sync, with a reply for each list of records of `t`."""
    last = len(each) - 1
    return [reply(*rows, at=at, more=at < last, **parts) for at, rows in enumerate(each)]


def days(first: int, count: int = 12) -> list[dict[str, Any]]:
    """Records that changed on one day after the other."""
    return [{"id": n, "day": f"2026-01-{first + n:02}T00:00:00Z"} for n in range(count)]


LAST = days(1)[-1]["day"]
EMPTY = [reply(at=number, more=True) for number in range(12)]
LOST = Answer(0, "", b"", 1.0, lost=True, why="no reply within 240 s")
BIG = {"ids": ["x" * 1000] * 1100}

# The rule: a run that breaks it, a run that does not. Runs of several syncs are lists of lists.
SYNCS: dict[str, tuple[list[Any], list[Any]]] = {
    "no-reply": ([LOST] * 3, [LOST, reply()]),
    "no-post": ([answer(b"", status=405)], [answer()]),
    "heavy-call": ([answer(seconds=151)], [answer(seconds=150)]),
    "http-status": ([answer(b"", status=500)], [answer()]),
    "not-json": ([answer(b"<html>")], [answer()]),
    "content-type": ([answer(kind="text/plain")], [answer()]),
    "same-name-twice": (
        [answer(b'{"state": {}, "hasMore": false, "hasMore": false}')],
        [answer(b'{"state": {"hasMore": 1}, "hasMore": false}')],
    ),
    "reply-shape": (
        [reply({"id": 1}, schema={"t": {"primary_key": ["id", "id"]}})],
        [reply({"id": 1}, schema=KEYED)],
    ),
    "has-more-not-boolean": (
        [reply({"id": 1}, hasMore="false")],
        [reply({"id": 1}, hasMore=False)],
    ),
    "unknown-field": ([reply(soft_delete=["t"])], [reply(softDelete=[])]),
    "state-stuck": (
        [reply({"id": 1}, more=True), reply(at=2, more=True), reply({"id": 1}, more=True)],
        [reply({"id": 1}, more=True), reply(at=2, more=True), reply({"id": 1}, more=False)],
    ),
    "empty-streak": (EMPTY, [*EMPTY[:10], reply({"id": 1})]),
    "large-state": ([reply(state=BIG)], [reply({"id": 1, **BIG})]),
    "token-in-state": (
        [reply(state={"t": [{"x": f"Bearer {TOKEN}"}], "refreshToken": "12345678"})],
        [reply(state={"next_token": "eyJwYWdlIjoyfQ==", "pageToken": "x" * 40, "secret": ""})],
    ),
    "reads-everything-again": (
        [[reply(*days(1), at=LAST)], [reply(*days(1), at=LAST)]],
        [[reply(*days(1, 24), at=LAST)], [reply(*days(1)[-11:], at=LAST)]],
    ),
    "schema-varies": (
        [reply({"id": 1, "no": 1}, more=True), reply(schema={"t": {"primary_key": ["no"]}}, at=2)],
        [reply({"id": 1, "no": 1}, more=True), reply(schema={**KEYED, "u": KEYED["t"]}, at=2)],
    ),
    "schema-incomplete": (
        [reply({"id": 1}, more=True), reply(schema=None, at=2)],
        [reply({"id": 1}, more=True), reply(at=2)],
    ),
    "no-primary-key": ([reply({"id": 1}, schema=None)], [reply({"id": 1})]),
    "record-without-key": (
        [reply({"id": 1}, {"id": None}, {"no": 3})],
        [reply({"Id": 1}, {"Id": 2})],  # as the destination names it
    ),
    "records-become-one": (
        [reply({"id": 1, "a": 1}, {"id": 1, "a": 2})],
        [reply({"id": 1, "a": 1}, {"id": 2, "a": 2})],
    ),
    "row-goes-back": (
        replies([{"id": 1, "updated_at": ONE}], [{"id": 1, "updated_at": NOON}]),
        replies([{"id": 1, "updated_at": NOON}], [{"id": 1, "updated_at": ONE}]),
    ),
    "delete-without-schema": (
        [reply(schema=None, delete={"t": [{"id": 1}]})],
        [reply({"id": 2}, delete={"t": [{"id": 1}]})],
    ),
    "delete-of-nothing": (
        [reply(softDelete=["zzz"], schema=None)],
        [
            reply(softDelete=["zzz"], more=True),
            reply(at=2, schema={**KEYED, "zzz": KEYED["t"]}),
        ],
    ),
    "key-in-insert-and-delete": (
        [reply({"id": 1}, {"id": 2}, delete={"t": [{"id": 2}]})],
        [reply({"id": 1}, {"id": 2}, delete={"t": [{"id": 3}]})],
    ),
    "soft-delete-beside-rows": (
        [reply({"id": 1}, softDelete=["t"])],
        [
            reply({"id": 1}, more=True),
            reply(at=2, softDelete=["t"], delete={"t": [{"no": 1}]}, schema=KEYED),
        ],
    ),
    "names-collide": (
        [reply({"id": 1, "userName": "a", "user_name": "b"})],
        [reply({"id": 1, "名前": "a"}, {"id": 2, "住所": "b"})],
    ),
    "reserved-name": ([reply({"id": 1, "_fivetran_synced": 1})], [reply({"id": 1, "fivetran": 1})]),
    "new-keys": (
        [[reply(*({"id": f"{n}-{sync}", "a": n} for n in range(20)))] for sync in (1, 2, 3)],
        [[reply(*({"id": n, "a": n} for n in range(20)))] for sync in (1, 2, 3)],
    ),
    "type-flips": (
        replies([{"id": 1, "price": 1}], [{"id": 2, "price": "1 €"}]),
        replies([{"id": 1, "price": 1}], [{"id": 2, "price": 1.5}, {"id": 3, "price": None}]),
    ),
    "all-null-column": (
        [reply({"id": 1, "note": None})],
        [reply({"id": 1, "note": None}, {"id": 2, "note": ""})],
    ),
    "hides-nothing": ([reply({"id": 1, "mail": "a"})], [reply({"id": 1, "eMail": "a"})]),
    "secret-in-reply": (
        [reply(state={"url": f"https://x.test/?key={SECRET}"})],
        [reply(state={"url": "https://x.test/?key=***"})],
    ),
    "secret-in-rows": (
        [reply({"id": 1, "note": f"Bearer {SECRET}"})],
        [reply({"id": 1, "note": "Bearer"})],
    ),
    "error-shape": (
        [{"errorMessage": "no such account", "state": {"at": 9}, "hasMore": True}],
        [{"errorMessage": "no such account", "state": {}, "insert": {"t": []}}],
    ),
}
SETUPS: dict[str, tuple[list[Any], list[Any]]] = {
    "setup-test-has-more": ([reply(more=True, state={})], [reply(state={})]),
    "setup-test-heavy": (
        [answer(json.dumps(reply(state={})).encode() + b" " * 2**16)],
        [answer(reply(insert={"t": []}, state={}), seconds=150)],
    ),
}
HASHED = {"hides-nothing": ["t.e_mail"]}


def run(path: Path, rule: str, answers: list[Any]) -> Findings:
    """What the last of one or several syncs breaks."""
    for each in answers if isinstance(answers[0], list) else [answers]:
        found = judged(path, each, setup=rule in SETUPS, hashed=HASHED.get(rule, ()))
    return found


def test_every_rule_has_its_runs() -> None:
    assert RULES.keys() == SYNCS.keys() | SETUPS.keys() | LOGGED


@pytest.mark.parametrize("rule", [*SYNCS, *SETUPS])
def test_a_run_breaks_one_rule_and_a_similar_one_none(tmp_path: Path, rule: str) -> None:
    broken, fine = (SYNCS | SETUPS)[rule]
    findings = run(tmp_path / "broken.duckdb", rule, broken)
    assert [finding.rule.id for finding in findings] == [rule]
    assert findings.broken == (RULES[rule].severity == ERROR)
    findings = run(tmp_path / "fine.duckdb", rule, fine)
    assert [finding.rule.id for finding in findings] == []


LINES: dict[str, tuple[list[Any], dict[str, Any], list[str]]] = {
    "a secret in what the destination noticed": (
        [reply({"id": 1, "n": 1}, {"id": 2, "n": SECRET})],
        {},
        [
            "secret-in-rows",
            "call 1, insert.t[1]: n contains a secret",
            '    {"id":2,"n":"[secret]"}',
            "type-flips",
            "call 1, insert.t[1]: n is text here and was a number before: SMALLINT → VARCHAR",
            '    {"id":2,"n":"[secret]"}',
        ],
    ),
    "a record without key": (
        [reply({"id": 1}, {"no": 2})],
        {},
        [
            "record-without-key",
            'call 1: insert.t[1]: id of the primary key is missing or null: {"id":null,"no":2}',
        ],
    ),
    "the shape does not hide the data": (
        [reply({"id": 1, "aB": 1, "a_b": 2}, hasMore="no")],
        {},
        [
            "has-more-not-boolean",
            'call 1: hasMore is "no", not true or false',
            "names-collide",
            'call 1, insert.t[0]: "aB" and "a_b" both become column a_b',
            '    {"aB":1,"a_b":2}',
        ],
    ),
    "more places than are shown": (
        [reply(*[{"id": n, "x": SECRET} for n in range(5)])],
        {},
        [
            "secret-in-rows",
            "call 1, insert.t[0]: x contains a secret",
            '    {"id":0,"x":"[secret]"}',
            "call 1, insert.t[1]: x contains a secret",
            '    {"id":1,"x":"[secret]"}',
            "call 1, insert.t[2]: x contains a secret",
            '    {"id":2,"x":"[secret]"}',
            "and 2 more",
        ],
    ),
    "a column that hides nothing": (
        [reply({"id": 1, "eMail": "a", "note": "n"})],
        {"hashed": ["t.email"], "blocked": ["t.notes", "t.note", "us"]},
        [
            "hides-nothing",
            "blocked t.notes: there is no such column; t has e_mail, id",
            "blocked us: there is no such table; there are t",
            "hashed t.email: there is no such column; t has e_mail, id",
        ],
    ),
}


@pytest.mark.parametrize(("answers", "options", "lines"), LINES.values(), ids=LINES)
def test_a_finding_says_where_what_and_with_which_record(
    tmp_path: Path, answers: list[Any], options: dict[str, Any], lines: list[str]
) -> None:
    found = []
    for finding in judged(tmp_path / "tables.duckdb", answers, **options):
        shown = finding.lines()
        fivetran = f"Fivetran {finding.rule.fivetran}"
        assert f"→ {finding.places[0][1].todo or finding.rule.fix}" in shown
        found += [finding.rule.id, *shown[: shown.index(fivetran)]]
    assert found == lines


def test_a_warning_of_the_log_is_a_finding() -> None:
    findings = Findings(REDACTOR)
    fields = {"event": "maybe_truncated", "entity": "order", "page": "7", "why": f"full {SECRET}"}
    findings.log(3, fields)
    findings.log(3, {**fields, "event": "page"})
    (finding,) = findings
    assert (finding.rule.id, finding.calls) == ("maybe-truncated", [3])
    assert finding.lines()[0] == "call 3, insert.order: page 7 was the last one: full [secret]"


@pytest.mark.parametrize(
    ("event", "fields", "line"),
    [
        ("creation_cursor", {"cursor": "created"}, "call 1, charge: cursor='created'"),
        ("counted_pages", {"why": "sorted by 'at'"}, "call 1, charge: sorted by 'at'"),
    ],
)
def test_what_the_function_logs_of_an_entity_is_a_finding(event, fields, line) -> None:
    findings = Findings(REDACTOR)
    findings.log(1, {"event": event, "entity": "charge", **fields})
    (finding,) = findings
    assert (finding.rule.id, finding.lines()[0]) == (event.replace("_", "-"), line)


def test_findings_are_sorted_counted_explained_and_written_as_json(tmp_path: Path) -> None:
    findings = judged(tmp_path / "tables.duckdb", [reply({"id": 1, "note": None}, hasMore=1)])
    assert summary(findings) == "1 error, 1 notice"
    error, notice = (finding.as_json() for finding in findings)
    rule = RULES["all-null-column"]
    assert notice == {
        "rule": rule.id,
        "severity": "notice",
        "title": rule.title,
        "fivetran": rule.fivetran,
        "fix": rule.fix,
        "count": 1,
        "calls": [0],
        "places": [{"part": "insert", "entity": "t", "what": "null in every record: note"}],
    }
    assert error["places"] == [
        {"call": 1, "part": "hasMore", "what": "hasMore is 1, not true or false"}
    ]


def test_what_ended_a_run_is_counted_once_and_explained() -> None:
    error, findings = (
        ProtocolBroken("the state is the same", rule="state-stuck"),
        Findings(REDACTOR),
    )
    for _ in range(2):
        findings.stopped(4, error)
    (finding,) = findings
    assert (finding.count, finding.calls) == (1, [4])
    stuck = RULES["state-stuck"]
    assert advice(error) == [f"Fivetran {stuck.fivetran}", f"→ {stuck.fix}"]
    error = ProtocolBroken("the state is the same", "do this", rule="state-stuck")
    assert advice(error)[-1] == "→ do this"


def test_the_page_is_the_registry() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "rules_page.py"))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"](), (
        "run `python scripts/rules_page.py`"
    )
