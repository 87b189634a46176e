"""sample.toml: what is wrong with it is said with file, entry and rule."""

from pathlib import Path

import pytest
from harness.errors import HarnessError
from harness.sample import Sample, SampleError

GOOD = """
records = 3
[auth]
kind = "bearer"
secrets = ["apiToken"]
[entity.transaction]
path = "/transactions"
pagination = "cursor"
rows = "data"
next = "next_cursor"
size = "limit"
primary_key = ["id"]
cursor = "updated_at"
[entity.transaction.record]
id = 1
updated_at = "2026-01-05T08:30:00Z"
amount = 19.90
"""


def load(folder: Path, text: str) -> Sample:
    path = folder / "sample.toml"
    path.write_text(text, encoding="utf-8")
    return Sample.load(path)


CASES = {
    "no toml": (
        "records = 3",
        "records =",
        "is no TOML: Invalid value (at line 2, column 10)",
    ),
    "unknown entry": (
        "records = 3",
        "record = 3",
        "record: is unknown; there are records, [auth] and [entity.<name>]",
    ),
    "records": (
        "records = 3",
        "records = -1",
        "records: is a whole number from 0 to 100000",
    ),
    "records as text": (
        "records = 3",
        'records = "3"',
        "records: is a whole number from 0 to 100000",
    ),
    "auth is no table": (
        '[auth]\nkind = "bearer"\nsecrets = ["apiToken"]',
        "auth = 1",
        "[auth]: is a table of entries",
    ),
    "kind": (
        'kind = "bearer"',
        'kind = "token"',
        "[auth] kind: is one of bearer, api_key_header, api_key_query, basic, "
        "oauth2_client_credentials, none",
    ),
    "secrets": (
        'secrets = ["apiToken"]',
        "secrets = []",
        '[auth] secrets: kind = "bearer" takes 1 of different names',
    ),
    "secrets of basic": (
        'kind = "bearer"',
        'kind = "basic"',
        '[auth] secrets: kind = "basic" takes 2 of different names',
    ),
    "secrets of none": (
        'kind = "bearer"',
        'kind = "none"',
        '[auth] secrets: kind = "none" takes 0 of different names',
    ),
    "header of bearer": (
        'kind = "bearer"',
        'kind = "bearer"\nheader = "X"',
        '[auth] header: goes with kind = "api_key_header", not "bearer"',
    ),
    "unknown in auth": (
        'kind = "bearer"',
        'kind = "bearer"\ntoken = "X"',
        "[auth] token: is unknown; there are kind, secrets, header, prefix, param, "
        "token_path, expires_in",
    ),
    "path missing": (
        'path = "/transactions"',
        "",
        "[entity.transaction] path: is missing",
    ),
    "path": (
        'path = "/transactions"',
        'path = "transactions"',
        "[entity.transaction] path: starts with /",
    ),
    "pagination": (
        'pagination = "cursor"',
        'pagination = "pages"',
        "[entity.transaction] pagination: is one of cursor, page_number, offset, "
        "link_header, next_url, none",
    ),
    "type": (
        'size = "limit"',
        "size = 100",
        '[entity.transaction] size: is text in quotes: "100"',
    ),
    "list type": (
        'primary_key = ["id"]',
        'primary_key = "id"',
        '[entity.transaction] primary_key: is a list: ["id"]',
    ),
    "list of numbers": (
        'primary_key = ["id"]',
        "primary_key = [1]",
        '[entity.transaction] primary_key: is a list: ["1"]',
    ),
    "text type": (
        'rows = "data"',
        'rows = ["data"]',
        "[entity.transaction] rows: is text in quotes",
    ),
    "boolean type": (
        'size = "limit"',
        'short_pages = "true"',
        "[entity.transaction] short_pages: is true or false, without quotes",
    ),
    "number type": (
        'kind = "bearer"',
        'kind = "oauth2_client_credentials"\nexpires_in = "60"',
        "[auth] expires_in: is a whole number, without quotes",
    ),
    "record type": (
        GOOD[GOOD.index("[entity.transaction.record]") :],
        'record = "x"',
        "[entity.transaction] record: is a table of entries",
    ),
    "since_as of a counter": (
        'updated_at = "2026-01-05T08:30:00Z"',
        'updated_at = 17\n[entity.other]\nsince_as = "iso"\ncursor = "n"\npath = "/other"\n'
        'pagination = "none"\n[entity.other.record]\nn = 1',
        "[entity.other] since_as: is said of moments, and n of the record only counts",
    ),
    "next missing": (
        'next = "next_cursor"',
        "",
        '[entity.transaction] next: pagination = "cursor" says where the next one stands',
    ),
    "next of offset": (
        'pagination = "cursor"',
        'pagination = "offset"',
        '[entity.transaction] next: pagination = "offset" has none',
    ),
    "token of none": (
        'pagination = "cursor"\nrows = "data"\nnext = "next_cursor"',
        'pagination = "none"\ntoken = "page"',
        '[entity.transaction] token: pagination = "none" has none',
    ),
    "rows without room": (
        'rows = "data"',
        'rows = ""',
        "[entity.transaction] rows: a body that is the list has no room for next, more or "
        "deleted: give rows a path",
    ),
    "one place": (
        'rows = "data"',
        'rows = "next_cursor.data"',
        "[entity.transaction] rows: rows, next, more and deleted stand in places of their own",
    ),
    "post with urls": (
        'pagination = "cursor"',
        'pagination = "next_url"\nmethod = "POST"',
        '[entity.transaction] method: pagination = "next_url" gives out URLs, which are '
        "read with GET",
    ),
    "last": (
        'size = "limit"',
        'last = "none"',
        "[entity.transaction] last: is one of null, absent, empty, 404",
    ),
    "last of offset": (
        'pagination = "cursor"\nrows = "data"\nnext = "next_cursor"',
        'pagination = "offset"\nrows = "data"\nlast = "empty"',
        '[entity.transaction] last: "empty" is said of next, and pagination = "offset" has none',
    ),
    "one name": (
        'size = "limit"',
        'size = "cursor"',
        "[entity.transaction] also: two parameters have one name: cursor, cursor",
    ),
    "since": (
        'cursor = "updated_at"',
        'since = "after"',
        "[entity.transaction] since: needs cursor",
    ),
    "deleted": (
        'primary_key = ["id"]',
        'deleted = "deleted"',
        "[entity.transaction] deleted: needs primary_key",
    ),
    "deleted by key": (
        'primary_key = ["id"]',
        'primary_key = ["updated_at"]\ndeleted = "gone"',
        "[entity.transaction] deleted: needs a cursor that is no part of primary_key, or "
        "no tombstone would ever be found",
    ),
    "key missing": (
        'primary_key = ["id"]',
        'primary_key = ["uid"]',
        "[entity.transaction] record: has no uid; it has id, updated_at, amount",
    ),
    "key type": (
        'primary_key = ["id"]',
        'primary_key = ["amount"]',
        "[entity.transaction] primary_key: amount of the record is no text and no whole number",
    ),
    "cursor missing": (
        'cursor = "updated_at"',
        'cursor = "meta.changed_at"',
        "[entity.transaction] record: has no meta.changed_at, which is its cursor",
    ),
    "date": (
        '"2026-01-05T08:30:00Z"',
        "2026-01-05T08:30:00Z",
        "[entity.transaction] record.updated_at: a moment is written as the API writes "
        "it, as text in quotes",
    ),
    "nan": (
        "19.90",
        "nan",
        "[entity.transaction] record.amount: JSON has no nan and no inf",
    ),
    "nulls": (
        'size = "limit"',
        'nulls = ["memo"]',
        "[entity.transaction] record: has no memo; it has id, updated_at, amount",
    ),
    "nulls in the key": (
        'size = "limit"',
        'nulls = ["id"]',
        "[entity.transaction] nulls: id is never null: primary_key or cursor stands there",
    ),
    "no record": (
        GOOD[GOOD.index("[entity.transaction.record]") :],
        "",
        "[entity.transaction] record: is missing",
    ),
    "no entity": (
        GOOD[GOOD.index("[entity") :],
        "",
        "[entity.<name>]: is missing: describe at least one entity",
    ),
    "path of the token": (
        'kind = "bearer"\nsecrets = ["apiToken"]',
        'kind = "oauth2_client_credentials"\nsecrets = ["a", "b"]\ntoken_path = "/transactions"',
        "[entity.transaction] path: /transactions is token_path of [auth] already",
    ),
    "parameter of the key": (
        'kind = "bearer"',
        'kind = "api_key_query"\nparam = "limit"',
        "[entity.transaction] also: two parameters have one name: cursor, limit, limit",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_broken_rule_is_named_with_file_and_entry(tmp_path, case):
    old, new, message = CASES[case]
    assert old in GOOD
    with pytest.raises(SampleError) as error:
        load(tmp_path, GOOD.replace(old, new))
    assert str(error.value) == f"sample.toml: {message}"


def test_an_unknown_entry_is_answered_with_those_that_there_are(tmp_path):
    with pytest.raises(SampleError, match="page_size: is unknown; there are path, method"):
        load(tmp_path, GOOD.replace("size", "page_size"))


@pytest.mark.parametrize("value", ['"last week"', '"05/01/2026"', "true", "0.5", '""'])
def test_a_cursor_of_an_unknown_form_is_answered_with_those_that_there_are(tmp_path, value):
    with pytest.raises(SampleError, match=r"cursor: updated_at of the record is .*ISO 8601"):
        load(tmp_path, GOOD.replace('"2026-01-05T08:30:00Z"', value))


@pytest.mark.parametrize(
    "written", ["garbage", "ISO", "", "%Q", "%s", "%", "100%%", "epoch_s", "2026", "%Y-%m-%d %"]
)
def test_a_since_as_of_another_kind_is_answered_with_those_that_there_are(tmp_path, written):
    text = GOOD.replace('size = "limit"', f'since = "since"\nsince_as = "{written}"')
    with pytest.raises(SampleError) as error:
        load(tmp_path, text)
    assert str(error.value) == (
        'sample.toml: [entity.transaction] since_as: is "iso", "epoch" (seconds), "epoch_ms" '
        '(milliseconds) or a strftime text, as "%d/%m/%Y"'
    )


def test_two_entities_have_two_paths(tmp_path):
    entity = GOOD[GOOD.index("[entity") :]
    with pytest.raises(SampleError, match=r"\[entity.order\] path: /transactions is that of"):
        load(
            tmp_path,
            GOOD + entity.replace("transaction]", "order]").replace("transaction.", "order."),
        )


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(SampleError, match=r"sample\.toml: cannot be read: No such file"):
        Sample.load(tmp_path / "sample.toml")


def test_a_byte_order_mark_does_no_harm(tmp_path):
    load(tmp_path, "\ufeff" + GOOD)


def test_it_is_an_error_of_the_harness(tmp_path):
    with pytest.raises(HarnessError) as error:
        load(tmp_path, "")
    assert error.value.exit_code == 3
