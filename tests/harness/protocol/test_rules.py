"""For each rule a run that breaks it and no other, and a similar one that breaks none."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from handmade import SECRET
from harness import sync
from harness.errors import HarnessError, ProtocolBroken
from harness.project import Connection
from harness.protocol.messages import Answer
from harness.protocol.rules import ERROR, RULES, Findings, advice, summary
from harness.redact import Redactor
from harness.warehouse import Privacy

LOGGED = {"maybe-truncated", "creation-cursor", "counted-pages"}  # by the function
KEYED = {"t": {"primary_key": ["id"]}}
NOON, ONE = "2026-01-05T12:00:00Z", "2026-01-05T13:00:00Z"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"
REDACTOR = Redactor([SECRET])
Reply = dict[str, Any] | Answer


def judged(
    tables,
    answers,
    blocked=(),
    hashed=(),
):
    """What a sync breaks."""
    findings, number = Findings(REDACTOR), 0
    tables.privacy = Privacy(blocked, hashed)
    try:
        for exchange in function(answers, blocked, hashed).sync(tables, sleep=lambda _: None):
            number = exchange.number
            findings.check(exchange)
    except HarnessError as error:
        findings.stopped(number, error)
    else:
        findings.finish(tables.tables(), tables.unmatched())
    return findings


def function(answers, *hidden):
    """Fivetran beside a function that gives these answers, one after the other."""
    given = (each if isinstance(each, Answer) else answer(each) for each in answers)
    target = SimpleNamespace(name="scripted", call=lambda _: next(given))
    hidden = map(list, hidden or ((), ()))
    return sync.Fivetran(target, Connection("acme", {"apiToken": SECRET}, {}, *hidden), REDACTOR)


def reply(*rows, at=1, more=False, **parts):
    """A correct reply with these records of `t`; parts replace it, None takes one out."""
    whole = {"state": {"at": at}, "schema": KEYED, "hasMore": more}
    if rows:
        whole["insert"] = {"t": list(rows)}
    whole |= parts
    return {name: value for name, value in whole.items() if value is not None}


def answer(body=None, status=200, kind="application/json", seconds=0.1):
    """An answer that is not just a correct JSON body."""
    data = body if isinstance(body, bytes) else json.dumps(body or reply()).encode()
    return Answer(status, kind, data, seconds)


def replies(*each, **parts):
    """One sync, with a reply for each list of records of `t`."""
    last = len(each) - 1
    return [reply(*rows, at=at, more=at < last, **parts) for at, rows in enumerate(each)]


def days(first, count=12):
    """Records that changed on one day after the other."""
    return [{"id": n, "day": f"2026-01-{first + n:02}T00:00:00Z"} for n in range(count)]


LAST = days(1)[-1]["day"]
EMPTY = [reply(at=number, more=True) for number in range(11)]
LOST = Answer(0, "", b"", 1.0, lost=True, why="no reply within 240 s")
BIG = {"ids": ["x" * 1000] * 1100}

# Runs of several syncs are lists of lists.
BROKEN = {
    "no-reply": [LOST] * 3,
    "no-post": [answer(b"", status=405)],
    "heavy-call": [answer(seconds=151)],
    "http-status": [answer(b"", status=500)],
    "not-json": [answer(b"<html>")],
    "content-type": [answer(kind="text/plain")],
    "same-name-twice": [answer(b'{"state": {}, "hasMore": false, "hasMore": false}')],
    "reply-shape": [reply({"id": 1}, schema={"t": {"primary_key": ["id", "id"]}})],
    "has-more-not-boolean": [reply({"id": 1}, hasMore="false")],
    "unknown-field": [reply(soft_delete=["t"])],
    "state-stuck": [reply(more=True), reply(at=2, more=True), reply({"id": 1}, more=True)],
    "empty-streak": EMPTY,
    "large-state": [reply(state=BIG)],
    "token-in-state": [
        reply(state={"t": [{"x": f"Bearer {TOKEN}"}], "refreshToken": "12345678"})
    ],
    "reads-everything-again": [[reply(*days(1), at=LAST)], [reply(*days(1), at=LAST)]],
    "schema-varies": [
        reply({"id": 1, "no": 1}, more=True), reply(schema={"t": {"primary_key": ["no"]}}, at=2)
    ],
    "schema-incomplete": [reply({"id": 1}, more=True), reply(schema=None, at=2)],
    "no-primary-key": [reply({"id": 1}, schema=None)],
    "record-without-key": [reply({"id": 1}, {"id": None}, {"no": 3})],
    "records-become-one": [reply({"id": 1, "a": 1}, {"id": 1, "a": 2})],
    "row-goes-back": replies([{"id": 1, "updated_at": ONE}], [{"id": 1, "updated_at": NOON}]),
    "delete-without-schema": [reply(schema=None, delete={"t": [{"id": 1}]})],
    "delete-of-nothing": [reply(softDelete=["zzz"], schema=None)],
    "key-in-insert-and-delete": [reply({"id": 1}, {"id": 2}, delete={"t": [{"id": 2}]})],
    "soft-delete-beside-rows": [reply({"id": 1}, softDelete=["t"])],
    "names-collide": [reply({"id": 1, "userName": "a", "user_name": "b"})],
    "reserved-name": [reply({"id": 1, "_fivetran_synced": 1})],
    "new-keys": [
        [reply(*({"id": f"{n}-{sync}", "a": n} for n in range(20)))] for sync in (1, 2, 3)
    ],
    "type-flips": replies([{"id": 1, "price": 1}], [{"id": 2, "price": "1 €"}]),
    "all-null-column": [reply({"id": 1, "note": None})],
    "hides-nothing": [reply({"id": 1, "mail": "a"})],
    "secret-in-reply": [reply(state={"url": f"https://x.test/?key={SECRET}"})],
    "secret-in-rows": [reply({"id": 1, "note": f"Bearer {SECRET}"})],
    "error-shape": [{"errorMessage": "no such account", "state": {"at": 9}, "hasMore": True}],
    "setup-test-has-more": [reply(more=True, state={})],
    "setup-test-heavy": [answer(json.dumps(reply(state={})).encode() + b" " * 2**16)],
}  # fmt: skip
# Similar runs, which break no rule.
FINE = {
    "no-reply": [LOST, reply()],
    "heavy-call": [answer(seconds=150)],
    "same-name-twice": [answer(b'{"state": {"hasMore": 1}, "hasMore": false}')],
    "unknown-field": [reply(softDelete=[])],
    "state-stuck": [reply(more=True), reply(at=2, more=True), reply({"id": 1})],
    "empty-streak": [*EMPTY[:10], reply({"id": 1})],
    "large-state": [reply({"id": 1, **BIG})],
    "token-in-state": [
        reply(state={"next_token": "eyJwYWdlIjoyfQ==", "pageToken": "x" * 40, "secret": ""})
    ],
    "reads-everything-again": [[reply(*days(1, 24), at=LAST)], [reply(*days(1)[-11:], at=LAST)]],
    "schema-varies": [
        reply({"id": 1, "no": 1}, more=True), reply(schema={**KEYED, "u": KEYED["t"]}, at=2)
    ],
    "schema-incomplete": [reply({"id": 1}, more=True), reply(at=2)],
    "record-without-key": [reply({"Id": 1}, {"Id": 2})],  # as the destination names it
    "records-become-one": [reply({"id": 1, "a": 1}, {"id": 2, "a": 2})],
    "row-goes-back": replies([{"id": 1, "updated_at": NOON}], [{"id": 1, "updated_at": ONE}]),
    "delete-without-schema": [reply({"id": 2}, delete={"t": [{"id": 1}]})],
    "delete-of-nothing": [
        reply(softDelete=["zzz"], more=True), reply(at=2, schema={**KEYED, "zzz": KEYED["t"]})
    ],
    "key-in-insert-and-delete": [reply({"id": 1}, {"id": 2}, delete={"t": [{"id": 3}]})],
    "soft-delete-beside-rows": [
        reply({"id": 1}, more=True), reply(at=2, softDelete=["t"], delete={"t": [{"no": 1}]})
    ],
    "names-collide": [reply({"id": 1, "名前": "a"}, {"id": 2, "住所": "b"})],
    "reserved-name": [reply({"id": 1, "fivetran": 1})],
    "new-keys": [[reply(*({"id": n, "a": n} for n in range(20)))] for _ in range(3)],
    "type-flips": replies(
        [{"id": 1, "price": 1}], [{"id": 2, "price": 1.5}, {"id": 3, "price": None}]
    ),
    "all-null-column": [reply({"id": 1, "note": None}, {"id": 2, "note": ""})],
    "hides-nothing": [reply({"id": 1, "eMail": "a"})],
    "secret-in-reply": [reply(state={"url": "https://x.test/?key=***"})],
    "secret-in-rows": [reply({"id": 1, "note": "Bearer"})],
    "error-shape": [{"errorMessage": "no such account", "state": {}, "insert": {"t": []}}],
    "setup-test-has-more": [reply(state={})],
    "setup-test-heavy": [answer(reply(insert={"t": []}, state={}), seconds=150)],
}  # fmt: skip
HASHED = {"hides-nothing": ["t.e_mail"]}


def run(tables, rule, answers):
    """What a setup test, or the last of one or several syncs, breaks."""
    tables.reset()
    if rule.startswith("setup-test"):
        found = Findings(REDACTOR)
        for exchange in function(answers).setup_test():
            found.check(exchange)
    else:
        for each in answers if isinstance(answers[0], list) else [answers]:
            found = judged(tables, each, hashed=HASHED.get(rule, ()))
    assert found.broken == any(finding.rule.severity == ERROR for finding in found)
    return [finding.rule.id for finding in found]


def test_every_rule_has_its_runs():
    assert RULES.keys() == BROKEN.keys() | LOGGED


@pytest.mark.parametrize("rule", BROKEN)
def test_a_run_breaks_one_rule_and_a_similar_one_none(tables, rule):
    assert run(tables, rule, BROKEN[rule]) == [rule]
    assert run(tables, rule, FINE.get(rule, [reply({"id": 1})])) == []


LINES = """\
secret-in-rows
call 1, insert.t[1]: n contains a secret
    {"id":1,"n":"[secret]"}
