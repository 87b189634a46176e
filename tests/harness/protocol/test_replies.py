"""One reply by itself: what is read of it, and what is wrong with it."""

import gzip
import json
from pathlib import Path

import pytest
from handmade import SECRET
from harness.errors import FunctionFailed, ProtocolBroken
from harness.project import Connection
from harness.protocol import rules
from harness.protocol.messages import Answer, read, request
from harness.protocol.rules import RULES
from harness.redact import Redactor
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

FOLDER = Path(rules.__file__).parent / "schema"
FINE = {"state": {"at": 1}, "hasMore": False}
PAGE = b"<!doctype html><html><head><title>Bad Gateway</title><style>h1 {color: red}</style>\
</head><body><h1>502</h1>\n<p>nginx &amp; co</p></body></html>"


def reply(body=None, status=200, kind="application/json", **more):
    """An answer, read; the body is a JSON value, or bytes as they come."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read(Answer(status, kind, data, 0.1, **more), Redactor([SECRET]))


def faults(answered):
    """Rule, place and words of each fault."""
    return [f"{fault.rule} {fault.where}: {fault.what}" for fault in answered.faults]


def row(text):
    return b'{"state": {}, "hasMore": false, "insert": {"t": [%s]}}' % text.encode()


# A body, and all that is found in it.
BODIES = [
    ({**FINE, "insert": {"t": [{"a": 1}]}, "schema": {"t": {}, "u": {"primary_key": []}}}, []),
    ({**FINE, "insert": {}, "delete": {"t": []}, "softDelete": []}, []),
    ({**FINE, "errorMessage": None, "stackTrace": None}, []),
    (b' {"state" : {}, "hasMore" : false }\n', []),
    (row('{"a": "\\ud83d\\ude00", "b": 1e400, "c": 18446744073709551616}'), []),
    ({**FINE, "insert": {"t": [{"a": '{"b": 1, "b" : 2}', '":': ":"}]}}, []),
    (
        {"insert": {"t": 1}, "softDelete": [2], "has_more": True},
        [
            "reply-shape : state is missing",
            "has-more-not-boolean : hasMore is missing",
            "reply-shape insert.t: insert.t is 1, not a list",
            "reply-shape softDelete: softDelete[0] is 2, not text",
            "unknown-field has_more: has_more is not a field of a reply",
        ],
    ),
    (
        {"state": "x", "hasMore": "false", "schema": {"t": {"primary_key": "id"}}},
        [
            'reply-shape state: state is "x", not an object',
            'has-more-not-boolean hasMore: hasMore is "false", not true or false',
            'reply-shape schema.t: schema.t.primary_key is "id", not a list',
        ],
    ),
    (
        {**FINE, "insert": None, "schema": {"t": None}, "softDelete": None},
        [
            "unknown-field insert: insert is null",
            "unknown-field schema.t: schema.t is null",
            "unknown-field softDelete: softDelete is null",
        ],
    ),
]
ONE = {
    'same-name-twice insert.t[1]: "id" appears more than once in one object': row(
        '{"a": 1}, {"b": {"id": 2, "id": 3}}'
    ),
    'same-name-twice insert: "t" appears more than once in one object': row(
        '1, {"a":1, "a":2}], "t": [{"id" :2}'
    ),
    "reply-shape : the reply is [1], not an object": [1],
    'reply-shape : the reply is "{}", not an object': "{}",
    "reply-shape : the reply is {statusCode, body}, the wrapper of AWS Lambda for API Gateway": {
        "statusCode": 200, "body": json.dumps(FINE)
    },
    "reply-shape : errorMessage is missing": {"errorType": "ValueError"},
    "not-json : JSON is malformed: invalid character, at byte 75 of 82: hasMore\": false, "
    '"insert": {"t": [{"id": 1}, {"id": 2, "x":  >>> NaN}]}}':
        row('{"id": 1}, {"id": 2, "x": NaN}'),
    'not-json : Input data was truncated, at byte 17 of 17: {"state": {"ä":  >>> (end)':
        b'{"state": {"\xc3\xa4": ',
    'not-json : a byte that is not UTF-8, at byte 11 of 14: {"state": " >>> \ufffd"}':
        b'{"state": "\xe4"}',
    "not-json : JSON is malformed: unexpected end of escaped utf-16 surrogate pair, at byte 23 of "
    '44: {"state": {"x": "\\ud83d >>> "}, "hasMore": false}':
        b'{"state": {"x": "\\ud83d"}, "hasMore": false}',
    "not-json : the reply begins with a byte order mark (EF BB BF)": b"\xef\xbb\xbf{}",
    "not-json : the body is compressed with gzip, but has no Content-Encoding header":
        gzip.compress(b"{}", mtime=0),
    "not-json : the reply is empty": b" \n",
    "not-json : the reply is an HTML page: Bad Gateway 502 nginx & co": PAGE,
    "error-shape errorType: errorType is 7, not text": {"errorMessage": "x", "errorType": 7},
    'error-shape stackTrace: stackTrace[0] is ["a",1]': {
        "errorMessage": "x", "stackTrace": [["a", 1]]
    },
}  # fmt: skip
BODIES += [(body, [what]) for what, body in ONE.items()]


@pytest.mark.parametrize(("body", "found"), BODIES)
def test_all_that_is_wrong_is_found_with_its_place(body, found):
    answered = reply(body, kind="Application/JSON; charset=utf-8")
    assert faults(answered) == found
    failure = answered.failure()
    errors = [fault for fault in answered.faults if RULES[fault.rule].severity == "error"]
    assert (failure is not None) == bool(errors or answered.error)
    if errors:
        assert isinstance(failure, ProtocolBroken)
        assert failure.rule == errors[0].rule
        assert errors[0].what in str(failure)
        assert failure.todo == (errors[0].todo or RULES[failure.rule].fix)


def test_a_fault_of_the_shape_leaves_the_rest_to_be_used():
    answered = reply(
        {
            "state": {"at": 1},
            "hasMore": "true",
            "insert": {"t": [{"id": 1}, 2], "u": 3},
            "delete": None,
            "schema": {"t": {"primary_key": ["id", 7]}, "u": {}, "v": None},
            "softDelete": ["w", 1],
        }
    )
    assert answered.usable
    assert (answered.state, answered.has_more) == ({"at": 1}, False)
    assert (answered.insert, answered.delete) == ({"t": [{"id": 1}]}, {})
    assert answered.schema == {"t": ["id"], "u": [], "v": []}
    assert answered.soft_delete == ["w"]
    shown = reply({**FINE, "insert": {"t": [{"id": 1}, 2]}}).failure()
    assert str(shown) == "insert.t[1] is 2, not an object\n2"


@pytest.mark.parametrize(
    ("status", "body", "rule", "words", "todo"),
    [
        (405, b"", "no-post", "HTTP 405 to a POST request", ""),
        (201, FINE, "http-status", "HTTP 201: {", "return status 200"),
        (401, b"", "http-status", "HTTP 401 with an empty body", "--key"),
        (403, {"message": "Forbidden"}, "http-status", "Forbidden", "firewall"),
        (500, b"", "http-status", "HTTP 500 with an empty body", "see its log"),
        (502, PAGE, "http-status", "HTTP 502: Bad Gateway 502 nginx & co", ""),
    ],
)
def test_another_status_than_200_says_what_to_do_wherever_the_function_runs(
    status, body, rule, words, todo
):
    answered = reply(body, status, "text/html")
    (fault,) = answered.faults
    assert fault.rule == rule
    assert words in fault.what
    assert todo in fault.todo
    assert "Azure" not in fault.todo
    assert not answered.usable


@pytest.mark.parametrize(
    ("trace", "lines"),
    [
        ([["fetch.py", 12, "order", "fetch.get()"]], ["fetch.py:12 in order", "    fetch.get()"]),
        ("Traceback …\nKeyError", ["Traceback …", "KeyError"]),
        (['  File "a.py", line 1\n    x\n'], ['  File "a.py", line 1', "    x"]),
        (None, []),
    ],
)
def test_an_error_report_may_carry_its_trace_as_text_or_list(trace, lines):
    """With the requestId that AWS Lambda adds."""
    report = {"errorMessage": f"down {SECRET}", "errorType": "KeyError", "requestId": "1"}
    answered = reply({**report, "stackTrace": trace})
    assert [fault.rule for fault in answered.faults] == ["secret-in-reply"]
    failure = answered.failure()
    assert isinstance(failure, FunctionFailed)
    assert (str(failure), failure.kind) == ("down [secret]", "KeyError")
    assert answered.trace == lines


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ({"state": {"url": f"https://x.test/?key={SECRET}"}}, "secret-in-reply state"),
        ({"insert": {f"x{SECRET}": [{"id": 1}]}}, "secret-in-reply insert"),
        ({"softDelete": [SECRET]}, "secret-in-reply softDelete"),
        ({"insert": {"t": [{"id": 1}, {"id": 2, "note": SECRET}]}}, "secret-in-rows insert.t[1]"),
    ],
)
def test_a_secret_is_found_and_not_shown(part, where):
    answered = reply({**FINE, **part})
    assert [f"{fault.rule} {fault.where}" for fault in answered.faults] == [where]
    assert "s3cret" not in repr(answered.faults)
    assert answered.usable == where.startswith("secret-in-rows")


def test_a_secret_is_masked_before_a_text_is_cut():
    answered = reply(b"x" * 360 + SECRET.encode() + b"y" * 200, 500, "text/plain")
    assert "s3cret" not in repr(answered.faults)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=5,
)
records = st.lists(st.dictionaries(st.sampled_from("ab"), values, max_size=2), max_size=3)
keys = st.fixed_dictionaries({}, optional={"primary_key": st.lists(st.sampled_from(["id", ""]))})
part = st.dictionaries(st.sampled_from("tu"), records | keys | values) | values
FIELDS = ["insert", "delete", "schema", "errorMessage", "errorType", "stackTrace", "statusCode"]
SCHEMAS = {
    name: Draft202012Validator(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))
    for name in ("request", "reply")
}


@given(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(FIELDS, part),
            "state": st.dictionaries(st.sampled_from("tu"), values) | values,
            "hasMore": st.booleans() | values,
            "softDelete": st.lists(st.sampled_from("tu") | values) | values,
        },
    )
)
@settings(max_examples=200, deadline=None)
def test_any_reply_is_read_and_what_the_schema_refuses_is_a_fault(data):
    answered = reply(data)
    assert bool(answered.faults) != SCHEMAS["reply"].is_valid(data)
    assert {fault.rule for fault in answered.faults} <= RULES.keys()
    assert answered.usable or answered.failure() is not None


@given(
    st.binary() | st.text().map(str.encode),
    st.sampled_from([200, 204, 404, 405, 500]),
    st.text(),
    st.booleans(),
)
@example(b"[" * 100_000, 200, "", False)
@example(b'{"a":' * 900 + b'{"b": 1, "b": 2}' + b"}" * 900, 200, "", False)
def test_any_answer_can_be_read(body, status, kind, lost):
    answered = reply(body, status, kind, lost=lost)
    assert answered.usable or isinstance(answered.failure(), ProtocolBroken)


@pytest.mark.parametrize("setup_test", [True, False])
def test_a_request_is_valid_and_leaves_out_what_is_not_given(setup_test):
    connection = Connection("acme", {"apiToken": "x"}, {"region": "eu"}, [], [])
    sync_id = "setup-test" if setup_test else None
    body = json.loads(request(connection, {"t": 1}, sync_id=sync_id, setup_test=setup_test))
    assert body == {
        "agent": "Fivetran Azure Functions Connector/local_harness/acme",
        "state": {"t": 1},
        "secrets": {"apiToken": "x"},
        "customPayload": {"region": "eu"},
        **({"setup_test": True, "sync_id": sync_id} if setup_test else {}),
    }
    assert SCHEMAS["request"].is_valid(body)
    assert not SCHEMAS["request"].is_valid({**body, "sync_id": "7"})
