# Owned by fivetran-azfn-template: updates replace this file.
"""The parts of the page about runs: how the last one went, what was found, its calls, its state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

import msgspec

from harness.findings import Fault
from harness.report.html import Html, join, tag
from harness.report.timeline import label, timeline
from harness.rules import ERROR, SEVERITIES
from harness.runs import Call, Problem, Run
from harness.screen import counted, duration, size

GOOD, FAIR, BAD = "good", "fair", "bad"
_ENDS = {
    "done": (GOOD, "done"),
    "calls": (FAIR, "stopped after as many calls as asked"),
    "hours": (FAIR, "stopped after six hours, as Fivetran does"),
    "error": (BAD, "ended with an error"),
    "stopped": (FAIR, "stopped by hand"),
    "": (BAD, "no end: it was killed, or is still running"),
}


def verdict(run: Run) -> tuple[str, str]:
    """How a run went: a tone, and the words."""
    tone, words = _ENDS.get(run.ended, (BAD, run.ended))
    if tone != BAD and any(found.get("severity") == ERROR for found in run.findings):
        return BAD, f"{words}, but the protocol was broken"
    return tone, words


def stamp(instant: str) -> str:
    """An instant of a record, for people."""
    return f"{instant[:10]} {instant[11:19]} UTC"


def tiles(run: Run) -> Html:
    """The numbers of a run."""
    pace = f"{run.rows / run.seconds:,.0f} rows/s" if run.seconds else None
    calls = counted(run.count, "call")
    pages = counted(run.pages, "page") if run.pages else None
    each = f"{size(run.size // run.count)} a reply" if run.count > 1 else None
    numbers = (
        (f"{run.rows:,}", "row" if run.rows == 1 else "rows", pages),
        (f"{run.count:,}", calls.split()[1], None if run.count else "none was answered well"),
        (size(run.size), "received", each),
        (duration(run.seconds), "from start to end", pace),
    )
    return tag(
        "dl",
        [
            tag("div", tag("dt", name), tag("dd", number), tag("dd", more, class_="soft"))
            for number, name, more in numbers
        ],
        class_="tiles",
    )


def problem(error: Problem) -> Html:
    """What ended a run, as Fivetran's dashboard shows it."""
    return tag(
        "section",
        tag("h2", "What ended it"),
        tag("p", error.message, class_="message"),
        tag("p", "errorType ", tag("code", error.kind)) if error.kind else None,
        tag("p", "→ ", error.todo, class_="todo") if error.todo else None,
        tag("p", "rule ", tag("code", error.rule), class_="soft") if error.rule else None,
        tag("pre", "\n".join(error.trace)) if error.trace else None,
        class_="card problem",
    )


def findings(found: Sequence[dict[str, Any]]) -> Html:
    """What broke a rule, errors first."""
    return tag(
        "section",
        tag("h2", "Findings", _aside(_numbers(found))),
        tag("p", "No rule of harness/RULES.md was broken.", class_="quiet") if not found else None,
        [_finding(finding) for finding in found],
        class_="card",
        id="findings",
    )


def calls(run: Run) -> Html | None:
    """When which call was made, and what it brought."""
    if not run.calls:
        return None
    heads = ("call", "at", "in the function", "to load", "rows", "deleted", "reply")
    lines = [_line(call) for call in run.calls]
    slowest = max(call.seconds / max(call.count, 1) for call in run.calls)
    return tag(
        "section",
        tag("h2", "Calls", _aside(f"the slowest took {duration(slowest)}")),
        timeline(run),
        tag(
            "details",
            tag("summary", "every call as numbers"),
            scrolled(tag("table", _heads(heads), tag("tbody", lines), class_="numbers")),
        ),
        class_="card",
        id="calls",
    )


def states(run: Run) -> Html:
    """The state before and after, with what differs marked."""
    before, after = _lines(run.before), _lines(run.state)
    if before == after:
        body = tag("pre", "\n".join(after))
        return tag("section", tag("h2", "State", _aside("has not moved")), body, class_="card")
    old, new = _marked(before, after)
    return tag(
        "section",
        tag("h2", "State"),
        tag(
            "div",
            tag("div", tag("h3", "sent with the first call"), tag("pre", old)),
            tag("div", tag("h3", "carried by the last reply"), tag("pre", new)),
            class_="two",
        ),
        class_="card",
        id="state",
    )


