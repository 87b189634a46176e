"""What the report shows of runs and tables: read as XML, and in a browser where there is one."""

import html
import json
import os
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest
from handmade import SECRET
from harness.cli import main

# Ten records, three a call; one third of `maybe` is null.
GOOD = """
at = state.get("at", 0)
rows = [{"id": n, "name": f"name {n}", "email": f"{n}@example.com", "note": "a private note",
         "maybe": n if n % 3 else None} for n in range(at, min(at + 3, LAST))]
return page({"at": at + len(rows)}, rows, at + len(rows) < LAST)
"""
TEN = GOOD.replace("LAST", "10")
MARKUP = "</td></script><script>document.title='owned'</script><img src=x onerror=\"a()\">'\"&lt;"
HOSTILE = f"""
bad = {MARKUP!r}
if state:
    return reply({{"errorMessage": bad, "errorType": bad, "stackTrace": [[bad, 1, bad, bad]]}})
rows = [{{"id": bad, "list": [bad], bad: 1, "words": "a\\x1b long text " * 40}}]
rows[0] |= {{f"column_{{n}}": n for n in range(30)}}
return reply({{"state": {{bad: bad, "long": "x" * 900}}, "insert": {{"thing": rows}},
              "schema": {{"thing": {{"primary_key": ["id"]}}}}, "hasMore": True, bad: bad}})
"""


class Page:
    """A page, whose elements are all closed."""

    def __init__(self, source):
        self.source = source
        self.root = ElementTree.fromstring(re.sub("<(meta|br)([^>]*)>", r"<\1\2/>", source[15:]))

    def all(self, path):
        return self.root.findall(f".//{path}")

    def texts(self, path):
        return [re.sub(r"\s*\n\s*", "", "".join(each.itertext())) for each in self.all(path)]

    def text(self, path):
        return "".join(self.texts(path))


@pytest.fixture
def report(made, capsys):
    """Makes a function with a body or goes on with the last one, runs commands; the report."""

    def report(body="", *commands, **connection):
        if body:
            made(body, **connection)
        ended = [main(shlex.split(command)) for command in (*commands, "report")]
        assert ended[-1] == 0, capsys.readouterr()
        return Page(Path(".fivetran/report.html").read_text("utf-8"))

    return report


TABLE = "article[@id='table-thing']"


def test_the_last_run_its_tables_and_the_state_are_shown(report):
    hidden = {"blocked": ["thing.note", "secret_table"], "hashed": ["thing.email"]}
    page = report(TEN, "sync --calls 3", **hidden)
    assert "stopped by --calls" in page.text("header") and "function_app.py" in page.text("header")
    assert page.texts("dd")[:4:2] == ["9", "3"], "rows and calls"
    assert "9 rows · key id" in page.text(TABLE)
    rows = page.texts(f"{TABLE}//table[@class='columns']//tr")
    assert {"idkeySMALLINT0%", "maybeSMALLINT33%", "emailhashedVARCHAR0%"} <= set(rows)
    assert "noteblocked: not written––" in rows
    assert any(row.startswith("_fivetran_syncedadded by Fivetran") for row in rows)
    assert "Blocked, not written: secret_table" in page.text("section[@id='tables']")
    assert "The first 6 of 9 rows" in page.text(TABLE)
    cells = page.texts(f"{TABLE}//td")
    assert {"name 0", "name 5", "null"} <= set(cells) and "name 6" not in cells
    assert len(page.all("span[@class='hash']")) == 6
    assert "@example.com" not in page.source and "a private note" not in page.source
    assert '"at": 9' in page.text("section[@id='state']")
    places = [
        [(box.get("x"), box.get("width")) for box in page.all(f"rect[@class='{kind}']")]
        for kind in ("span-function", "bar-rows", "bar-reply")
    ]
    assert len(places[0]) == 3 and places[0] == places[1] == places[2]


def test_the_file_is_for_its_owner_or_the_command_says_why_there_is_none(report, made, run):
    folder = made()
    run("report", "nothing was synced yet", "harness sync", code=3)
    (folder / ".fivetran").chmod(0o755)
    run("sync")
    run("report --out shown/page.html --json", '"file":', "page.html")
    if os.name != "nt":
        assert (folder / ".fivetran").stat().st_mode & 0o777 == 0o700
        assert (folder / "shown/page.html").stat().st_mode & 0o777 == 0o600
    run("report --out connection.json/page.html", "cannot be written", code=3)
    page = report("", "reset --yes")
    assert "No run is recorded yet" in page.source and "No tables yet." in page.source


def test_data_stays_text_and_the_page_needs_nothing_else(report):
    page = report(HOSTILE, "sync")
    assert MARKUP in page.text(TABLE), "in a row"
    assert MARKUP in page.text("p[@class='message']"), "in the error"
    assert MARKUP.replace('"', '\\"') in page.text("section[@id='state']")
    assert not page.all("script") and not page.all("img")
    names = {name for element in page.all("*") for name in element.attrib}
    assert not names & {"src", "href", "srcset", "action", "data"}
    assert not [name for name in names if name.startswith("on")]
    assert "url(" not in page.source and "@import" not in page.source
    (policy,) = page.all("meta[@http-equiv]")
    assert policy.get("content").startswith("default-src 'none'; style-src")


def test_no_secret_stands_in_the_page(report):
    page = report(
        """
        secret = request["secrets"]["apiToken"]
        if state:
            trace = [["a.py", 1, "f", secret]]
            return reply({"errorMessage": "refused " + secret, "stackTrace": trace})
        return page({"at": 1}, [{"id": secret, "list": [secret], "cut": "x" * 112 + secret}], True)
        """,
        "sync",
        f'''state --set '{{"thing":"{SECRET}"}}' ''',
    )
    assert '"thing": "[secret]"' in page.text("section[@id='state']")
    assert "[secret]" in page.text(TABLE)
    assert "refused [secret]" in page.source
    for form in (SECRET[:6], json.dumps(SECRET)[1:-1], html.escape(SECRET)):
        assert form not in page.source
    assert SECRET.encode() in Path(".fivetran/warehouse.duckdb").read_bytes(), "as delivered"


def test_findings_stand_by_severity_with_place_and_advice(report):
    page = report(
        """
        return reply({'state': {'token': request["secrets"]["apiToken"]}, 'hasMore': False,
                      'extra': 1, 'insert': {'thing': [{'a': '2026-01-01T00:00:00'}]}})
        """,
        "sync",
    )
    found = page.all("section[@id='findings']/article")
    severities = [each.get("class").split()[-1] for each in found]
    assert severities == sorted(severities, key=["error", "warning", "notice"].index)
    first = "".join(found[0].itertext())
    assert all(text in first for text in ("secret-in-reply", "Fivetran", "→"))


def test_a_failed_run_shows_its_calls_and_its_error(report):
    body = """
        if state.get("at") == 2:
            return reply({"errorMessage": "refused"})
        at = state.get("at", 0) + 1
        return page({"at": at}, [{"id": at}], True)
    """
    page = report(body, "sync")
    assert "refused" in page.text("section[@class='card problem']")
    (text,) = page.texts("rect[@class='span-lost']/title")
    assert "refused" in text
    assert len(page.all("rect[@class='span-function']")) == 2
