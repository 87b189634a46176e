"""Refuses wrong and contradictory answers before a file is written."""

import ipaddress
import json
import keyword
import re
import shlex
import subprocess
import sys
from urllib.parse import urlsplit

DEVICES = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(10)}
LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
NAMES_OF_FUNCTION_APP = {
    "app", "respond", "source", "AuthLevel", "FunctionApp", "HttpRequest", "HttpResponse",
}  # fmt: skip
NAMES_OF_FETCH = {"len", "source"}
SCHEMAS_OF_DUCKDB = {"information_schema", "pg_catalog"}
# The field of a response that the pagination uses, beside the records.
BESIDE = {"cursor": "next_cursor", "next_url": "next", "last_id": "has_more"}


def is_text(text):
    # cruft renders an answer again when it updates the project: it must not look like Jinja.
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
    """Whether a response may have a field of this name."""
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


PATH = (
    "one to six names with dots between them, at most 64 characters in all, without quotes, "
    "backslashes, commas or braces"
)
ONE_LINE = "one line of at most 300 characters, without Jinja: no { followed by {, % or #"
# The check, the rule and an example of each answer.
RULES = {
    "project_name": (is_text, ONE_LINE, "Acme Connector"),
    "base_url": (
        is_base_url,
        "https, or http for localhost; no user name, query string or braces; at most 200 ASCII "
        "characters",
        "https://api.example.com/v1",
    ),
    "records_path": (is_path, f"{PATH}; none if the response itself is the list", "data.items"),
    "entity": (
        is_entity,
        "a-z, 0-9 and _, starting with a letter, at most 50 characters; not a Python keyword, "
        "len or source",
        "sales_order",
    ),
    "primary_key": (
        is_primary_key,
        "top-level columns with commas between them; each only once, at most 64 characters, "
        "without dots, quotes, backslashes or braces, and not beginning with _fivetran",
        "order_id, line_no",
    ),
    "cursor_field": (is_cursor, f"{PATH}; not beginning with _fivetran", "meta.updated_at"),
    "project_slug": (
        is_folder,
        "letters and digits, with single - or _ between them, at most 60 characters; not a device "
        "name of Windows, such as con or nul",
        "acme-connector",
    ),
    "function_name": (
        is_function,
        "letters, digits and _, starting with a letter, at most 60 characters; not a Python "
        "keyword, not a name in function_app.py (app, source, respond), not information_schema or "
        "pg_catalog; not host and not beginning with admin or runtime, which Azure reserves",
        "acme_connector",
    ),
    "description": (is_text, ONE_LINE, "Acme Connector"),
}


def contradictions(answers):
    """Answers that are valid alone but not together: (question, rule, example)."""
    columns = answers["primary_key"].split(",") if answers["primary_key"] else []
    path, cursor, deletes = answers["records_path"], answers["cursor_field"], answers["deletes"]
    pagination, beside = answers["pagination"], [BESIDE.get(answers["pagination"])]
    beside = [name for name in beside if name] + (["deleted"] if deletes == "records" else [])
    if deletes == "soft_delete" and cursor:
        rule = "deletes=soft_delete reads everything in every sync, so it takes no cursor"
        yield "cursor_field", rule, "none"
    if deletes != "none" and not columns:
        rule = f"deletes={deletes} needs a primary key to find the deleted rows"
        yield "primary_key", rule, "id"
    if deletes == "records" and cursor in columns:
        rule = (
            "with deletes=records the cursor is not part of the primary key: a deleted record "
            "comes with its old key and a later cursor"
        )
        yield "cursor_field", rule, "updated_at"
    if cursor not in columns and cursor.split(".")[0] in columns:
        rule = (
            f"{cursor.split('.')[0]} is in the primary key, so it cannot be an object with a cursor"
        )
        yield "cursor_field", rule, "updated_at"
    if beside and not path:
        rule = f"a response that is only a list has no place for {' and '.join(beside)}"
        yield "records_path", rule, "data"
    if path.split(".")[0] in beside:
        field, used = path.split(".")[0], f"pagination={pagination} and deletes={deletes}"
        yield "records_path", f"with {used}, the response has something else in {field}", "data"
    if pagination == "last_id" and len(columns) != 1:
        rule = "pagination=last_id needs one column: the next page starts after its last value"
        yield "primary_key", rule, "id"
    if pagination == "last_id" and deletes == "records":
        rule = (
            "not records with pagination=last_id: the next page starts after the last record of a "
            "page, and a page of deleted records has none"
        )
        yield "deletes", rule, "none"


def wrong_answers(answers):
    """What is wrong, or the answers that contradict each other: (question, rule, example)."""
    wrong = [(name, *rule) for name, (check, *rule) in RULES.items() if not check(answers[name])]
    if any(name == "project_name" for name, *_ in wrong):  # others are derived from it
        wrong = [row for row in wrong if row[0] not in ("project_slug", "function_name")]
    return wrong or list(contradictions(answers))


def refusals(answers):
    """One message for each wrong answer, with the rule and an example."""
    return [
        f"{name} is {answers[name][:60]!a}\n    rule:    {rule}\n    example: {name}={example}"
        for name, rule, example in wrong_answers(answers)
    ]


def command(answers):
    """The command that repeats the answers, with the examples in place of what was refused."""
    asked = {name: text or "none" for name, text in answers.items() if not name.startswith("_")}
    asked |= {name: example for name, _, example in wrong_answers(answers)}
    words = ["cookiecutter", str(answers.get("_template", "TEMPLATE")), "--no-input"]
    words += [f"{name}={text}" for name, text in asked.items()]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


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
            "Answer again, or change the examples in this command:\n\n"
            f"  {command(answers)}\n\n"
            "(What Cookiecutter prints below says only that this check failed.)\n",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    main(json.loads(r"""{{ cookiecutter | tojson }}"""))
