"""Records on their way: left as the upstream's bytes, or changed by the step."""

import json
import operator
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from connector import Fetch, Page, Response
from connector.answer import answer
from connector.testing import Reply

from .play import Player, encoded
from .scripted import SECRETS, Upstream, one, script, source

pytestmark = pytest.mark.usefixtures("clock")

RECORD = (
    b'{ "id" : 1,\t"big":123456789012345678901234567890, "small": 0.1000000000000000055511151231,\n'
    b'"huge": 1e400, "minus": -0.0, "exact": 12345678901234567.10, "exp": 1E+2, "twice": 1,'
    b'"twice": 2, "text": "caf\\u00e9 \xc3\xa9 \\/ \\ud83d\\ude00", "nested": [ {"x":[ ]} ] }'
)


def reply_to(
    body: bytes, look: Callable[[Response], Any] = lambda r: r.rows("data"), **options: Any
) -> bytes:
    """The reply, as bytes, of a call whose only page is this body."""
    made = source()

    @made.entity("thing", **{"primary_key": ["id"], **options})
    def thing(fetch: Fetch) -> Page:
        return Page(look(fetch.get("/thing")))

    request = encoded({"state": {}, "secrets": SECRETS})
    return answer(made, request, Upstream(lambda asked: Reply(body=body)))[1]


def inserted(body: bytes, look: Callable[[Response], Any], **options: Any) -> list[Any]:
    """The records that arrive, decoded exactly."""
    reply = json.loads(reply_to(body, look, **options), parse_float=Decimal)
    return reply["insert"]["thing"]


def test_rows_that_nobody_reads_arrive_byte_for_byte() -> None:
    assert b'"insert":{"thing":[' + RECORD + b"]}" in reply_to(b'{"data": [' + RECORD + b"]}")


def test_rows_of_several_pages_arrive_byte_for_byte() -> None:
    pages = {None: (b"1", b'"b"'), "b": (b"2", b"null")}

    def answers(asked: Any) -> bytes:
        key, token = pages[asked.params.get("token")]
        record = RECORD.replace(b"1,\t", key + b",\t")
        return b'{"data": [' + record + b'], "next": ' + token + b"}"

    _, body = answer(
        one(cursor=None), encoded({"state": {}, "secrets": SECRETS}), Upstream(answers)
    )
    assert RECORD + b"," + RECORD.replace(b"1,\t", b"2,\t") in body


def test_the_number_of_rows_is_known_without_reading_them() -> None:
    def look(response: Response) -> Any:
        rows = response.rows("data")
        assert len(rows) == 1 and rows
        return rows

    assert RECORD in reply_to(b'{"data": [' + RECORD + b"]}", look)


@pytest.mark.parametrize("path", ["", "result.items", "a.b"])
def test_rows_are_found_at_a_dotted_path_or_at_a_key_with_a_dot(path: str) -> None:
    body = {
        "": b"[" + RECORD + b"]",
        "result.items": b'{"result": {"n": 1, "items": [' + RECORD + b"]}}",
        "a.b": b'{"a": {"b": []}, "a.b": [' + RECORD + b"]}",
    }[path]
    assert RECORD in reply_to(body, lambda response: response.rows(path))


BODY = b'{"data": [{"id": 1, "n": 123456789012345678901234567890, "x": "a"}, {"id": 2, "x": "b"}]}'
BIG = 123456789012345678901234567890


def test_a_record_changed_in_place_is_delivered_as_changed() -> None:
    def look(response: Response) -> Any:
        rows = response.rows("data")
        rows[0]["x"] = "changed"
        return rows

    assert [row["x"] for row in inserted(BODY, look)] == ["changed", "b"]


def test_a_loop_that_changes_records_is_delivered_as_changed() -> None:
    def look(response: Response) -> Any:
        rows = response.rows("data")
        for row in rows:
            row["x"] = row["x"].upper()
            row.pop("n", None)
        return rows

    assert inserted(BODY, look) == [{"id": 1, "x": "A"}, {"id": 2, "x": "B"}]


def test_records_taken_out_or_added_count() -> None:
    def look(response: Response) -> Any:
        rows = response.rows("data")
        del rows[0]
        rows.append({"id": 3})
        rows.insert(0, {"id": 0})
        rows.extend([{"id": 4}])
        assert len(rows) == 4
        return rows

    assert [row["id"] for row in inserted(BODY, look)] == [0, 2, 3, 4]


