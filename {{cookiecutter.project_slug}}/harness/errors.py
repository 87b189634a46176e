"""The errors that end a command, each with its exit code."""

from __future__ import annotations


class HarnessError(Exception):
    """Base of all errors that are shown without a traceback of the harness's.

    Attributes:
        todo: What to do about it, "" if nothing is known.
        kind: `errorType` of a reply.
        trace: Lines of a reply's `stackTrace`.
        rule: Id of the broken rule in RULES.md.
        exit_code: What the command ends with: 1 the function reported an error, 2 it broke the
            protocol or the tables differ, 3 a command, an option or a file is wrong.
    """

    kind = trace = rule = ""
    exit_code = 3

    def __init__(self, what: str, todo: str = "") -> None:
        super().__init__(what)
        self.todo = todo
        if todo:
            self.add_note(f"→ {todo}")  # shown by pytest below the error


class UsageError(HarnessError):
    """A command, an option or a file of the project is wrong."""


class SampleError(UsageError):
    """sample.toml is wrong, or the app that replaces the upstream cannot be loaded."""


class FunctionFailed(HarnessError):
    """The function answered with `errorMessage`."""

    exit_code = 1

    def __init__(self, message: str, *, kind: str = "", trace: str = "") -> None:
        super().__init__(message)
        self.kind, self.trace = kind, trace
        if trace:
            self.add_note(trace)


class ProtocolBroken(HarnessError):
    """The function answered with something that Fivetran cannot use."""

    exit_code = 2

    def __init__(self, what: str, todo: str = "", *, rule: str) -> None:
        super().__init__(what, todo)
        self.rule = rule


class TablesDiffer(HarnessError):
    """The tables are not those of an undisturbed sync."""

    exit_code = 2
