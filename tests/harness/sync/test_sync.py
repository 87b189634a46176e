"""Fivetran's loop around a function, exchange by exchange."""

import json
import uuid

import pytest
from harness import sync
from harness.errors import HarnessError
from harness.project import Connection
from harness.protocol.messages import Answer
from harness.redact import Redactor

LOST = Answer(0, "", b"", 0.1, lost=True, why="it got lost")
BROKEN = Answer(500, "", b"", 0.1, "Traceback\nValueError: oops")


class Scripted:
    """A function that gives one reply after the other."""

    name = "scripted"

    def __init__(self, replies):
        self.replies, self.requests = iter(replies), []

    def call(self, body):
        self.requests.append(json.loads(body))
        reply = next(self.replies)
        if isinstance(reply, Answer):
            return reply
        return Answer(200, "application/json", json.dumps(reply).encode(), 0.1)


class Run:
    """A finished run: what was sent, its exchanges, the state after each, and its error."""

    def __init__(self, tables, replies, **options):
        target, self.error, self.slept = Scripted(replies), "", []
        self.requests, self.exchanges, self.states = target.requests, [], []
        options = {"sleep": self.slept.append, **options}
        fivetran = sync.Fivetran(target, Connection("acme"), Redactor())
        try:
            for exchange in fivetran.sync(tables, **options):
                self.exchanges.append(exchange)
                self.states.append(tables.state())
        except HarnessError as error:
            self.error = "\n".join([str(error), *getattr(error, "__notes__", [])])


def reply(at, rows=1, more=True, **others):
    insert = {"thing": [{"id": at * 100 + number} for number in range(rows)]} if rows else {}
    schema = {"thing": {"primary_key": ["id"]}}
    return {"state": {"at": at}, "insert": insert, "schema": schema, "hasMore": more, **others}


LAST = reply(99, more=False)


def test_it_calls_until_has_more_is_false_and_applies_before_it_yields(tables):
    run = Run(tables, [reply(1), reply(2), reply(3, more=False)])
    states = [{}, {"at": 1}, {"at": 2}, {"at": 3}]
    assert [request["state"] for request in run.requests] == states[:3]
    assert [(each.number, each.before) for each in run.exchanges] == [*enumerate(states[:3], 1)]
    assert (run.error, run.states, len(tables.rows("thing"))) == ("", states[1:], 3)
    sent = run.requests[0]
    assert {request["sync_id"] for request in run.requests} == {str(uuid.UUID(sent["sync_id"]))}
    assert "setup_test" not in sent


@pytest.mark.parametrize(
    "replies",
    [
        [reply(number, rows=0, softDelete=["thing"]) for number in range(12)] + [LAST],
        [reply(number, rows=0, delete={"thing": [{"id": 1}]}) for number in range(12)] + [LAST],
        [{**reply(1), "hasMore": "true"}],  # applied, and taken as false
    ],
)
def test_it_does_not_stop_where_fivetran_goes_on(tables, replies):
    """Where it stops: the runs of protocol/test_rules.py."""
    run = Run(tables, replies)
    assert (run.error, len(run.exchanges)) == ("", len(replies))
    assert tables.state() == replies[-1]["state"]


def test_a_reply_that_cannot_be_used_leaves_the_state_and_is_yielded(tables):
    failed = {"errorMessage": "upstream is down", "errorType": "Down", "state": {"at": 9}}
    run = Run(tables, [reply(1), {**failed, "hasMore": True}])
    assert (run.error, run.states) == ("upstream is down", [{"at": 1}] * 2)
    assert run.exchanges[1].noticed is None
    assert "ValueError: oops" in Run(tables, [BROKEN]).error


def test_six_hours_or_calls_end_it_early_and_the_next_sync_goes_on(tables):
    ticks = iter(range(0, 10**6, 3600))
    run = Run(tables, map(reply, range(1, 99)), clock=lambda: float(next(ticks)))
    assert (run.error, len(run.exchanges), tables.state()) == ("", 7, {"at": 7})
    assert len(Run(tables, [reply(8), LOST, reply(9)], calls=2).exchanges) == 3
    assert Run(tables, [LAST]).requests[0]["state"] == {"at": 9}


def test_a_lost_reply_is_asked_for_again_with_the_same_state(tables):
    run = Run(tables, [reply(1), LOST, LOST, reply(2), LOST, LAST])
    assert [request["state"].get("at", 0) for request in run.requests] == [0, 1, 1, 1, 2, 2]
    lost = [exchange.answer.lost for exchange in run.exchanges]
    assert lost == [False, True, True, False, True, False]
    assert (run.slept, run.error) == ([1.0, 2.0, 1.0], "")


@pytest.mark.parametrize("first", [None, {"errorMessage": "no"}, BROKEN, LOST, [1]])
def test_any_failure_of_a_setup_test_is_tried_again_without_sync_id(first):
    replies = [{"state": {}, "hasMore": False}]
    target = Scripted(replies if first is None else [first, *replies])
    exchanges = sync.Fivetran(target, Connection("acme"), Redactor()).setup_test()
    sent = [(r["setup_test"], r.get("sync_id"), r["state"]) for r in target.requests]
    assert sent == [(True, "setup-test", {}), (True, None, {})][: len(sent)]
    failed = [sync.failure(exchange) is not None for exchange in exchanges]
    assert failed == ([False] if first is None else [True, False])