@pytest.mark.parametrize(
    "look",
    [
        lambda r: [{**row, "x": 1} for row in r.json()["data"]],
        lambda r: ({**row, "x": 1} for row in r.rows("data")),
        lambda r: tuple({**row, "x": 1} for row in r.rows("data")),
        lambda r: [{**row, "x": 1} for row in r.rows("data")[:]],
        lambda r: {row["id"]: {**row, "x": 1} for row in r.value("data")}.values(),
    ],
)
def test_any_iterable_of_records_will_do_and_integers_stay_exact(look: Any) -> None:
    assert inserted(BODY, look) == [{"id": 1, "n": BIG, "x": 1}, {"id": 2, "x": 1}]


def test_python_values_are_written_as_the_destination_can_take_them() -> None:
    class Level(int):
        pass

    values = {
        "decimal": Decimal("12345678901234567890.123456789"),
        "date": date(2026, 1, 5),
        "instant": datetime(2026, 1, 5, 8, 30, tzinfo=UTC),
        "uuid": UUID("c8e1a8d0-7f35-4a8e-9d2b-0e6f2e4c9b1a"),
        "nan": float("nan"),
        "infinity": float("-inf"),
        "decimal_nan": Decimal("NaN"),
        "big": BIG,
        "level": Level(3),
        "tuple": (1, "a"),
        "half": "a\ud83db",
    }
    (row,) = inserted(b"[]", lambda response: [{"id": 1, **values}])
    assert row == {
        "id": 1,
        "decimal": Decimal("12345678901234567890.123456789"),
        "date": "2026-01-05",
        "instant": "2026-01-05T08:30:00+00:00",
        "uuid": "c8e1a8d0-7f35-4a8e-9d2b-0e6f2e4c9b1a",
        "nan": None,
        "infinity": None,
        "decimal_nan": None,
        "big": BIG,
        "level": 3,
        "tuple": [1, "a"],
        "half": "a\ufffdb",
    }


WIDE = b'{"data": [{"id": 1, "huge": 1e400, "low": -1e400, "more": 1e999999999999999999999}]}'


@pytest.mark.parametrize(
    "look",
    [
        lambda r: r.rows("data")[:],
        lambda r: [{**r.rows("data")[-1]}],
        lambda r: r.json()["data"],
        lambda r: r.value("data"),
    ],
)
def test_a_number_that_no_float_can_hold_is_read_exactly_and_delivered(look: Any) -> None:
    (row,) = inserted(WIDE, look)
    assert (row["huge"], row["low"]) == (Decimal("1e400"), Decimal("-1e400"))
    assert row["more"] is None, "even Decimal has no room for it"


def test_numbers_beside_one_that_no_float_can_hold_stay_floats() -> None:
    def look(response: Response) -> Any:
        row = response.value("data")
        assert {type(row["f"]), type(row["n"]), type(row["w"])} == {float, int, Decimal}
        return [{"id": 1, **row}]

    body = b'{"data": {"f": 1.5, "n": 123456789012345678901234567890, "w": 1e400}}'
    assert inserted(body, look)[0]["n"] == BIG


def test_a_number_that_no_float_can_hold_may_be_a_token() -> None:
    pages = {None: b'{"data": [{"id": 1}], "next": 1e400}'}
    upstream = Upstream(
        lambda asked: pages.get(asked.params.get("token"), b'{"data": [{"id": 2}], "next": null}')
    )
    assert Player(one(cursor=None), upstream).sync().ids() == [1, 2]
    assert upstream.each("token") == [None, "1E+400"]


def test_a_number_that_no_float_can_hold_does_not_hide_a_mistyped_name() -> None:
    reply = json.loads(reply_to(WIDE, lambda response: response.rows("dta")))
    assert "has no 'dta': its keys are data" in reply["errorMessage"]


HALVES = [rb"\ud83d", rb"\ude00", rb"x\ud83d\u0041", rb"\ude00\ud83d"]


@pytest.mark.parametrize("half", HALVES)
def test_half_an_emoji_in_a_string_that_nobody_reads_stops_no_sync(half: bytes) -> None:
    body = b'{"data": [{"id": 1, "text": "%b"}, {"id": 2}]}' % half
    reply = json.loads(reply_to(body))
    assert [row["id"] for row in reply["insert"]["thing"]] == [1, 2]


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize(
    "look",
    [lambda r: list(r.rows("data")), lambda r: r.json()["data"], lambda r: r.value("data")],
)
def test_half_an_emoji_that_a_step_reads_becomes_a_replacement_character(
    half: bytes, look: Any
) -> None:
    body = b'{"data": [{"id": 1, "text": "%b"}]}' % half
    (row,) = inserted(body, look)
    assert "\ufffd" in row["text"] and row["text"].encode()


