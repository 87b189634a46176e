"""Refuses wrong and contradictory answers before a file is written; it changes nothing."""

import ipaddress
import json
import keyword
import re
import sys
import unicodedata
from importlib import metadata
from urllib.parse import urlsplit

NUMBERED = {f"{name}{n}" for name in ("com", "lpt") for n in range(10)}
DEVICES = {"con", "prn", "aux", "nul"} | NUMBERED
TAKEN_BY_FUNCTION_APP = {"app", "func", "host", "respond", "source"}
TAKEN_BY_DATABASES = {"information_schema", "pg_catalog"}
LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
COLUMN = (
    "at most 64 characters (32 where they are not Latin), at least one a letter or digit, "
    "without quotes, backslashes, commas and braces"
)
# Latin letters that Unicode does not take apart.
LATIN = {
    "ß": "ss", "ẞ": "SS", "æ": "ae", "œ": "oe", "ø": "o", "Ø": "O",
    "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ł": "l", "Ł": "L", "þ": "th", "Þ": "Th",
    "ħ": "h", "Ħ": "H", "ı": "i",
}  # fmt: skip
OWN = "no name of Fivetran's own: its columns begin with _fivetran_"
NEEDS_KEY = {
    "records": "a deletion is found by its primary key",
    "soft_delete": "rows that come back are found by their primary key",
}


def refusals(answers):
    """What is wrong with `answers`, a dict of texts: each answer with the rule and an example."""
    checks = (
        project_name,
        project_slug,
        function_name,
        base_url,
        entity,
        primary_key,
        cursor_field,
    )
    found = {check.__name__: check(answers[check.__name__]) for check in checks}
    for name, text in answers.items():
        found[name] = found.get(name) or plain_text(name, text)
    if found["project_name"] and answers["project_name"].strip()[:200] in answers["description"]:
        found["description"] = None  # derived: one complaint is enough
    if not any(found.values()):
        found["together"] = contradiction(answers)
    return [text for text in found.values() if text]


def plain_text(name, text):
    if len(text) > 300:
        return refused(name, text, "an answer has at most 300 characters", "Acme Connector")
    if name in ("project_name", "description") and re.search("{[#%{]", text):
        # Cookiecutter renders it when the project is updated, and can then update it no more.
        return refused(name, text, "no brace with another, a % or a # after it", "Acme Connector")
    if not text.isprintable():
        return refused(
            name, text, "one line of printable characters, with plain spaces", "Acme Connector"
        )
    return None


def project_name(text):
    if not text.strip():
        return refused("project_name", text, "a name that is not empty", "Acme Connector")
    return None


def project_slug(text):
    rule = (
        "a folder name of letters, digits, - and _ (A-Z, a-z, 0-9) that starts with a letter or "
        "digit, has at most 60 characters and is no device name of Windows"
    )
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,59}", text) or text.lower() in DEVICES:
        return refused("project_slug", text, rule, "acme-connector")
    return None


def function_name(text):
    rule = (
        "letters, digits and _ (A-Z, a-z, 0-9) that start with a letter, at most 60 characters, no "
        "word of Python's, none of app, func, host, respond, source, not beginning with admin or "
        "runtime (the Azure host keeps these), and not information_schema or pg_catalog (it names "
        "the schema)"
    )
    taken = TAKEN_BY_FUNCTION_APP | TAKEN_BY_DATABASES
    taken = keyword.iskeyword(text) or named(text.lower()) in taken
    reserved = text.lower().startswith(("admin", "runtime"))
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,59}", text) or taken or reserved:
        return refused("function_name", text, rule, "acme_connector")
    return None


def base_url(text):
    example = "https://api.example.com/v1"
    if not re.fullmatch("[!-~]{1,200}", text) or re.search(r"""["'\\`<>^|]""", text):
        rule = "an address of at most 200 ASCII characters, without spaces, quotes and backslashes"
        return refused("base_url", text, rule, example)
    if "{" in text or "}" in text:
        rule = (
            "an address without braces; a part that is typed in Fivetran's form, such as "
            "a subdomain, is written into fetch.py afterwards"
        )
        return refused("base_url", text, rule, example)
    try:
        url = urlsplit(text)
        local = url.hostname in ("localhost", "127.0.0.1", "::1")
        whole = bool(url.hostname) and url.port != 0
        host = not url.hostname or is_host(url.hostname, "[" in url.netloc)
    except ValueError:
        return refused("base_url", text, "an address with a host and, if any, a port", example)
    if not whole or not (url.scheme == "https" or (url.scheme == "http" and local)):
        return refused("base_url", text, "https://, and http:// for localhost only", example)
    if "@" in url.netloc:
        return refused("base_url", text, "no user or password: credentials are secrets", example)
    if not host:
        rule = "a host's name, at most 63 letters, digits, - and _ between dots, or an IP address"
        return refused("base_url", text, rule, example)
    if "?" in text or "#" in text:
        rule = "no query and no fragment: paths are appended to it"
        return refused("base_url", text, rule, example)
    return None


def is_host(host, bracketed):
    """Whether a request can be sent there: by name, or by an address without a zone."""
    if bracketed or re.fullmatch(r"[0-9.]*\.?[0-9]+\.?", host):
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return "%" not in host
    return bool(re.fullmatch(rf"{LABEL}(\.{LABEL})*\.?", host))


