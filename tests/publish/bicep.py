"""A Bicep file worked out: what each module is given, with stand-ins for what only Azure knows.

It goes as far as infra/main.bicep does, and gives up on everything else. Whatever a name stands for
has to be declared above it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_TOKEN = re.compile(
    r"""
    (?P<skip>//[^\n]*|\s+)
    |(?P<text>'(?:[^'$\\]|\\.|\$(?!\{)|\$\{(?:[^'}]|'[^']*')*\})*')
    |(?P<number>\d+)
    |(?P<name>\w+)
    |(?P<mark>=>|[=?:.,@(){}\[\]])
    """,
    re.VERBOSE,
)
_INSERTED = re.compile(r"\$\{((?:[^'}]|'[^']*')*)\}")
TOKEN = "abcdefghijklm"  # what uniqueString gives, as long as Azure's
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "concat": lambda *parts: [item for part in parts for item in part],
    "empty": lambda value: not value,
    "replace": str.replace,
    "subscription": lambda: {"id": "/subscriptions/1"},
    "toLower": str.lower,
    "toObject": lambda items, key, value: {key(item): value(item) for item in items},
    "union": lambda *parts: {name: value for part in parts for name, value in part.items()},
    "uniqueString": lambda *parts: TOKEN,
}

Names = dict[str, Any]
Expression = Callable[[Names], Any]


@dataclass
class Bicep:
    """What a file says once its parameters are given.

    Attributes:
        parameters: By name; None where the file has no default and none was given.
        required: Names of parameters without a default.
        modules: By name: `path`, `version`, and the contents of its block.
        outputs: By name.
        used: Each `module.outputs.name`, as module and name.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    modules: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)


def infra(project: Path, **given: Any) -> Bicep:
    """The file of a project, worked out for an environment `env`."""
    text = (project / "infra" / "main.bicep").read_text(encoding="utf-8")
    return work_out(text, **{"environmentName": "env", "location": "somewhere", **given})


def work_out(text: str, **given: Any) -> Bicep:
    """Work a file out with these parameters; those that are not given have their defaults.

    Raises:
        LookupError: A name is not declared.
        SyntaxError: Something is not as expected.
    """
    reader, names, file = _Reader(text), Names(), Bicep()
    while reader.now:
        kind, name = reader.take(), ""
        if kind == "@":
            reader.expression()
        elif kind == "targetScope":
            reader.take("=")
            reader.expression()
        elif kind == "param":
            name, default = reader.typed(), None
            if reader.took("="):
                default = reader.expression()(names)
            else:
                file.required.add(name)
            names[name] = file.parameters[name] = given.get(name, default)
        elif kind == "var":
            name = reader.take()
            reader.take("=")
            names[name] = reader.expression()(names)
        elif kind in ("resource", "module"):
            name, source = reader.take(), reader.take()[1:-1]
            reader.take("=")
            body = reader.expression()(names)
            names[name] = body
            if kind == "module":
                path, _, version = source.rpartition(":")
                file.modules[name] = {"path": path, "version": version, **body}
                names[name] = Made(name, file.used)
        elif kind == "output":
            name = reader.typed()
            reader.take("=")
            file.outputs[name] = reader.expression()(names)
        else:
            raise SyntaxError(f"nothing begins with {kind}")
    return file


class Made:
    """A module as those after it see it: nothing but its outputs, each as `<module.output>`."""

    def __init__(self, name: str, used: set[tuple[str, str]]) -> None:
        self.name, self.used = name, used

    def __getitem__(self, key: str) -> Outputs:
        if key != "outputs":
            raise LookupError(f"{self.name}.{key}: a module has outputs and nothing else")
        return Outputs(self)


class Outputs:
    """The outputs of a module."""

    def __init__(self, made: Made) -> None:
        self.made = made

    def __getitem__(self, key: str) -> str:
        self.made.used.add((self.made.name, key))
        return f"<{self.made.name}.{key}>"


class _Reader:
    """Takes a text apart; each expression becomes a function of the names it may use."""

    def __init__(self, text: str) -> None:
        self.tokens, at = [], 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise SyntaxError(f"cannot read {text[at : at + 30]!r}")
            if match.lastgroup != "skip":
                self.tokens.append(match[0])
            at = match.end()
        self.tokens.reverse()

    @property
    def now(self) -> str:
        return self.tokens[-1] if self.tokens else ""

    def take(self, wanted: str = "") -> str:
        if not self.now or (wanted and self.now != wanted):
            raise SyntaxError(f"{wanted or 'more'} expected, not {self.now!r}")
        return self.tokens.pop()

    def took(self, wanted: str) -> bool:
        return self.now == wanted and bool(self.take())

    def typed(self) -> str:
        """A declaration's name; its type says nothing here."""
        name, _ = self.take(), self.take()
        if self.took("["):
            self.take("]")
        return name

    def expression(self) -> Expression:
        value = self.primary()
        while self.took("."):
            value = _property(value, self.take())
        if not self.took("?"):
            return value
        yes = self.expression()
        self.take(":")
        no = self.expression()
        return lambda names: yes(names) if value(names) else no(names)

    def primary(self) -> Expression:
        token = self.take()
        if token.startswith("'"):
            return _text(token[1:-1])
        if token == "{":
            return self.block()
        if token == "[":
            items = self.until("]")
            return lambda names: [item(names) for item in items]
        if token.isdigit() or token in ("true", "false"):
            constant = int(token) if token.isdigit() else token == "true"
            return lambda names: constant
        if not token.isidentifier():
            raise SyntaxError(f"a value expected, not {token!r}")
        if self.took("=>"):
            body = self.expression()
            return lambda names: lambda value: body({**names, token: value})
        if self.took("("):
            arguments = self.until(")")
            return lambda names: FUNCTIONS[token](*(argument(names) for argument in arguments))
        return lambda names: names[token]

    def until(self, end: str) -> list[Expression]:
        items = []
        while not self.took(end):
            items.append(self.expression())
            self.took(",")
        return items

    def block(self) -> Expression:
        entries = {}
        while not self.took("}"):
            name = self.take().strip("'")
            self.take(":")
            entries[name] = self.expression()
        return lambda names: {name: value(names) for name, value in entries.items()}


def _property(value: Expression, name: str) -> Expression:
    return lambda names: value(names)[name]


def _text(raw: str) -> Expression:
    pieces = _INSERTED.split(raw)
    inserted = [_Reader(piece).expression() for piece in pieces[1::2]]

    def text(names: Names) -> str:
        values = [str(one(names)) for one in inserted]
        return "".join(
            word for pair in zip(pieces[::2], [*values, ""], strict=True) for word in pair
        )

    return text
