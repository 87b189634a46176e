# Owned by fivetran-azfn-template: updates replace this file.
"""Everything that ends a command of the harness, each kind with its exit code."""

from __future__ import annotations

from typing import Any

from harness.rules import RULES


class HarnessError(Exception):
    """Base of all errors that the harness shows without a traceback of its own.

    Attributes:
        exit_code: What the command ends with: 1 the function reported an error, 2 it broke the
            protocol, 3 the command, a file or an option is wrong.
        todo: What to do about it, or None.
    """

    exit_code = 3

    def __init__(self, what: str, *, todo: str | None = None) -> None:
        super().__init__(what)
        self.todo = todo
        if todo:
            self.add_note(f"→ {todo}")


class UsageError(HarnessError):
    """An option, a file of the project or the place that was named is wrong."""


class FunctionFailed(HarnessError):
    """The function answered with `errorMessage`.

    Attributes:
        kind: `errorType` of the reply, or None.
        trace: `stackTrace` of the reply as it came, or None.
    """

    exit_code = 1

    def __init__(self, message: str, *, kind: str | None = None, trace: Any = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.trace = trace
        for line in frames(trace):
            self.add_note(line)


class SetupFailed(HarnessError):
    """A setup test failed at Fivetran."""

    exit_code = 1


class ProtocolBroken(HarnessError):
    """The function answered with something that Fivetran cannot use.

    Attributes:
        rule: Id of the rule that was broken.
        trace: Text of the exception that the function did not catch, or None.
    """

    exit_code = 2

    def __init__(
        self, what: str, *, rule: str, todo: str | None = None, trace: str | None = None
    ) -> None:
        super().__init__(what, todo=todo or RULES[rule].mend)
        self.rule = rule
        self.trace = trace
        if trace:
            self.add_note(trace)


class LostReply(ProtocolBroken):
    """No reply came: a time-out, a broken connection, or a gateway that gave up waiting."""

    def __init__(self, what: str, *, todo: str | None = None) -> None:
        super().__init__(what, rule="no-reply", todo=todo)


def frames(trace: Any) -> list[str]:
    """`stackTrace` of a reply as lines; its entries should be `[file, line, function, code]`."""
    if not isinstance(trace, list):
        return [] if trace is None else str(trace).splitlines()
    lines = []
    for frame in trace:
        if isinstance(frame, list) and len(frame) == 4:
            file, line, function, code = frame
            lines.append(f"{file}:{line} in {function}")
            if code:
                lines.append(f"    {code}")
        else:
            lines.append(str(frame))
    return lines
