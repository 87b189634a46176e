"""Refuses wrong and contradictory answers before a file is written."""

import ipaddress
import json
import keyword
import re
import sys
from urllib.parse import urlsplit

DEVICES = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(10)}
LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
NAMES_OF_FUNCTION_APP = {
    "app", "respond", "source", "AuthLevel", "FunctionApp", "HttpRequest", "HttpResponse",
}  # fmt: skip
NAMES_OF_FETCH = {"len", "source"}
SCHEMAS_OF_DUCKDB = {"information_schema", "pg_catalog"}
# What a reply holds beside the records, by pagination.
BESIDE = {"cursor": "next_cursor", "next_url": "next", "last_id": "has_more"}


def is_text(text):
    # Cookiecutter renders an answer again when the project is updated: it must not look like Jinja.
    return 0 < len(text) <= 300 and text.isprintable() and not re.search("{[#%{]", text)


def is_folder(text):
    return re.fullmatch("(?=.{1,60}$)[A-Za-z0-9]+([-_][A-Za-z0-9]+)*", text) and (
        text.lower() not in DEVICES
    )


def is_function(text):
    low = text.lower()
    reserved = low.startswith(("admin", "runtime")) or low == "host" or low in SCHEMAS_OF_DUCKDB
    taken = keyword.iskeyword(text) or text in NAMES_OF_FUNCTION_APP
    return re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,59}", text) and not reserved and not taken


def is_base_url(text):
    if not re.fullmatch("[!-~]{1,200}", text) or re.search(r"""["'\\`<>^|{}?#@]""", text):
        return False
    try:
        url = urlsplit(text)
        host, port = url.hostname or "", url.port
        if "[" in url.netloc or re.fullmatch("[0-9.]+", host):
            ipaddress.ip_address(host)
        elif not re.fullmatch(rf"{LABEL}(\.{LABEL})*\.?", host):
            return False
    except ValueError:
        return False
    local = host in ("localhost", "127.0.0.1", "::1")
    return port != 0 and (url.scheme == "https" or (url.scheme == "http" and local))


def is_entity(text):
    taken = keyword.iskeyword(text) or text in NAMES_OF_FETCH
    return re.fullmatch("[a-z][a-z0-9_]{0,49}", text) and not taken


def is_name(text):
    """Whether a reply may have a key of this name."""
    plain = text.isprintable() and not re.search(r"""["'\\,{}]""", text)
    return plain and 0 < len(text) <= 64 and any(letter.isalnum() for letter in text)


def is_path(text):
    names = text.split(".")
    return not text or (len(text) <= 64 and len(names) <= 6 and all(map(is_name, names)))


def is_cursor(text):
    return is_path(text) and not text.lower().startswith("_fivetran")


def is_primary_key(text):
    columns = text.split(",") if text else []
    plain = all(is_name(c) and "." not in c and is_cursor(c) for c in columns)
    return plain and len({column.lower() for column in columns}) == len(columns)


PATH = "names of at most 64 characters with dots between them, without quotes, commas and braces"
ONE_LINE = "one line of at most 300 characters, without a brace before another, % or #"
# Each answer's check, rule and example.
RULES = {
    "project_name": (is_text, ONE_LINE, "Acme Connector"),
    "base_url": (
        is_base_url,
        "https, or http for localhost; no user, query or braces; at most 200 ASCII characters",
        "https://api.example.com/v1",
    ),
    "records_path": (is_path, f"{PATH}; none if the reply is the list", "data.items"),
    "entity": (
        is_entity,
        "a-z, 0-9 and _, starting with a letter, at most 50; no keyword of Python, len or source",
        "sales_order",
    ),
    "primary_key": (
        is_primary_key,
        "top-level columns with commas between them, none of them twice, none with a dot, a quote "
        "or a brace, none that begins with _fivetran",
        "order_id, line_no",
    ),
    "cursor_field": (is_cursor, f"{PATH}; none that begins with _fivetran", "meta.updated_at"),
    "project_slug": (
        is_folder,
        "letters, digits, single - and _ between them, at most 60; no device of Windows",
        "acme-connector",
    ),
    "function_name": (
        is_function,
        "letters, digits and _, starting with a letter, at most 60; no keyword of Python, nor "
        "host, app, source, respond, information_schema, pg_catalog, and not beginning with admin "
        "or runtime, which Azure keeps for itself",
        "acme_connector",
    ),
    "description": (is_text, ONE_LINE, "Acme Connector"),
}


def contradictions(answers):
    """The rules that answers break which are right by themselves: (question, rule, example)."""
    columns = answers["primary_key"].split(",") if answers["primary_key"] else []
    path, cursor, deletes = answers["records_path"], answers["cursor_field"], answers["deletes"]
    pagination, beside = answers["pagination"], [BESIDE.get(answers["pagination"])]
    beside = [name for name in beside if name] + (["deleted"] if deletes == "records" else [])
    if deletes == "soft_delete" and cursor:
        yield "cursor_field", "soft_delete reads everything at each sync: no cursor", "none"
    if deletes != "none" and not columns:
        yield "primary_key", f"deletes={deletes} finds records by their primary key", "id"
    if deletes == "records" and cursor in columns:
        rule = "a deleted record has its old key and a later cursor: two columns"
        yield "cursor_field", rule, "updated_at"
    if cursor not in columns and cursor.split(".")[0] in columns:
        yield "cursor_field", "a column of the primary key cannot hold an object", "updated_at"
    if beside and not path:
        rule = f"a reply that is a list has no place for {' and '.join(beside)}"
        yield "records_path", rule, "data"
    if path.split(".")[0] in beside:
        yield "records_path", f"the reply has something else under {path.split('.')[0]}", "data"
    if pagination == "last_id" and len(columns) != 1:
        yield "primary_key", "pagination=last_id continues after one column's last value", "id"
    if pagination == "last_id" and deletes == "records":
        rule = "records, while pagination=last_id continues after the last record that still exists"
        yield "deletes", rule, "none"


def refusals(answers):
    """One text for each answer that is wrong, with the rule and an example."""
    wrong = [(name, *rule) for name, (check, *rule) in RULES.items() if not check(answers[name])]
    if any(name == "project_name" for name, *_ in wrong):  # others are derived from it
        wrong = [row for row in wrong if row[0] not in ("project_slug", "function_name")]
    return [
        f"{name} is {answers[name][:60]!a}\n    rule:    {rule}\n    example: {name}={example}"
        for name, rule, example in wrong or contradictions(answers)
    ]


def main(answers):
    answers |= {
        "project_slug": answers["__asked_slug"],
        "records_path": answers["__records_path"],
        "primary_key": answers["__primary_key"],
        "cursor_field": answers["__cursor"],
    }
    found = refusals(answers)
    if found:
        text = "\n\n  ".join(found)
        print(
            f"\nRefused, nothing was written:\n\n  {text}\n\n"
            "Answer again with this changed. (What Cookiecutter prints below says only that this "
            "check failed.)\n",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    main(json.loads(r"""{{ cookiecutter | tojson }}"""))
