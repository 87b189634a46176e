# Owned by fivetran-azfn-template: updates replace this file.
"""The command `report`: the last runs and the tables as one HTML file that needs nothing else.

It holds no script, and the page's own policy forbids any: data stays text.
"""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError
from harness.report import run as about
from harness.report.facts import Facts, gather
from harness.report.html import Html, join, tag
from harness.report.tables import tables
from harness.screen import counted
from harness.session import Session
from harness.state import write_private

FILE = "report.html"
_STYLE = Path(__file__).with_name("style.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write(session: Session, out: Path | None) -> None:
    """Write the report.

    Args:
        session: Gives tables and secrets.
        out: The file, None for the usual place beside the tables.

    Raises:
        UsageError: Nothing was synced yet, or the file cannot be written.
    """
    if not session.tables.exists():
        raise UsageError(
            f"{session.tables} is not there: nothing was synced yet",
            todo="run `python -m harness sync` first (with --sample for the sample upstream; "
            "then report --sample, too)",
        )
    session.hide()
    warehouse = session.warehouse()
    place = session.tables.as_posix()
    facts = gather(warehouse, session.connection, session.screen.redactor, place)
    file = out or session.options.home / FILE
    try:
        write_private(file, page(facts).encode("utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error}") from None
    told = f"{counted(len(facts.tables), 'table')}, {counted(len(facts.runs), 'run')}"
    session.screen.say(f"wrote {file}: {told}; open {file.resolve().as_uri()}", "green")
    if facts.unread:
        session.screen.say(
            f"{counted(facts.unread, 'run')} left out: another version recorded them", "yellow"
        )
    session.result |= {
        "file": str(file),
        "tables": [shown.table.name for shown in facts.tables],
        "runs": len(facts.runs),
    }


def page(facts: Facts) -> str:
    """The whole page."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{facts.schema}: local sync"),
        tag("style", Html(_STYLE.read_text(encoding="utf-8"))),
    )
    body = tag("body", tag("div", _top(facts), _parts(facts), _foot(facts), class_="page"))
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _top(facts: Facts) -> Html:
    last = facts.runs[0] if facts.runs else None
    if last is None:
        told = tag("p", "No run is on record.", class_="lede")
        return tag("header", tag("p", "Local Fivetran", class_="over"), _title(facts), told)
    tone, words = about.verdict(last)
    return tag(
        "header",
        tag("p", f"Local Fivetran · {last.command}", class_="over"),
        _title(facts),
        tag(
            "p",
            tag("span", words, class_=f"chip big {tone}"),
            " ",
            tag("span", about.stamp(last.began)),
            class_="lede",
        ),
        about.tiles(last),
        tag(
            "p", last.target, tag("br"), "sync id ", tag("code", last.sync_id), class_="soft small"
        ),
    )


def _title(facts: Facts) -> Html:
    return tag("h1", facts.schema)


def _parts(facts: Facts) -> Html:
    if not facts.runs:
        return tag("main", tables(facts))
    last, *earlier = facts.runs
    return tag(
        "main",
        about.problem(last.error) if last.error else None,
        about.findings(last.findings),
        about.calls(last),
        about.states(last),
        tables(facts),
        about.earlier(earlier),
    )


def _foot(facts: Facts) -> Html:
    made = facts.made.isoformat(" ", timespec="seconds").replace("+00:00", " UTC")
    return tag(
        "footer",
        join("Made by ", tag("code", "python -m harness report"), f" at {made} from "),
        tag("code", facts.place),
        ". It holds rows of the tables: share it as carefully as them.",
    )
