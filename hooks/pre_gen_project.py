"""Refuses wrong and contradictory answers before a file is written."""

import ipaddress
import json
import keyword
import re
import shlex
import subprocess
import sys
from urllib.parse import urlsplit

KEYWORDS = "|".join(keyword.kwlist)
# cruft renders the answers again when it updates a project: no text may look like Jinja.
TEXT = "(?!.*{[#%{]).{1,300}"
LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
HOST = rf"{LABEL}(\.{LABEL})*\.?|\[[0-9A-Fa-f:.]+\]"
LOCAL = r"localhost|127\.0\.0\.1|\[::1\]"
URL = rf"(https://({HOST})|http://({LOCAL}))(:[0-9]+)?(/[\w!$%&()*+,./:;=~\[\]-]*)?"
NAME = r"""[^"'\\,{}.]*[^\W_][^"'\\,{}.]*"""  # of a field: something in it is a letter or a digit
COLUMN = r"(?=[^,]{1,64}(,|$))(?!(?i:_fivetran))" + NAME
PATH = r"((?=.{1,64}$)(?!(?i:_fivetran))" + NAME + r"(\." + NAME + "){0,5})?"
DEVICE = r"(?i:con|prn|aux|nul|com\d|lpt\d)"
RESERVED = "(?i:admin|runtime|(host|information_schema|pg_catalog)$)"
IMPORTED = "app|respond|source|AuthLevel|FunctionApp|HttpRequest|HttpResponse"

TEXT_RULE = "one line of at most 300 characters, without Jinja: no { followed by {, % or #"
PATH_RULE = (
    "one to six names with dots between them, at most 64 characters in all, not beginning with "
    "_fivetran; without quotes, backslashes, commas or braces"
)
# The pattern, the rule and an example of each answer.
RULES = {
    "project_name": (TEXT, TEXT_RULE, "Acme Connector"),
    "base_url": (
        "(?a:(?=.{1,200}$)" + URL + ")",
        "https, or http for localhost; no user name, query string or braces; at most 200 ASCII "
        "characters",
        "https://api.example.com/v1",
    ),
    "records_path": (PATH, PATH_RULE, "data.items"),
    "entity": (
        f"(?!({KEYWORDS}|len|source)$)" + "[a-z][a-z0-9_]{0,49}",
        "a-z, 0-9 and _, starting with a letter, at most 50 characters; not a Python keyword, "
        "len or source",
        "sales_order",
    ),
    "primary_key": (
        f"({COLUMN}(,{COLUMN})*)?",
        "top-level columns with commas between them; each at most 64 characters, not beginning "
        "with _fivetran; without dots, quotes, backslashes or braces",
        "order_id, line_no",
    ),
    "cursor_field": (PATH, PATH_RULE, "meta.updated_at"),
    "project_slug": (
        f"(?!{DEVICE}$)" + "(?=.{1,60}$)[A-Za-z0-9]+([-_][A-Za-z0-9]+)*",
        "letters and digits, with single - or _ between them, at most 60 characters; not a device "
        "name of Windows, such as con or nul",
        "acme-connector",
    ),
    "function_name": (
        f"(?!{RESERVED})(?!({KEYWORDS}|{IMPORTED})$)" + "[A-Za-z][A-Za-z0-9_]{0,59}",
        "letters, digits and _, starting with a letter, at most 60 characters; not a Python "
        "keyword, not a name in function_app.py (app, source, respond), not information_schema or "
        "pg_catalog; not host and not beginning with admin or runtime, which Azure reserves",
        "acme_connector",
    ),
    "description": (TEXT, TEXT_RULE, "Acme Connector"),
}


def is_right(name, text):
    if not (text.isprintable() and re.fullmatch(RULES[name][0], text)):
        return False
    try:
        url = urlsplit(text if name == "base_url" else "")
        if re.fullmatch("[0-9.]+|.*:.*", url.hostname or ""):
            ipaddress.ip_address(url.hostname)
        return url.port != 0
    except ValueError:
        return False


