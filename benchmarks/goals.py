"""A measured ratio, its goal, and by how much it is missed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """The range that a ratio has to lie in."""

    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None:
            return f"at most {self.high:.2f}"
        if self.high is None:
            return f"at least {self.low:.2f}"
        return f"{self.low:.2f} to {self.high:.2f}"

    def judge(self, value: float) -> str:
        """Whether a ratio meets the goal, to the two digits that are shown."""
        shown = round(value, 2)
        for bound, over in ((self.high, 1), (self.low, -1)):
            if bound is not None and (missed := over * (shown - bound)) > 0:
                return f"missed by {missed:.2f} ({missed / bound:.0%})"
        return "met"


HEADS = ("what", "ratio", "goal", "result")
FLAT = Goal(low=0.90, high=1.10)


@dataclass(frozen=True)
class Row:
    """One line of the result.

    Attributes:
        what: What was measured.
        ratio: The median.
        goal: Its goal; contenders have none.
        ours: Whether it is this project.
    """

    what: str
    ratio: float
    goal: Goal | None = None
    ours: bool = True

    def cells(self) -> tuple[str, str, str, str]:
        """The columns of a table: what, ratio, goal, result."""
        goal, result = (str(self.goal), self.goal.judge(self.ratio)) if self.goal else ("", "")
        return self.what, f"{self.ratio:.2f}", goal, result


@dataclass(frozen=True)
class Section:
    """A table: its title, what its ratios mean, its rows."""

    title: str
    text: str
    rows: tuple[Row, ...]

    def table(self) -> list[tuple[str, ...]]:
        """Its heads and rows; without goals only the first two columns."""
        columns = 4 if any(row.goal for row in self.rows) else 2
        lines = [HEADS, *(row.cells() for row in self.rows)]
        return [line[:columns] for line in lines]