def entity(text):
    if not re.fullmatch("[a-z][a-z0-9_]{0,49}", text):
        rule = "a to z, 0 to 9 and _, starting with a letter, at most 50 characters"
        return refused("entity", text, rule, "transaction")
    return None


def primary_key(text):
    if not text.strip():
        return None
    columns = [column.strip() for column in text.split(",")]
    if not all(is_column(column) for column in columns):
        rule = f"column names with commas between them, each {COLUMN}"
        return refused("primary_key", text, rule, "order_id, line_no")
    if any(named(column).startswith("_fivetran_") for column in columns):
        return refused("primary_key", text, OWN, "order_id, line_no")
    if len(set(map(named, columns))) < len(columns):
        rule = "columns that stay apart in the warehouse, where only a-z, 0-9 and _ are left"
        return refused("primary_key", text, rule, "order_id, line_no")
    return None


def cursor_field(text):
    name = text.strip()
    path = name.split(".")
    if name and (not is_column(name) or "" in path):
        rule = f"one column, or a dotted path to one, {COLUMN}"
        return refused("cursor_field", text, rule, "updated_at")
    if len(path) > 1 and (len(path) > 6 or width(name) > 40):
        rule = "a dotted path of at most 6 names and 40 characters (20 where they are not Latin)"
        return refused("cursor_field", text, rule, "meta.updated_at")
    if named(path[0]).startswith("_fivetran_"):
        return refused("cursor_field", text, OWN, "updated_at")
    return None


def is_column(name):
    return (
        0 < width(name) <= 64
        and not re.search(r"""["'\\,{}]""", name)
        and any(character.isalnum() for character in name)
    )


def width(name):
    """The most columns of a line that `name` may take: beyond Latin, a letter may take two."""
    return sum(2 if letter >= "\u0300" else 1 for letter in name)


def named(column):
    """The column's name in the warehouse, as far as it is sure: letters that do not fold to ASCII
    stay, so that two names are equal only if they surely meet (see harness/warehouse/names.py)."""
    plain = "".join(map(folded, unicodedata.normalize("NFC", column)))
    plain = re.sub("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    name = "".join(letter.lower() if letter.isascii() else letter for letter in plain)
    return re.sub("^(?=[0-9])", "_", re.sub("[\0-/:-@[-`{-\x7f]+", "_", name))


def folded(letter):
    parts = unicodedata.normalize("NFKD", LATIN.get(letter, letter))
    plain = re.sub("[\u0300-\u0362]", "", parts)  # accents
    return plain if plain.isascii() else letter


def contradiction(answers):
    """The first pair of answers that cannot both hold, or None."""
    key, cursor = answers["primary_key"].strip(), answers["cursor_field"].strip()
    columns = [column.strip() for column in key.split(",") if column.strip()]
    deletes = answers["deletes"]
    if deletes == "soft_delete" and cursor:
        rule = "soft_delete reads everything at each sync, so it has no cursor"
        return clash("cursor_field", cursor, "deletes=soft_delete", rule, "cursor_field=")
    if deletes in NEEDS_KEY and not columns:
        return clash("primary_key", key, f"deletes={deletes}", NEEDS_KEY[deletes], "primary_key=id")
    if deletes == "records" and cursor in columns:
        rule = "a deleted record keeps its key and gets a later cursor, so the two differ"
        return clash("cursor_field", cursor, "deletes=records", rule, "cursor_field=updated_at")
    top = cursor.split(".")[0]
    if cursor not in columns and top in columns:
        rule = "a dotted path leads into an object, and a column of the primary key is none"
        return clash("cursor_field", cursor, f"primary_key={key}", rule, "cursor_field=updated_at")
    if cursor not in columns and named(top) in map(named, columns):
        rule = "columns stay apart in the warehouse, where only a-z, 0-9 and _ are left"
        return clash("cursor_field", cursor, f"primary_key={key}", rule, "cursor_field=updated_at")
    return None


def clash(name, text, beside, rule, example):
    return f"{name} is {shown(text)} beside {shown(beside)}. Rule: {rule}. Example: {example}"


def refused(name, text, rule, example):
    return f"{name} is {shown(text)}. Rule: {rule}. Example: {example}"


def shown(text):
    """`text` as one ASCII line that cannot disturb a terminal, cut at 60 characters."""
    return ascii(text if len(text) <= 60 else text[:57] + "...")


def old(version):
    """What is wrong with this version of Cookiecutter, or None."""
    if [int(part) for part in re.findall("[0-9]+", version)[:2]] < [2, 3]:
        rule = "2.3 or newer: 2.1 does not find the template's pieces"
        example = 'pip install --upgrade "cookiecutter>=2.3"'
        return f"Cookiecutter is {version}. Rule: {rule}. Example: {example}"
    return None


def main(answers, version):
    answers["project_slug"] = answers.pop("__asked_slug")
    questions = {name: text for name, text in answers.items() if not name.startswith("_")}
    found = [old(version)] if old(version) else refusals(questions)
    if found:
        print("Refused, nothing was written:", file=sys.stderr)
        for text in found:
            print(f"  {text}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main(json.loads(r"""{{ cookiecutter | tojson }}"""), metadata.version("cookiecutter"))