@pytest.mark.parametrize("half", HALVES)
def test_half_an_emoji_in_a_primary_key_becomes_a_replacement_character(half: bytes) -> None:
    reply = json.loads(reply_to(b'{"data": [{"id": "%b"}, {"id": "b"}]}' % half))
    assert len(reply["insert"]["thing"]) == 2


def test_half_an_emoji_in_a_cursor_that_is_text_stops_no_sync() -> None:
    upstream = Upstream(lambda asked: rb'{"data": [{"id": 1, "at": "x\ud83d"}], "next": null}')
    player = Player(one(), upstream)
    assert player.sync().error == ""
    assert player.state["thing"].startswith("x")


def test_half_an_emoji_in_another_value_of_the_reply_stops_no_sync() -> None:
    upstream = Upstream(lambda asked: rb'{"note": "\ud83d", "data": [{"id": 1}], "next": null}')
    assert Player(one(cursor=None), upstream).sync().ids() == [1]


def test_half_an_emoji_in_a_token_stops_no_sync() -> None:
    pages = {None: rb'{"data": [{"id": 1}], "next": "a\ud83d"}'}
    upstream = Upstream(
        lambda asked: pages.get(asked.params.get("token"), b'{"data": [{"id": 2}], "next": null}')
    )
    assert Player(one(cursor=None), upstream).sync().ids() == [1, 2]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'\xef\xbb\xbf{"data": [{"id": "\xc3\xa9"}]}', "application/json"),
        ('{"data": [{"id": "é"}]}'.encode("latin-1"), "application/json; charset=iso-8859-1"),
        ('{"data": [{"id": "é"}]}'.encode("utf-16"), "application/json"),
    ],
)
def test_a_body_in_another_encoding_arrives_as_utf8(body: bytes, kind: str) -> None:
    upstream = Upstream(lambda asked: Reply(body=body, headers={"Content-Type": kind}))
    assert Player(one(cursor=None), upstream).sync().ids() == ["é"]


def test_the_key_may_be_of_several_columns_and_hold_any_scalar() -> None:
    rows = [{"a": 1, "b": "x"}, {"a": 1.5, "b": False}, {"a": BIG, "b": ""}]
    sync = Player(one(primary_key=["a", "b"], cursor=None), script({None: rows})).sync()
    assert (sync.error, len(sync.inserted())) == ("", 3)


def test_columns_are_spelled_as_the_upstream_spells_them() -> None:
    rows = [{"@odata.id": 1, "Geändert Am": "2025-12-31T00:00:00Z"}]
    made = one(primary_key=["@odata.id"], cursor="Geändert Am")
    player = Player(made, script({None: rows}))
    assert player.sync().inserted() == rows
    assert player.state == {"thing": "2025-12-31T00:00:00Z"}


@pytest.mark.parametrize(
    "look",
    [
        lambda rows: operator.add(rows, [{"id": 9}]),
        lambda rows: operator.add([{"id": 9}], rows),
        lambda rows: operator.add(rows, rows),
        lambda rows: rows.sort(key=lambda row: -row["id"]) or rows,
    ],
    ids=["add", "added", "both", "sort"],
)
def test_rows_behave_as_the_list_they_are(look: Any) -> None:
    """What a list of the same records would give, and what is delivered."""
    whole = [{"id": 1}, {"id": 2}]
    body = json.dumps({"data": whole}).encode()
    found = inserted(body, lambda response: look(response.rows("data")), primary_key=[])
    assert found == look(list(whole))


def test_an_iterable_that_fails_half_way_is_said_to_be_the_steps() -> None:
    """It is read when the step has returned: without its place the fault would look like ours."""

    def rows() -> Any:
        yield {"id": 1}
        raise LookupError("no such line")

    made = source()

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        return Page(rows())

    sync = Player(made, Upstream(lambda asked: {})).sync()
    for said in (
        "entity thing, page 1, record 1",
        "read to their end",
        "LookupError: no such line",
    ):
        assert said in sync.error


def test_names_that_cannot_be_seen_are_shown() -> None:
    made = source()

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        return Page([{"\ufeffid": 1, "name": "a"}])

    sync = Player(made, Upstream(lambda asked: {})).sync()
    assert r"this one has '\ufeffid', name" in sync.error