def earlier(runs: Sequence[Run]) -> Html | None:
    """The runs before the last one."""
    if not runs:
        return None
    heads = ("began", "command", "end", "findings", "calls", "rows", "received", "took")
    lines = []
    for run in runs:
        tone, words = verdict(run)
        end = tag("td", tag("span", words, class_=f"chip {tone}"))
        numbers = (f"{run.count:,}", f"{run.rows:,}", size(run.size), duration(run.seconds))
        told = tag("td", _numbers(run.findings) or "none")
        began, command = tag("td", stamp(run.began)), tag("td", run.command)
        lines.append(tag("tr", began, command, end, told, _cells(numbers)))
    table = tag("table", _heads(heads, words=4), tag("tbody", lines), class_="numbers")
    return tag("section", tag("h2", "Earlier runs"), scrolled(table), class_="card", id="runs")


def scrolled(table: Html) -> Html:
    """A table that may be wider than the page; the keyboard reaches it too."""
    return tag("div", table, class_="scroll", tabindex="0")


def _aside(words: str) -> Html | None:
    return tag("span", words, class_="aside") if words else None


def _numbers(found: Sequence[dict[str, Any]]) -> str:
    numbers = Counter(str(finding["severity"]) for finding in found)
    return ", ".join(counted(numbers[name], name) for name in SEVERITIES if numbers[name])


def _finding(finding: dict[str, Any]) -> Html:
    severity = str(finding["severity"])
    return tag(
        "article",
        tag(
            "h3",
            tag("span", severity, class_=f"chip {severity}"),
            " ",
            str(finding["title"]),
            " ",
            tag("code", str(finding["rule"])),
        ),
        tag("ul", [tag("li", words) for words in _places(finding)]),
        tag("p", tag("b", "Fivetran "), str(finding["fivetran"])),
        tag("p", "→ ", str(finding["mend"]), class_="todo"),
        class_=f"finding {severity}",
    )


def _places(finding: dict[str, Any]) -> Iterator[str]:
    places = finding["places"]
    for place in places:
        fault = Fault(
            str(finding["rule"]),
            str(place.get("what", "")),
            str(place.get("part", "")),
            str(place.get("entity", "")),
            place.get("record"),
            place.get("key"),
        )
        where = ", ".join(filter(None, (f"call {place.get('call')}", fault.where)))
        yield f"{where}: {fault.what}"
    if finding["count"] > len(places):
        yield f"and {finding['count'] - len(places):,} more"


def _heads(names: Sequence[str], words: int = 1) -> Html:
    cells = [
        tag("th", name, scope="col", class_=None if at < words else "number")
        for at, name in enumerate(names)
    ]
    return tag("thead", tag("tr", cells))


def _cells(numbers: Sequence[str]) -> Html:
    return join([tag("td", number, class_="number") for number in numbers])


def _line(call: Call) -> Html:
    numbers = (
        duration(call.start),
        duration(call.seconds),
        duration(call.load) if call.load else "",
        f"{call.rows:,}",
        f"{call.deleted:,}" if call.deleted else "",
        size(call.size) if call.size else "",
    )
    name = tag("td", label(call), tag("span", call.why, class_="why") if call.why else None)
    return tag("tr", name, _cells(numbers), class_="lost" if call.outcome else None)


def _lines(state: msgspec.Raw) -> list[str]:
    return msgspec.json.format(bytes(state), indent=2).decode("utf-8").splitlines()


def _marked(before: list[str], after: list[str]) -> tuple[list[Html], list[Html]]:
    old: list[Html] = []
    new: list[Html] = []
    # A comma at the end of a line is no difference.
    plain = [line.rstrip(",") for line in before], [line.rstrip(",") for line in after]
    matcher = SequenceMatcher(None, *plain, autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        for lines, found, name in ((before[i:j], old, "del"), (after[k:m], new, "ins")):
            for line in lines:
                shown = line if kind == "equal" else tag(name, line)
                found.append(join(shown, "\n"))
    return old, new