def column(name):
    """What Fivetran calls a column, but for other scripts: userName and user-name: user_name."""
    words = re.sub("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[\W_]+", "_", words).lower()


def contradictions(answers):
    """Answers that are valid alone but not together: (question, rule, example)."""
    path, cursor, deletes = answers["records_path"], answers["cursor_field"], answers["deletes"]
    columns = answers["primary_key"].split(",") if answers["primary_key"] else []
    top, paging = cursor.split(".")[0], answers["pagination"]
    # The fields of a response that are used beside the records.
    fields = {"cursor": ["next_cursor"], "next_url": ["next"], "last_id": ["has_more"]}
    beside = fields.get(paging, []) + (["deleted"] if deletes == "records" else [])
    if len(set(map(column, columns))) < len(columns):
        rule = "each column only once; Fivetran makes one column of orderId and order_id"
        yield "primary_key", rule, "order_id, line_no"
    if top not in columns and column(top) in map(column, columns):
        rule = f"Fivetran makes one column of {top} and a column of the primary key"
        yield "cursor_field", rule, "updated_at"
    if deletes == "soft_delete" and cursor:
        yield (
            "cursor_field",
            "deletes=soft_delete reads everything in every sync: no cursor",
            "none",
        )
    if deletes != "none" and not columns:
        yield "primary_key", f"deletes={deletes} needs a key to find the deleted rows", "id"
    if deletes == "records" and cursor in columns:
        rule = "not in the primary key: a deleted record has its old key and a later cursor"
        yield "cursor_field", f"with deletes=records {rule}", "updated_at"
    if cursor != top and top in columns:
        rule = "is in the primary key, so it cannot be an object with a cursor"
        yield "cursor_field", f"{top} {rule}", "updated_at"
    if beside and not path:
        rule = f"a response that is only a list has no place for {' and '.join(beside)}"
        yield "records_path", rule, "data"
    if path.split(".")[0] in beside:
        rule = f"with pagination={paging} and deletes={deletes} this field holds something else"
        yield "records_path", rule, "data"
    if paging == "last_id" and len(columns) != 1:
        rule = "one column with pagination=last_id: the next page starts after its last value"
        yield "primary_key", rule, "id"
    if paging == "last_id" and deletes == "records":
        rule = "not with pagination=last_id: a page of deleted records has no last record"
        yield "deletes", rule, "none"


def refusals(answers):
    """What is wrong, or else the answers that contradict each other: (question, rule, example)."""
    wrong = [
        (name, *rest) for name, (_, *rest) in RULES.items() if not is_right(name, answers[name])
    ]
    if wrong and wrong[0][0] == "project_name":  # others are derived from it
        wrong = [row for row in wrong if row[0] not in ("project_slug", "function_name")]
    return wrong or list(contradictions(answers))


def message(answers, found):
    """The refusals, and the command that repeats the answers with the examples in place of them."""
    asked = {name: text or "none" for name, text in answers.items() if not name.startswith("_")}
    asked |= {name: example for name, _, example in found}
    words = ["cookiecutter", str(answers.get("_template", "TEMPLATE")), "--no-input"]
    words += [f"{name}={text}" for name, text in asked.items()]
    command = subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)
    text = "\n\n".join(
        f"  {name} is {answers[name][:60]!a}\n    rule:    {rule}\n    example: {name}={example}"
        for name, rule, example in found
    )
    return (
        f"\nRefused, nothing was written:\n\n{text}\n\n"
        f"Answer again, or change the examples in this command:\n\n  {command}\n\n"
        "(What Cookiecutter prints below says only that this check failed.)\n"
    )


def main(answers):
    for name in ("records_path", "primary_key"):
        answers[name] = answers[f"__{name}"]
    answers |= {"project_slug": answers["__asked_slug"], "cursor_field": answers["__cursor"]}
    if found := refusals(answers):
        sys.exit(message(answers, found))


if __name__ == "__main__":
    main(json.loads(r"""{{ cookiecutter | tojson }}"""))
