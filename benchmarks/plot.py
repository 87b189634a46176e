"""The first table as a bar chart in SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.goals import Row

LEFT, WIDTH, STEP, TOP = 330, 360, 26, 44  # pixels
END = 1.5  # ratio at the right edge; longer bars are cut there
FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 {height}" font-family="sans-serif" \
font-size="13" role="img">
<title>{title}</title>
<rect width="780" height="{height}" fill="#ffffff"/>
<text x="12" y="22" font-size="15" font-weight="bold" fill="#1f2328">{title}</text>
{bars}
<line x1="{one}" x2="{one}" y1="{top}" y2="{end}" stroke="#1f2328" stroke-dasharray="2 3"/>
<text x="12" y="{foot}" fill="#59636e">Lower is better. Blue: this project. \
A red line marks a goal.</text>
</svg>
"""
BAR = """\
<text x="{label}" y="{text}" text-anchor="end" fill="#1f2328">{what}</text>
<rect x="{left}" y="{top}" width="{width}" height="16" fill="{color}"/>
<text x="{after}" y="{text}" fill="#1f2328">{ratio:.2f}</text>"""
CUT = '\n<path d="M{x} {top} l6 16 h5 l-6 -16 z" fill="#ffffff"/>'
GOAL = '\n<rect x="{x}" y="{top}" width="2" height="20" fill="#cf222e"/>'


def plot(title: str, rows: Sequence[Row]) -> str:
    """A bar for each row, the smallest first."""
    bars = [_bar(place, row) for place, row in enumerate(sorted(rows, key=lambda row: row.ratio))]
    end = TOP + STEP * len(rows)
    return FRAME.format(
        title=escape(title), height=end + 32, top=TOP - 6, end=end, foot=end + 20, one=_at(1),
        bars="\n".join(bars),
    )  # fmt: skip


def _at(ratio: float) -> int:
    return LEFT + round(WIDTH * min(ratio, END) / END)


def _bar(place: int, row: Row) -> str:
    top, right = TOP + STEP * place, _at(row.ratio)
    bar = BAR.format(
        label=LEFT - 8, left=LEFT, top=top, text=top + 13, width=right - LEFT, after=right + 8,
        color="#0969da" if row.ours else "#afb8c1", what=escape(row.what), ratio=row.ratio,
    )  # fmt: skip
    if row.ratio > END:
        bar += CUT.format(x=right - 40, top=top)
    if row.goal and row.goal.high is not None:
        bar += GOAL.format(x=_at(row.goal.high) - 1, top=top - 2)
    return bar