call 1, insert.t[2]: n contains a secret
    {"id":2,"n":"[secret]"}
call 1, insert.t[3]: n contains a secret
    {"id":3,"n":"[secret]"}
and 2 more
type-flips
call 1, insert.t[1]: n is text here and was a number before: SMALLINT → VARCHAR
    {"id":1,"n":"[secret]"}
hides-nothing
blocked t.notes: there is no such column; t has e_mail, id, n
blocked us: there is no such table; there are t
hashed t.email: there is no such column; t has e_mail, id, n
"""


def test_a_finding_says_where_what_and_with_which_record(tables):
    rows = [{"id": 0, "n": 1, "eMail": "a", "note": "n"}]
    rows += [{"id": n, "n": SECRET} for n in range(1, 6)]
    found = ""
    for finding in judged(tables, [reply(*rows)], ["t.notes", "t.note", "us"], ["t.email"]):
        shown = finding.lines()
        assert f"→ {finding.places[0][1].todo or finding.rule.fix}" in shown
        shown = shown[: shown.index(f"Fivetran {finding.rule.fivetran}")]
        found += "\n".join([finding.rule.id, *shown, ""])
    assert found == LINES


TRUNCATED = {"event": "maybe_truncated", "page": "7", "why": f"full {SECRET}"}


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (TRUNCATED, "call 3, insert.order: page 7 was the last one: full [secret]"),
        ({"event": "creation_cursor", "cursor": "created"}, "call 3, order: cursor='created'"),
        ({"event": "counted_pages", "why": "sorted by 'at'"}, "call 3, order: sorted by 'at'"),
    ],
)
def test_a_warning_of_the_log_is_a_finding(fields, line):
    findings = Findings(REDACTOR)
    findings.log(3, {"entity": "order", **fields})
    findings.log(3, {"entity": "order", **fields, "event": "page"})
    (finding,) = findings
    assert finding.rule.id == fields["event"].replace("_", "-")
    assert (finding.calls, finding.lines()[0]) == ([3], line)


def test_findings_are_sorted_counted_explained_and_written_as_json(tables):
    findings = judged(tables, [reply({"id": 1, "note": None}, hasMore=1)])
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


def test_what_ended_a_run_is_counted_once_and_explained():
    error = ProtocolBroken("the state is the same", rule="state-stuck")
    findings = Findings(REDACTOR)
    for _ in range(2):
        findings.stopped(4, error)
    (finding,) = findings
    assert (finding.count, finding.calls) == (1, [4])
    stuck = RULES["state-stuck"]
    assert advice(error) == [f"Fivetran {stuck.fivetran}", f"→ {stuck.fix}"]
    error = ProtocolBroken("the state is the same", "do this", rule="state-stuck")
    assert advice(error)[-1] == "→ do this"


def test_the_page_is_the_registry():
    script = runpy.run_path(str(Path(__file__).parents[3] / "scripts" / "rules_page.py"))
    assert script["PAGE"].read_text("utf-8") == script["page"](), "run scripts/rules_page.py"
