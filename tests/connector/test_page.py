"""A step's page on its way into a reply: bytes as they came, cursors, generators, numbers."""

import json
import operator
from decimal import Decimal
from itertools import count

import pytest
from connector import Page
from connector.sync.handler import handle

from .play import Player, encoded
from .scripted import SECRETS, START, Upstream, one, script, stepping

REQUEST = encoded({"state": {}, "secrets": SECRETS})
HUGE = 123456789012345678901234567890
RECORD = (
    b'{ "id" : 1,\t"big":123456789012345678901234567890, "small": 0.1000000000000000055511151231,\n'
    b'"huge": 1e400, "minus": -0.0, "exact": 12345678901234567.10, "exp": 1E+2, "twice": 1,'
    b'"twice": 2, "text": "caf\\u00e9 \xc3\xa9 \\/ \\ud83d\\ude00", "nested": [ {"x":[ ]} ] }'
)
BODY = b'{"data": [{"id": 1, "n": 123456789012345678901234567890, "x": "a"}, {"id": 2, "x": "b"}]}'


def delivered(body, look):
    """The reply of a call whose only page holds what a step makes of this body."""
    made = stepping(lambda fetch: Page(look(fetch.get("/thing"))))
    return handle(made, REQUEST, Upstream(lambda asked: body))[1]


def looked(body, look):
    """What a step makes of a response."""
    found = []
    delivered(body, lambda response: found.append(look(response)) or [])
    return found[0]


# ---- untouched records


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", b"\n[%b] "),
        ("result.items", b'{"result": {"n": 1, "items": [%b]}}'),
        ("a.b", b'{"a": {"b": []}, "a.b": [%b]}'),
    ],
)
def test_records_that_nobody_reads_arrive_byte_for_byte(path, body):
    """Those of several pages too; their number can be asked for."""
    second = RECORD.replace(b"1,\t", b"2,\t")

    def step(fetch):
        rows = fetch.get("/thing", params={"page": fetch.token}).rows(path)
        assert (len(rows), bool(rows)) == (1, True)
        return Page(rows, None if fetch.token else 2)

    upstream = Upstream(lambda asked: body % (second if asked.params else RECORD))
    reply = handle(stepping(step), REQUEST, upstream)[1]
    assert b'{"thing":[' + RECORD + b"," + second + b"]}" in reply


@pytest.mark.parametrize(
    ("path", "value"), [("at", 2), ("a.b", 3), ("c.d", 5), ("n", None), ("c.d.e", ...), ("x", ...)]
)
@pytest.mark.parametrize("make", [list, iter, lambda rows: rows])
def test_a_cursor_is_a_column_or_a_dotted_path_of_records_untouched_or_not(make, path, value):
    record = {"at": 2, "a.b": 3, "a": {"b": 4}, "c": {"d": 5}, "n": None}
    rows = [*({"id": n, **record} for n in range(2500)), {"id": 1.5}]

    def step(fetch):
        return Page(make(fetch.get("/thing").rows()))

    made = stepping(step, cursor=path, cursor_type="sequence")
    player = Player(made, Upstream(lambda asked: rows))
    error = player.sync().error
    if value is ...:  # no record has it: an error, and not a full sync for ever
        assert f"'{path}'" in error
    else:
        assert (error, player.state.get("thing")) == ("", value)


@pytest.mark.parametrize("half", [rb"x\ud83d\u0041", rb"\ude00\ud83d", rb"\uD83D\uD83D\uDE00"])
def test_half_an_emoji_stops_no_sync(half):
    """Wherever it stands: unread, in a key, in a cursor, in a token."""
    body = b'{"note": "%b", "data": [{"id": "%b", "at": "%b", "x": "%b"}], "next": %b}'

    def answers(asked):
        return body % (*[half] * 4, b"null" if "token" in asked.params else b'"a%b"' % half)

    player = Player(one(cursor_type="text"), Upstream(answers))
    sync = player.sync()
    assert sync.error == "" and "\ufffd" in sync.ids()[0] and "\ufffd" in player.state["thing"]
    assert "\ufffd" in str(player.upstream.each("token")[1])


# ---- records that a step reads


@pytest.mark.parametrize(
    "look",
    [lambda r: r.rows("data")[-1], lambda r: r.json()["data"][0], lambda r: r.value("data")[0]],
)
def test_a_number_that_no_float_or_int_can_hold_is_read_exactly(look):
    numbers = b'"huge": 1e400, "f": 1.5, "n": %d, "long": %b' % (HUGE, b"9" * 5000)
    body = b'{"data": [{"id": 1, %b}]}' % numbers
    row = looked(body, look)
    assert row["huge"] == Decimal("1e400") and row["long"] == Decimal("9" * 5000)
    assert (row["f"], type(row["f"]), row["n"]) == (1.5, float, HUGE)
    reply = delivered(body, lambda response: look(response) and response.rows("data"))
    (row,) = json.loads(reply, parse_int=Decimal, parse_float=Decimal)["insert"]["thing"]
    assert (row["huge"], row["long"]) == (Decimal("1e400"), Decimal("9" * 5000))


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: operator.add(rows, [{"id": 9}]),
        lambda rows: operator.add([{"id": 9}], rows),
        lambda rows: rows.sort(key=lambda row: -row["id"]) or rows,
        lambda rows: rows[1:],
        lambda rows: rows.insert(0, {"id": 0}) or rows,
        lambda rows: rows.append({"id": 3}) or rows.extend([{"id": 4}]) or rows,
        lambda rows: operator.delitem(rows, 0) or rows,
        lambda rows: operator.setitem(rows, 0, {"id": 5}) or rows,
        lambda rows: rows[0].update(x="changed") or rows,
        lambda rows: [row.pop("n", None) for row in rows],
        lambda rows: rows.pop() in rows,
        lambda rows: rows == rows[:] and rows != rows[:1] and rows != 7,
        lambda rows: [
            type(each) is list
            for each in (rows[:2], operator.add(rows, []), operator.add([], rows))
        ],
    ],
)
def test_rows_behave_as_the_list_they_are(change):
    found = looked(BODY, lambda response: change(response.rows("data")))
    assert found == change(json.loads(BODY)["data"])


@pytest.mark.parametrize(
    "look",
    [
        lambda r: [{**row, "x": 1} for row in r.json()["data"]],
        lambda r: ({**row, "x": 1} for row in r.rows("data")),
        lambda r: [{**row, "x": 1} for row in r.rows("data")[:]],
        lambda r: {row["id"]: {**row, "x": 1} for row in r.value("data")}.values(),
        lambda r: [row.update(x=1) for row in r.rows("data")] and r.rows("data"),
    ],
)
def test_what_a_step_changed_is_delivered_as_changed(look):
    """Any iterable of records will do, and integers stay exact."""
    reply = json.loads(delivered(BODY, look))
    assert reply["insert"]["thing"] == [{"id": 1, "n": HUGE, "x": 1}, {"id": 2, "x": 1}]


def test_a_generator_is_not_read_beyond_the_time_of_a_call(clock):
    def rows():
        for number in count():
            clock.advance(0.01)
            yield {"id": number}

    sync = Player(stepping(lambda fetch: Page(rows())), script({})).sync(calls=1)
    assert "a page of thing" in sync.error
    assert clock.slept == [] and clock.now() < START + 200
