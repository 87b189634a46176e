"""Requests and replies, decoded exactly and checked."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from harness.connection import Connection
from harness.errors import FunctionFailed, ProtocolBroken
from harness.protocol import decode, encode, read, request
from harness.redact import Redactor
from harness.target import Answer

FINE: dict[str, Any] = {"state": {}, "hasMore": False}


def answer(body: Any, status: int = 200, kind: str = "application/json") -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, kind, data, 0.1)


def test_numbers_are_exact() -> None:
    text = b'{"a":123456789012345678901234567890,"b":1.10,"c":0.1000000000000000055511151231257827}'
    value = decode(text)
    assert value == {
        "a": 123456789012345678901234567890,
        "b": Decimal("1.10"),
        "c": Decimal("0.1000000000000000055511151231257827"),
    }
    assert encode(value) == text


def test_state_goes_back_as_it_came() -> None:
    state = read(answer(b'{"state":{"at":1767000000.10,"n":18446744073709551616},"hasMore":false}'))
    body = request(Connection("acme"), state.state, sync_id="x")
    assert b'"state":{"at":1767000000.10,"n":18446744073709551616}' in body


def test_a_request_leaves_out_what_was_not_given() -> None:
    body = decode(request(Connection("acme"), {}, sync_id=None))
    assert list(body) == ["agent", "state", "secrets", "customPayload"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"hasMore": False}, "state is missing"),
        ({"state": None, "hasMore": False}, "state is null"),
        ({"state": [], "hasMore": False}, "state is a list"),
        ({"state": {}}, "hasMore is missing"),
        ({"state": {}, "hasMore": "false"}, "hasMore is the text 'false'"),
        ({"state": {}, "hasMore": 0}, "hasMore is the number 0"),
        ({**FINE, "insert": []}, "insert is a list, not an object"),
        ({**FINE, "insert": {"t": {}}}, "insert.t is an object, not a list"),
        ({**FINE, "insert": {"t": [{}, 1]}}, r"insert.t\[1\] is the number 1, not an object"),
        ({**FINE, "delete": {"t": [{"id": 1}]}}, "delete.t comes without schema.t.primary_key"),
        ({**FINE, "schema": {"t": ["id"]}}, "schema.t is a list, not an object"),
        ({**FINE, "softDelete": "t"}, "softDelete is the text 't', not a list"),
        ({"errorMessage": {"a": 1}}, "errorMessage is an object"),
        ({"errorMessage": " "}, "errorMessage is the text ' '"),
        ([], "the reply is a list, not a JSON object"),
        (b"<html>", "the reply is no JSON .*: <html>"),
        (b'{"state": {}, "hasMore": false, "x": NaN}', "no strict JSON"),
        (b"", "the reply is no JSON .*: an empty body"),
    ],
)
def test_a_reply_that_fivetran_cannot_use_is_refused(body: Any, says: str) -> None:
    with pytest.raises(ProtocolBroken, match=says):
        read(answer(body))


@pytest.mark.parametrize("depth", [300, 2000, 200_000])
def test_a_reply_nested_too_deep_is_no_json(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    body = b'{"state": {"a": %b}, "hasMore": false}' % nested
    with pytest.raises(ProtocolBroken, match="nested more than 200 levels deep") as caught:
        read(answer(body))
    assert caught.value.rule == "not-json"


def test_a_reply_may_be_nested_as_deep_as_any_real_one() -> None:
    nested = b'{"a":' * 100 + b"1" + b"}" * 100
    assert read(answer(b'{"state": {"a": %b}, "hasMore": false}' % nested)).has_more is False


def test_a_wrong_content_type_is_refused() -> None:
    with pytest.raises(ProtocolBroken, match="Content-Type is text/plain"):
        read(answer(FINE, kind="text/plain; charset=utf-8"))


def test_a_content_type_may_have_parameters() -> None:
    assert read(answer(FINE, kind="Application/JSON; charset=utf-8")).has_more is False


def test_an_exception_of_the_function_is_named_as_azure_shows_it() -> None:
    with pytest.raises(ProtocolBroken, match="HTTP 500 with an empty body") as caught:
        read(Answer(500, "", b"", 0.1, failure="Traceback …"))
    assert caught.value.trace == "Traceback …"


def test_an_error_report_counts_whatever_its_status() -> None:
    with pytest.raises(FunctionFailed, match="no such account"):
        read(answer({"errorMessage": "no such account"}, status=400))


def test_an_error_report_keeps_type_and_trace() -> None:
    body = {"errorMessage": "x", "errorType": "Auth", "stackTrace": [["a.py", 1, "f", "g()"]]}
    with pytest.raises(FunctionFailed) as caught:
        read(answer(body))
    assert (caught.value.kind, caught.value.trace) == ("Auth", [["a.py", 1, "f", "g()"]])


def test_a_secret_is_hidden_before_a_body_is_cut() -> None:
    secret = "0123456789abcdef"
    body = b"x" * 195 + secret.encode()
    with pytest.raises(ProtocolBroken) as caught:
        read(answer(body), Redactor([secret]).text)
    assert secret[:5] not in str(caught.value)


def test_rows_are_counted_per_entity() -> None:
    schema = {"a": {"primary_key": ["id"]}}
    reply = read(
        answer({**FINE, "insert": {"a": [{}, {}]}, "delete": {"a": [{"id": 1}]}, "schema": schema})
    )
    assert (reply.rows, reply.deleted, reply.empty) == ({"a": 2}, {"a": 1}, False)
