"""What the judge remembers of a run, and where it says that something is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from harness.findings import Findings
from harness.target import Answer

SECRET = "s3cret-Ü&+/tökén"
KEYED = {"t": {"primary_key": ["id"]}}


def replies(*each: list[dict[str, Any]], **parts: Any) -> list[dict[str, Any]]:
    """One sync, with a reply for each list of records of `t`."""
    last = len(each) - 1
    return [
        {"state": {"at": at}, "insert": {"t": rows}, "schema": KEYED, "hasMore": at < last, **parts}
        for at, rows in enumerate(each)
    ]


def said(findings: Findings) -> dict[str, list[str]]:
    """The lines of each finding."""
    return {finding.rule.id: list(finding.lines()) for finding in findings}


def unmet(findings: Findings) -> list[str]:
    """What is said of entries that met nothing."""
    return said(findings).get("private-data-unmet", [])


def test_a_private_column_that_met_none_is_told_with_those_that_there_are(judged: Any) -> None:
    rows = [{"id": 1, "eMail": "a", "note": "n"}]
    assert unmet(judged(replies(rows), hashed=["t.email"], blocked=["t.notes", "t.note"])) == [
        "call 1: blocked t.notes met no column; t has e_mail, id, note",
        "call 1: hashed t.email met no column; t has e_mail, id, note",
    ]


@pytest.mark.parametrize("entry", ["t.eMail", "t.e_mail", "T.E_Mail"])
@pytest.mark.parametrize("kind", ["blocked", "hashed"])
def test_a_private_column_is_met_in_either_spelling(judged: Any, kind: str, entry: str) -> None:
    rows = [{"id": 1, "eMail": None}]
    assert not unmet(judged(replies(rows), **{kind: [entry]}))


def test_a_private_column_is_met_in_the_destination(judged: Any) -> None:
    judged(replies([{"id": 1, "email": "a"}]))
    assert not unmet(judged(replies([{"id": 2}]), hashed=["t.email"]))


def test_a_private_column_that_nothing_arrived_for_is_missed_where_the_table_tells(
    judged: Any,
) -> None:
    judged(replies([{"id": 1, "email": "a"}]))
    quiet = {"state": {}, "hasMore": False}
    assert unmet(judged([quiet], hashed=["t.mail", "t.email", "s.email"])) == [
        "call 1: hashed s.email met no table; there are t",
        "call 1: hashed t.mail met no column; t has email, id",
    ]
    assert not unmet(judged([quiet], blocked=["t.note"])), "a blocked column is never there"
    assert not unmet(judged([{**quiet, "schema": {"u": KEYED["t"]}}], hashed=["u.mail"]))


def test_a_private_table_that_met_none_is_told(judged: Any) -> None:
    first = judged(replies([{"id": 1}]), hashed=["ts.email"], blocked=["us", "t"])
    assert unmet(first) == [
        "call 1: blocked us met no table; there are t",
        "call 1: hashed ts.email met no table; there are t",
    ]
    # A table that is blocked never stands in the destination, and need not come in every sync.
    assert not unmet(judged(replies([{"id": 2}]), blocked=["us"]))


def test_soft_delete_of_a_table_that_is_there_is_fine(judged: Any) -> None:
    judged(replies([{"id": 1}]))
    reply = {"state": {}, "softDelete": ["t", "zzz"], "hasMore": False}
    assert said(judged([reply])) == {
        "soft-delete-of-nothing": ["call 1, softDelete.zzz: nothing is known of zzz; there are t"]
    }


def test_a_place_is_call_entity_record_and_key(judged: Any) -> None:
    rows = [{"id": 1, "n": 1}], [{"id": 2, "n": 2}, {"id": 3, "n": "x"}]
    assert said(judged(replies(*rows))) == {
        "type-flips": ["call 2, insert.t[1] (id 3): n is text here and was a number before"]
    }


def test_findings_are_counted_and_cut_after_three_places(judged: Any) -> None:
    rows = [{"id": None}] * 1200
    assert said(judged(replies(rows)))["record-without-key"] == [
        *(
            f"call 1, insert.t[{index}]: id of the primary key is missing or null"
            for index in range(3)
        ),
        "and 1,197 more",
    ]


def test_all_that_is_wrong_with_a_reply_is_found_at_once(judged: Any) -> None:
    body = {"insert": {"t": 1}, "softDelete": [2], "stat": {}}
    found = judged([Answer(200, "text/html", json.dumps(body).encode(), 0.1)])
    assert said(found) == {
        "content-type": ["call 1: the reply's Content-Type is text/html"],
        "state-missing": ["call 1: state is missing"],
        "has-more-missing": ["call 1: hasMore is missing"],
        "rows-shape": ["call 1, insert.t: insert.t is the number 1, not a list"],
        "soft-delete-shape": ["call 1: softDelete[0] is the number 2, not text"],
        "unknown-field": ["call 1: stat is no field of a reply"],
    }


def test_what_stops_a_run_is_not_counted_twice(judged: Any) -> None:
    """The warehouse refuses a record without key, too."""
    found = judged(replies([{"id": 1}, {"no": 2}]))
    assert [(finding.rule.id, finding.count) for finding in found] == [("record-without-key", 1)]


def test_a_setup_test_has_two_tries(judged: Any) -> None:
    error = {"errorMessage": "no", "stackTrace": "x"}
    found = judged([error, {"state": {}, "hasMore": False, "x": 1}], setup=True)
    assert said(found) == {
        "unknown-field": ["call 2: x is no field of a reply"],
        "stack-trace-shape": ["call 1: stackTrace is the text 'x', not a list"],
    }


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param("2026-01-05T12:00:00Z", "2026-01-05T12:30:00+01:00", id="offsets"),
        pytest.param("2026-01-05T12:00:00.5Z", "2026-01-05T12:00:00Z", id="precision"),
        pytest.param("2026-01-05", "2026-01-04", id="dates"),
        pytest.param(1767225600, 1767225599, id="epoch"),
        pytest.param(1767225600.5, 1767225600.25, id="fractions"),
    ],
)
@pytest.mark.parametrize("name", ["updated_at", "lastModified", "Date Changed", "SystemModstamp"])
def test_a_row_goes_back_whatever_its_time_looks_like(
    judged: Any, name: str, first: Any, then: Any
) -> None:
    back = judged(replies([{"id": 1, name: first}, {"id": 1, name: then}]))
    assert [finding.rule.id for finding in back] == ["row-goes-back"]
    assert not list(judged(replies([{"id": 1, name: then}, {"id": 1, name: first}])))


def test_the_state_tells_the_time_of_the_last_change_where_no_name_does(judged: Any) -> None:
    new, old = "2026-01-05T12:00:00Z", "2026-01-04T12:00:00Z"
    rows = [{"id": 1, "geaendert": new}], [{"id": 1, "geaendert": old}]
    assert not list(judged(replies(*rows)))
    found = judged(replies(*rows, state={"t": new})[:1] + replies([], *rows[1:]))
    assert [finding.rule.id for finding in found] == ["row-goes-back"]


def test_versions_are_kept_per_key_and_entity(judged: Any) -> None:
    new, old = {"updated_at": "2026-01-05T12:00:00Z"}, {"updated_at": "2026-01-04T12:00:00Z"}
    rows = {"t": [{"id": 1, **new}, {"id": 2, **old}], "u": [{"id": 1, **old}]}
    reply = {"state": {}, "insert": rows, "schema": {**KEYED, "u": KEYED["t"]}, "hasMore": False}
    assert not list(judged([reply]))


def test_kinds_that_meet_in_one_reply_are_a_flip_too(judged: Any) -> None:
    found = judged(replies([{"id": 1, "a": True}, {"id": 2, "a": [1]}]))
    assert [finding.rule.id for finding in found] == ["type-flips"]


def test_names_that_meet_are_told_once_per_column(judged: Any) -> None:
    rows = [[{"id": number, "aB": 1, "a_b": 2, "c": 1, "C": 2}] for number in range(3)]
    assert said(judged(replies(*rows))) == {
        "names-collide": [
            'call 1, insert.t[0]: "aB" and "a_b" become one column, "a_b"',
            'call 1, insert.t[0]: "c" and "C" become one column, "c"',
        ]
    }


def test_a_record_that_is_no_object_is_named_by_its_index(judged: Any) -> None:
    found = judged(replies([{"id": 1}, {"id": 2}, 3, None]))
    assert said(found) == {
        "record-not-object": [
            "call 1, insert.t[2]: insert.t[2] is the number 3, not an object",
            "call 1, insert.t[3]: insert.t[3] is null, not an object",
        ]
    }


def test_a_column_that_flips_is_told_once(judged: Any) -> None:
    rows = [[{"id": number, "n": number if number % 2 else "x"}] for number in range(9)]
    assert [finding.count for finding in judged(replies(*rows))] == [1]


def test_a_number_is_one_type_however_it_is_written(judged: Any) -> None:
    assert not list(
        judged(replies([{"id": 1, "n": 1}, {"id": 2, "n": 2.5}], [{"id": 3, "n": None}]))
    )


def test_a_column_that_the_destination_has_already_is_not_all_null(judged: Any) -> None:
    assert not list(judged(replies([{"id": 1, "note": "x"}])))
    assert not list(judged(replies([{"id": 2, "note": None}])))


def test_names_of_entities_collide_too(judged: Any) -> None:
    body = {
        "state": {},
        "hasMore": False,
        "insert": {"userName": [{"a": 1}], "user_name": [{"a": 2}]},
    }
    found = said(judged([body]))
    assert found["names-collide"] == [
        'call 1, user_name: "userName" and "user_name" both become table "user_name"'
    ]


def test_equal_values_under_names_that_meet_lose_nothing(judged: Any) -> None:
    assert not list(judged(replies([{"id": 1, "ID": 1}])))


def test_a_key_of_several_columns_is_compared_as_a_whole(judged: Any) -> None:
    schema = {"t": {"primary_key": ["a", "b"]}}
    parts = {"schema": schema, "delete": {"t": [{"a": 1, "b": 2}]}}
    assert not list(judged(replies([{"a": 2, "b": 1}], **parts)))
    found = said(judged(replies([{"a": 1, "b": 2, "c": 3}], **parts)))
    assert found == {
        "key-in-insert-and-delete": [
            "call 1, insert.t[0] (a 1, b 2): the same row stands in delete"
        ]
    }


def test_another_key_after_a_sync_is_a_schema_that_varies(judged: Any) -> None:
    """The table of an earlier run remembers its key."""
    assert not list(judged(replies([{"id": 1, "no": 1}])))
    found = judged(replies([{"id": 1, "no": 1}], schema={"t": {"primary_key": ["no"]}}))
    assert [finding.rule.id for finding in found] == ["schema-varies"]


@pytest.mark.parametrize("spell", [json.dumps, lambda body: json.dumps(body, ensure_ascii=False)])
@pytest.mark.parametrize(
    "escape", [str, lambda text: text.replace("&", "\\u0026").replace("/", "\\/")]
)
def test_a_secret_is_found_however_the_reply_spells_it(
    judged: Any, spell: Any, escape: Any
) -> None:
    body = {"state": {"url": f"https://x.test?key={SECRET}"}, "hasMore": False}
    text = escape(spell(body)).replace("\\u00dc", "\\u00DC")
    found = judged([Answer(200, "application/json", text.encode(), 0.1)])
    assert said(found) == {"secret-in-reply": ["call 1: a secret stands in state"]}


def test_a_secret_in_a_body_that_is_no_json_is_found(judged: Any) -> None:
    found = judged([Answer(500, "text/html", f"<b>{SECRET}</b>".encode(), 0.1)])
    assert set(said(found)) == {"http-status", "secret-in-reply"}


def test_each_record_with_a_secret_is_counted(judged: Any) -> None:
    rows = [{"id": number, "note": SECRET if number % 2 else ""} for number in range(10)]
    (found,) = judged(replies(rows))
    assert (found.rule.id, found.count) == ("secret-in-rows", 5)


def test_no_more_keys_are_remembered_than_fit(judged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.history.REMEMBERED", 1)
    new, old = {"updated_at": "2026-01-05T12:00:00Z"}, {"updated_at": "2026-01-04T12:00:00Z"}
    rows = [{"id": 1, **new}, {"id": 2, **new}, {"id": 2, **old}, {"id": 1, **old}]
    found = said(judged(replies(rows)))
    assert [line.split(":")[0] for line in found["row-goes-back"]] == ["call 1, insert.t[3] (id 1)"]
