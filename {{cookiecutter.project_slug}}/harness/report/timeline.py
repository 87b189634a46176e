# Owned by fivetran-azfn-template: updates replace this file.
"""The calls of a run on a time line, as inline SVG; the words stand outside, so that they wrap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from harness.report.html import Html, join, tag
from harness.runs import Call, Run
from harness.screen import counted, duration, size

_WIDTH = 1000.0  # units of the drawings, stretched to the page
_HEIGHT = 100.0
_THINNEST = 1.5
_TICKS = 4


def timeline(run: Run) -> Html:
    """Three lanes over one axis: where the time went, rows, and bytes of each call."""
    whole = max(call.end for call in run.calls) or 1.0
    lanes = [
        _lane("time", "time", _shares(run.calls, whole), _spans(run.calls, whole)),
        _bars("rows", run.calls, whole, lambda call: call.rows + call.deleted, _rows),
        _bars("reply", run.calls, whole, lambda call: call.size, size),
    ]
    ticks = [tag("span", duration(whole * at / _TICKS)) for at in range(_TICKS + 1)]
    return join(
        tag("div", lanes, tag("p", ticks, class_="axis"), class_="timeline"),
        tag(
            "p",
            _key("span-function", "in the function"),
            _key("span-load", "checked and loaded into DuckDB"),
            _key("span-lost", "lost or failed"),
            tag("span", "blank: waiting"),
            class_="legend",
        ),
    )


def label(call: Call) -> str:
    """Which call it is: `call 3`, `calls 3–6`, `call 3, lost`."""
    name = f"calls {call.first}–{call.first + call.count - 1}" if call.count > 1 else ""
    return ", ".join(filter(None, (name or f"call {call.first}", call.outcome)))


def _lane(name: str, title: str, told: str, shapes: Iterator[Html]) -> Html:
    drawing = tag(
        "svg",
        list(shapes),
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{title}: {told}",
        class_=f"lane lane-{name}",
    )
    return tag("div", tag("p", tag("b", title), " ", told, class_="lane-title"), drawing)


def _spans(calls: Sequence[Call], whole: float) -> Iterator[Html]:
    for call in calls:
        kind = "span-lost" if call.outcome else "span-function"
        # Joined calls may have waited in between: their parts stand behind each other all the same.
        yield _box(call, call.start, call.seconds, whole, _HEIGHT, kind)
        if call.load:
            yield _box(call, call.start + call.seconds, call.load, whole, _HEIGHT, "span-load")


def _bars(
    name: str,
    calls: Sequence[Call],
    whole: float,
    value: Callable[[Call], int],
    shown: Callable[[int], str],
) -> Html:
    # Joined calls stand as high as one of them does on average.
    heights = [value(call) / max(call.count, 1) for call in calls]
    highest = max(heights)
    boxes = (
        _box(
            call,
            call.start,
            (call.seconds + call.load) * 0.96,
            whole,
            max(height / highest * _HEIGHT, 1.0),
            f"bar-{name}",
        )
        for call, height in zip(calls, heights, strict=True)
        if height
    )
    total, several = sum(map(value, calls)), len(calls) > 1
    told = f"{shown(total)}" + (f", at most {shown(round(highest))} a call" if several else "")
    return _lane(name, name, told, boxes)


def _box(call: Call, start: float, seconds: float, whole: float, height: float, kind: str) -> Html:
    width = max(seconds / whole * _WIDTH, _THINNEST)
    left = min(start / whole * _WIDTH, _WIDTH - width)
    return tag(
        "rect",
        tag("title", _told(call)),
        x=f"{left:.2f}",
        y=f"{_HEIGHT - height:.2f}",
        width=f"{width:.2f}",
        height=f"{height:.2f}",
        class_=kind,
    )


def _told(call: Call) -> str:
    parts = [
        f"{label(call)} at {duration(call.start)}",
        f"{duration(call.seconds)} in the function",
        f"{duration(call.load)} to load" if call.load else "",
        counted(call.rows, "row"),
        f"{call.deleted:,} deleted" if call.deleted else "",
        size(call.size),
        call.why,
    ]
    return "\n".join(filter(None, parts))


def _shares(calls: Sequence[Call], whole: float) -> str:
    function = sum(call.seconds for call in calls if not call.outcome)
    load = sum(call.load for call in calls)
    other = max(whole - function - load, 0.0)
    parts = [("in the function", function), ("to load", load), ("waiting or lost", other)]
    return ", ".join(
        f"{duration(seconds)} {name} ({seconds / whole:.0%})"
        for name, seconds in parts
        if seconds / whole >= 0.005
    )


def _rows(count: int) -> str:
    return counted(count, "row")


def _key(kind: str, name: str) -> Html:
    return tag("span", tag("i", class_=f"swatch {kind}"), name)
