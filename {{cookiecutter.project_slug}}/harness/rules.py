# Owned by fivetran-azfn-template: updates replace this file.
"""The rules that a function is judged by, each with its id; what finds a breach stands elsewhere.

Where Fivetran does not document what it does, a rule says so. RULES.md is made from this list.
"""

from __future__ import annotations

from dataclasses import dataclass

ERROR, WARNING, NOTICE = "error", "warning", "notice"
SEVERITIES = {
    ERROR: "Fivetran cannot use it, or data is lost or wrong",
    WARNING: "it works today and is likely to bite",
    NOTICE: "worth knowing",
}


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        id: Stable name, for searching and for `--json`.
        severity: `error`, `warning` or `notice`.
        title: What is wrong when it is broken.
        fivetran: What Fivetran would do.
        mend: What to do about it.
    """

    id: str
    severity: str
    title: str
    fivetran: str
    mend: str


_LIST = (
    # The call
    Rule("no-post", ERROR, "the function does not take POST",
         "gets a 404 for every call",
         'write methods=["POST"] over the function'),
    Rule("no-reply", ERROR, "no reply came, or it came too late",
         "calls again with the same state; Azure cuts every call off after 230 s",
         "answer sooner, with hasMore: true and a state that goes on from there; if the function "
         "died, its logs say why"),
    Rule("slow-call", WARNING, "a call took longer than 150 s",
         "waits, but Azure cuts the call off at 230 s, and then the reply is lost",
         "deliver less per call and answer hasMore: true"),
    Rule("large-reply", WARNING, "a reply is larger than 32 MiB",
         "has to receive it within the 230 s of the call (a limit in bytes is not documented)",
         "deliver fewer records per call and answer hasMore: true"),
    Rule("http-status", ERROR, "the reply has another HTTP status than 200",
         "shows a failed call; what the body says may never be read",
         "answer 200 each time, an error too, with errorMessage: catch every exception (Azure "
         "answers 500 with an empty body when a function raises or returns nothing: its logs say "
         "why)"),
    Rule("not-json", ERROR, "the reply is no JSON",
         "cannot read it: the sync fails",
         "answer with one JSON object in UTF-8, without NaN, Infinity, a byte order mark or halves "
         "of surrogate pairs: Python writes and reads these, others do not"),
    Rule("content-type", ERROR, "the Content-Type is not application/json",
         "requires application/json",
         "answer with Content-Type: application/json"),
    # The shape of a reply
    Rule("not-an-object", ERROR, "the reply is JSON, but no object",
         "finds neither state nor hasMore: the sync fails",
         'answer {"state": {…}, "insert": {…}, "hasMore": false}'),
    Rule("state-missing", ERROR, "a reply has no state",
         "requires it: there is nothing to go on from",
         "answer with a state each time: the request's own, when nothing moved"),
    Rule("state-not-object", ERROR, "state is not an object",
         "requires an object: there is nothing to go on from",
         'put what is to be kept into an object, as {"cursor": "2026-01-01T00:00:00Z"}'),
    Rule("has-more-missing", ERROR, "a reply has no hasMore",
         "requires it: whether to call again is not said",
         "answer with hasMore: true or false each time"),
    Rule("has-more-not-boolean", ERROR, "hasMore is not a boolean",
         "requires a JSON boolean (what it does with another value is not documented)",
         "answer with hasMore: true or false, without quotes"),
    Rule("rows-shape", ERROR, "insert or delete is not an object with a list per entity",
         "requires it (what it does otherwise is not documented)",
         'write {"transaction": [{…}, {…}]}'),
    Rule("record-not-object", ERROR, "a record is not an object",
         "requires it (what it does otherwise is not documented)",
         'write each record as an object, as {"id": 1, "name": "…"}'),
    Rule("schema-shape", ERROR, "schema does not give a list of columns in primary_key",
         "appends rows whose primary key it does not know, instead of replacing them",
         'write "schema": {"transaction": {"primary_key": ["id"]}}'),
    Rule("soft-delete-shape", ERROR, "softDelete is not a list of entities",
         "does not know what to mark as deleted",
         'write "softDelete": ["transaction"]'),
    Rule("unknown-field", WARNING, "a reply has a field that the protocol does not know",
         "does not look at it",
         "look for a spelling mistake; put what is to be kept into state"),
    # State and the loop
    Rule("state-stuck", ERROR,
         "hasMore is true and the state has not moved, or is one of before",
         "makes the same calls again, without end",
         "put into the state how far the reply came"),
    Rule("empty-streak", ERROR, "more than 10 empty replies in a row",
         "ends the connection with an error",
         "answer hasMore: false when there is nothing to deliver; the next sync goes on from the "
         "state"),
    # Keys and schema
    Rule("schema-varies", ERROR, "an entity's primary key is not the same in every reply",
         "requires a schema that never varies (what it does here is not documented: it may double "
         "rows, or fail)",
         "send the same schema with every reply; after a change on purpose begin anew: run reset "
         "here (a re-sync keeps the tables and their keys), and at Fivetran drop the table before "
         "the re-sync"),
    Rule("schema-incomplete", WARNING, "a reply leaves out what an earlier one had in schema",
         "requires a schema that never varies (what it does here is not documented)",
         "send the same schema with every reply, for entities without records too"),
    Rule("no-primary-key", NOTICE, "records come without a primary key in schema",
         "appends every record, under _fivetran_batch and _fivetran_index; one that comes twice is "
         "there twice",
         "name the columns that tell the records in schema, if there are such"),
    Rule("key-column-twice", WARNING, "a primary key names one column twice",
         "is told a key that is none of the table's (what it does then is not documented)",
         "name each column once"),
    Rule("record-without-key", ERROR, "a record lacks a value of its primary key",
         "cannot tell which row it is (what it does then is not documented)",
         "give every record, also in delete, a text, number or boolean in each column of the key"),
    Rule("row-goes-back", WARNING, "a row is replaced by an older version of itself",
         "replaces the whole row by what comes later, so the table keeps the older version",
         "read event feeds and change logs oldest first"),
    # Deleting
    Rule("delete-without-schema", ERROR, "delete has records of an entity without primary key",
         "does not know which rows are meant",
         'say in schema which columns tell the deleted rows: {"…": {"primary_key": ["id"]}}'),
    Rule("delete-of-nothing", WARNING, "delete names a table that no row ever came for",
         "finds no such table, so nothing is marked (what it does then is not documented)",
         "write the entity as insert names it; nothing, if its first rows are still to come"),
    Rule("key-in-insert-and-delete", ERROR, "one reply inserts and deletes the same row",
         "leaves the row alive or deleted: the order is not documented",
         "end the reply before the second of the two, with hasMore: true"),
    Rule("soft-delete-beside-rows", WARNING, "softDelete names an entity that the reply inserts",
         "may mark the new rows as deleted too: the order is not documented",
         "answer with softDelete alone and hasMore: true, and deliver the rows from the next reply "
         "on"),
    Rule("soft-delete-beside-delete", WARNING, "an entity stands in both delete and softDelete",
         "marks all rows; the delete has no effect",
         "leave one of the two out"),
    Rule("soft-delete-of-nothing", WARNING, "softDelete names a table that nothing is known of",
         "finds no such table to mark (what it does then is not documented)",
         "write the entity as insert and schema name it"),
    # Columns
    Rule("names-collide", ERROR, "two names become one in the destination",
         "puts both into one column (one table), where one value takes the place of the other",
         "give one of them another name, or leave it out"),
    Rule("reserved-name", ERROR, "a column is named like Fivetran's own",
         "has columns of its own under _fivetran_…",
         "give the column another name"),
    Rule("type-flips", WARNING, "the type of a column changes",
         "widens the column to what holds both, at the end to a string",
         "convert the values to one type in the function"),
    Rule("stamp-without-offset", NOTICE, "a time stamp has no offset",
         "makes a column without time zone: which instant is meant is lost",
         "write the offset in the function, as 2026-01-01T00:00:00Z, if the API's zone is known"),
    Rule("all-null-column", NOTICE, "a column is null in every record",
         "does not create the column until a value comes",
         "nothing, if values may come later; else leave the column out"),
    # Secrets
    Rule("secret-in-reply", ERROR, "a secret stands in a reply",
         "keeps the state and shows error messages: people see the secret (here such a reply is "
         "not applied)",
         "keep secrets out of state, errorMessage and stackTrace: redact them by value"),
    Rule("secret-in-rows", WARNING, "a secret stands in a record",
         "writes it into the destination, where people see it",
         "take it out of the record, or block the column"),
    # What is hidden
    Rule("private-data-unmet", WARNING,
         "an entry of blocked or hashed in connection.json met nothing, so nothing is hidden",
         "lets only tables and columns be chosen that are there; what is not hidden is written as "
         "it is",
         "write the entry as the table spells it, or take it out; what was written stays until "
         "reset"),
    # Errors
    Rule("error-without-message", ERROR, "an error comes without errorMessage",
         "has no reason to show on the dashboard",
         "write what happened into errorMessage, as text"),
    Rule("error-status", WARNING, "errorMessage comes with another HTTP status than 200",
         "may never read the body (it is not documented)",
         "answer 200 with errorMessage"),
    Rule("error-with-state", WARNING, "an error carries a state that has moved",
         "tries the sync again from the state of the last successful reply",
         "deliver what there is with hasMore: true, and report the error with the next call"),
    Rule("error-with-rows", WARNING, "an error carries records",
         "tries the sync again from the last successful reply: these records do not count",
         "deliver what there is with hasMore: true, and report the error with the next call"),
    Rule("stack-trace-shape", WARNING, "stackTrace or errorType has not the documented shape",
         "may not show it",
         'write "errorType" as text and "stackTrace": [["fetch.py", 12, "function", "code"]]'),
    # Setup tests
    Rule("setup-test-has-more", ERROR, "hasMore is true in a setup test",
         "expects hasMore: false in a setup test",
         "answer setup_test with hasMore: false"),
    Rule("setup-test-rows", WARNING, "a setup test delivers or deletes rows",
         "expects a light job in a setup test; these rows reach no table",
         "answer setup_test with the state it came with, hasMore: false and nothing else"),
    Rule("setup-test-state", WARNING, "a setup test moves the state",
         "expects a light job in a setup test; the first sync begins at {} all the same",
         "answer setup_test with the state it came with, hasMore: false and nothing else"),
    Rule("setup-test-size", WARNING, "the reply of a setup test is larger than 64 KiB",
         "may refuse it: 64 KiB is the limit that its articles name (for AWS Lambda)",
         "answer setup_test with the state it came with, hasMore: false and nothing else"),
)  # fmt: skip

RULES = {rule.id: rule for rule in _LIST}
