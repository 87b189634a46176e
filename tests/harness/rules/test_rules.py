"""For each rule a run that breaks it and no other, and one beside it that breaks none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from harness.errors import HarnessError, LostReply
from harness.judge import LARGE_BYTES, SETUP_BYTES
from harness.rules import RULES
from harness.target import Answer, FunctionTarget

SECRET = "s3cret-Ü&+/tökén"
KEYED = {"t": {"primary_key": ["id"]}}
NOON, ONE = "2026-01-05T12:00:00Z", "2026-01-05T13:00:00Z"


def reply(*rows: dict[str, Any], at: int = 1, more: bool = False, **parts: Any) -> dict[str, Any]:
    """A sound reply with these records of `t`; parts replace it, None takes one out."""
    whole: dict[str, Any] = {"state": {"at": at}, "schema": KEYED, "hasMore": more}
    if rows:
        whole["insert"] = {"t": list(rows)}
    whole |= parts
    return {name: value for name, value in whole.items() if value is not None}


def answer(
    body: Any = None, status: int = 200, kind: str = "application/json", seconds: float = 0.1
) -> Answer:
    """An answer that is not just a sound JSON body."""
    data = body if isinstance(body, bytes) else json.dumps(body or reply()).encode()
    return Answer(status, kind, data, seconds)


def report(**parts: Any) -> dict[str, Any]:
    """An error report."""
    return {"errorMessage": "no such account", **parts}


def replies(*each: tuple[dict[str, Any], ...], **parts: Any) -> list[dict[str, Any]]:
    """One sync, with a reply for each tuple of records."""
    last = len(each) - 1
    return [reply(*rows, at=at, more=at < last, **parts) for at, rows in enumerate(each)]


def padded(size: int) -> bytes:
    """A sound setup-test reply of so many bytes."""
    body = json.dumps({"state": {}, "hasMore": False}).encode()
    return body + b" " * (size - len(body))


EMPTY = [reply(at=number, more=True) for number in range(12)]
LOST = LostReply("gone")

# The rule: a run that breaks it, a run that does not.
SYNCS: dict[str, tuple[list[Any], list[Any]]] = {
    "no-reply": ([LOST, LOST, LOST], [LOST, LOST, reply()]),
    "slow-call": ([answer(seconds=151)], [answer(seconds=150)]),
    "large-reply": ([answer(padded(LARGE_BYTES + 1))], [answer(padded(LARGE_BYTES))]),
    "http-status": ([answer(b"", status=500)], [answer()]),
    "not-json": ([answer(b"<html>")], [answer(b' {"state": {}, "hasMore": false}\n')]),
    "content-type": (
        [answer(kind="text/plain; charset=utf-8")],
        [answer(kind="Application/JSON; charset=utf-8")],
    ),
    "not-an-object": ([answer(b"[]")], [answer()]),
    "state-missing": ([{"hasMore": False}], [{"state": {}, "hasMore": False}]),
    "state-not-object": ([reply(state="a")], [reply(state={})]),
    "has-more-missing": ([{"state": {}}], [{"state": {}, "hasMore": False}]),
    "has-more-not-boolean": ([reply(hasMore="false")], [reply(hasMore=False)]),
    "rows-shape": ([reply(insert={"t": {"id": 1}})], [reply(insert={"t": []}, delete={})]),
    "record-not-object": ([reply(insert={"t": [{"id": 1}, 2]})], [reply({"id": 1}, {"id": 2})]),
    "schema-shape": ([reply(schema={"t": {"primary_key": "id"}})], [reply(schema=KEYED)]),
    "soft-delete-shape": ([reply(softDelete="t")], [reply(softDelete=["t"])]),
    "unknown-field": ([reply(soft_delete=["t"])], [reply(softDelete=[])]),
    "state-stuck": (
        [reply({"id": 1}, state={}, more=True)],
        [reply({"id": 1}, state={}, more=False)],
    ),
    "empty-streak": (EMPTY, [*EMPTY[:10], reply({"id": 1})]),
    "schema-varies": (
        [reply({"id": 1, "no": 1}, more=True), reply(schema={"t": {"primary_key": ["no"]}}, at=2)],
        [reply({"id": 1, "no": 1}, more=True), reply(schema={**KEYED, "u": KEYED["t"]}, at=2)],
    ),
    "schema-incomplete": (
        [reply({"id": 1}, more=True), reply(schema=None, at=2)],
        [reply({"id": 1}, more=True), reply(at=2)],
    ),
    "no-primary-key": ([reply({"id": 1}, schema=None)], [reply({"id": 1})]),
    "key-column-twice": (
        [reply({"id": 1}, schema={"t": {"primary_key": ["id", "ID"]}})],
        [reply({"id": 1}, schema={"t": {"primary_key": ["id"]}})],
    ),
    "record-without-key": (
        [reply({"id": 1}, {"id": None}, {"no": 3})],
        [reply({"id": 1}, {"Id": 2})],  # as the destination spells it
    ),
    "row-goes-back": (
        replies(({"id": 1, "updated_at": ONE},), ({"id": 1, "updated_at": NOON},)),
        replies(({"id": 1, "updated_at": NOON},), ({"id": 1, "updated_at": ONE},)),
    ),
    "delete-without-schema": (
        [reply(schema=None, delete={"t": [{"id": 1}]})],
        [reply({"id": 2}, delete={"t": [{"id": 1}]})],
    ),
    "delete-of-nothing": (
        [
            reply({"id": 1}, more=True),
            reply(at=2, delete={"tt": [{"id": 1}]}, schema={**KEYED, "tt": KEYED["t"]}),
        ],
        [reply({"id": 1}, more=True), reply(at=2, delete={"t": [{"id": 1}]})],
    ),
    "key-in-insert-and-delete": (
        [reply({"id": 1}, {"id": 2}, delete={"t": [{"id": 2}]})],
        [reply({"id": 1}, {"id": 2}, delete={"t": [{"id": 3}]})],
    ),
    "soft-delete-beside-rows": (
        [reply({"id": 1}, softDelete=["t"])],
        [reply({"id": 1}, more=True), reply(at=2, softDelete=["t"])],
    ),
    "soft-delete-beside-delete": (
        [
            reply({"id": 1}, more=True),
            reply(at=2, delete={"t": [{"id": 1}]}, softDelete=["t"]),
        ],
        [
            reply({"id": 1}, more=True, schema={**KEYED, "u": KEYED["t"]}),
            reply(
                at=2,
                delete={"t": [{"id": 1}]},
                softDelete=["u"],
                schema={**KEYED, "u": KEYED["t"]},
            ),
        ],
    ),
    "soft-delete-of-nothing": (
        [reply(softDelete=["zzz"])],
        [
            reply(softDelete=["zzz"], more=True),
            reply(at=2, schema={**KEYED, "zzz": KEYED["t"]}),
        ],
    ),
    "private-data-unmet": (
        [reply({"id": 1, "mail": "a"})],
        [reply({"id": 1, "eMail": "a"})],
    ),
    "names-collide": (
        [reply({"id": 1, "userName": "a", "user_name": "b"})],
        [reply({"id": 1, "userName": "a", "user_name": None}, {"id": 2, "user_name": "b"})],
    ),
    "reserved-name": ([reply({"id": 1, "_fivetran_synced": 1})], [reply({"id": 1, "fivetran": 1})]),
    "type-flips": (
        replies(({"id": 1, "price": 1},), ({"id": 2, "price": "1 €"},)),
        replies(({"id": 1, "price": 1},), ({"id": 2, "price": 1.5}, {"id": 3, "price": None})),
    ),
    "stamp-without-offset": (
        [reply({"id": 1, "at": "2026-01-05T12:00:00"})],
        [reply({"id": 1, "at": "2026-01-05T12:00:00+02:00", "day": "2026-01-05"})],
    ),
    "all-null-column": (
        [reply({"id": 1, "note": None})],
        [reply({"id": 1, "note": None}, {"id": 2, "note": ""})],
    ),
    "secret-in-reply": (
        [reply(state={"url": f"https://x.test/?key={SECRET}"})],
        [reply(state={"url": "https://x.test/?key=***"})],
    ),
    "secret-in-rows": (
        [reply({"id": 1, "note": f"Bearer {SECRET}"})],
        [reply({"id": 1, "note": "Bearer"})],
    ),
    "error-without-message": (
        [{"errorType": "ValueError", "stackTrace": []}],
        [report(errorType="ValueError", stackTrace=[])],
    ),
    "error-status": ([answer(report(), status=400)], [answer(report())]),
    "error-with-state": (
        [report(state={"at": 9}, hasMore=True)],
        [report(state={}, hasMore=False)],
    ),
    "error-with-rows": ([report(insert={"t": [{"id": 1}]})], [report(insert={})]),
    "stack-trace-shape": (
        [report(stackTrace="Traceback …")],
        [report(stackTrace=[["fetch.py", 12, "thing", "fetch.get()"]])],
    ),
}
SETUPS: dict[str, tuple[list[Any], list[Any]]] = {
    "setup-test-has-more": ([reply(more=True, state={})], [reply(state={})]),
    "setup-test-rows": ([reply({"id": 1}, state={})], [reply(insert={"t": []}, state={})]),
    "setup-test-state": ([reply(state={"at": 1})], [reply(state={})]),
    "setup-test-size": ([answer(padded(SETUP_BYTES + 1))], [answer(padded(SETUP_BYTES))]),
}
HASHED = {"private-data-unmet": ["t.e_mail"]}
ELSEWHERE = {"no-post"}


def test_every_rule_has_its_runs() -> None:
    assert RULES.keys() == SYNCS.keys() | SETUPS.keys() | ELSEWHERE


@pytest.mark.parametrize("rule", [*SYNCS, *SETUPS])
def test_a_run_that_breaks_a_rule_breaks_that_rule_alone(judged: Any, rule: str) -> None:
    broken, _ = (SYNCS | SETUPS)[rule]
    findings = judged(broken, setup=rule in SETUPS, hashed=HASHED.get(rule, ()))
    assert [finding.rule.id for finding in findings] == [rule]
    assert findings.broken == (RULES[rule].severity == "error")


@pytest.mark.parametrize("rule", [*SYNCS, *SETUPS])
def test_a_run_beside_it_breaks_none(judged: Any, rule: str) -> None:
    _, fine = (SYNCS | SETUPS)[rule]
    assert [
        finding.rule.id
        for finding in judged(fine, setup=rule in SETUPS, hashed=HASHED.get(rule, ()))
    ] == []


@pytest.mark.parametrize(("methods", "rule"), [('["GET"]', "no-post"), ('["POST"]', None)])
def test_a_function_must_take_post(tmp_path: Path, methods: str, rule: str | None) -> None:
    (tmp_path / "function_app.py").write_text(
        "import azure.functions as func\n\napp = func.FunctionApp()\n\n\n"
        f'@app.route(route="acme", methods={methods})\n'
        "def acme(req: func.HttpRequest) -> func.HttpResponse:\n    return func.HttpResponse()\n",
        encoding="utf-8",
    )
    found = None
    try:
        FunctionTarget(tmp_path)
    except HarnessError as error:
        found = getattr(error, "rule", error)
    assert found == rule


def test_columns_that_meet_do_no_harm_where_they_are_blocked(judged: Any) -> None:
    rows = [reply({"id": 1, "userName": "a", "user_name": "b"})]
    assert [found.rule.id for found in judged(rows)] == ["names-collide"]
    assert list(judged(rows, blocked=["t.user_name"])) == []
