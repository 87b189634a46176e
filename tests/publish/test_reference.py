"""docs/fetch.md says what the code has: each name, parameter, default and setting."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import connector
import msgspec
import pytest
from connector import Fetch, Response, Source, budget, testing
from connector.http import client, transport
from connector.sync import bounds
from publish.conftest import GENERATED
from publish.pages import PAGE, fenced, named, sections, table

INTERNAL = {"response.of", "response.start"}  # public to the rest of the runtime, not to a step
MADE_BY_THE_RUNTIME = ("Fetch", "Response")
HELPERS = ("call_step", "Reply", "held_clock")


def shown() -> dict[str, list[tuple[str, str, Any]]]:
    """Each signature of the page: name, kind and default of its parameters."""
    text = "\n".join(fenced(PAGE, "text"))
    found = {}
    for head, inside in re.findall(r"^([\w.]+)\(((?:[^()]|\([^()]*\))*)\)$", text, re.M):
        names: dict[str, Any] = {}
        exec(f"def f({inside}): ...", names)
        found[head] = parameters(names["f"])
    return found


def callables() -> dict[str, Callable[..., Any]]:
    """Everything that the user may call, by the words of the page."""
    found: dict[str, Callable[..., Any]] = {
        name: getattr(connector, name)
        for name in connector.__all__
        if name not in MADE_BY_THE_RUNTIME
    }
    for word, kind in (("source", Source), ("fetch", Fetch), ("response", Response)):
        for name, item in vars(kind).items():
            call = item.__func__ if isinstance(item, classmethod) else item
            if inspect.isfunction(call) and not name.startswith("_"):
                found[f"{word}.{name}"] = call
    found |= {name: getattr(testing, name) for name in HELPERS}
    return {name: call for name, call in found.items() if name not in INTERNAL}


def parameters(call: Callable[..., Any]) -> list[tuple[str, str, Any]]:
    """Name, kind and default of a callable's parameters; `...` for a default of the runtime's."""
    made = {
        item.name: item.default_factory()
        for item in (fields(call) if is_dataclass(call) else ())
        if item.default_factory is not MISSING
    }
    found = []
    for item in inspect.signature(call).parameters.values():
        if item.name != "self" and not item.name.startswith("_"):
            default = made.get(item.name, item.default)
            internal = type(default) is object or default is msgspec.UNSET
            found.append((item.name, item.kind.name, ... if internal else default))
    return found


def test_every_public_name_is_on_the_page() -> None:
    """In a heading, a signature or a table, and no signature is of something else."""
    assert set(connector.__all__) <= {*shown(), *named(PAGE), *sections(PAGE)}
    assert shown().keys() == callables().keys()


@pytest.mark.parametrize("name", sorted(callables()))
def test_a_signature_is_that_of_the_code(name: str) -> None:
    assert shown()[name] == parameters(callables()[name])


@pytest.mark.parametrize(
    ("heading", "beside"),
    [
        ("Source", set()),
        ("source.entity", set()),
        ("Fetch", {name for name in Fetch.__struct_fields__ if not name.startswith("_")}),
        ("Response", {"rows", "value", "link", "json"}),
        ("Page", set()),
        ("Auth", set()),
        ("Payload", set()),
        (
            "Errors that a step may raise",
            {"RetryLater", "TokenExpired", "StartOver", "UpstreamError", "ConnectorError"},
        ),
        ("connector.testing", {"StepPage", "Sent", "held_clock", "HeldClock"}),
    ],
)
def test_a_section_explains_each_name_and_no_other(heading: str, beside: set[str]) -> None:
    """Parameters of its signatures, and the names that it is about, once each."""
    text = sections(PAGE)[heading]
    own = [head for head in shown() if f"\n{head}(" in text]
    taken = {name for head in own for name, _, _ in shown()[head]}
    assert sorted(named(text)) == sorted(taken | beside)


def test_app_settings_are_those_that_the_code_reads() -> None:
    """A row for each, and none for another; the limits are the runtime's."""
    code = "".join(path.read_text("utf-8") for path in GENERATED.glob("connector/**/*.py"))
    read = set(re.findall(r'"(CONNECTOR_\w+|UPSTREAM_\w+)"', code))
    rows = {row[0].strip("`"): row for row in table(sections(PAGE)["App settings"])}
    assert rows.keys() - {"the name of a secret"} == read
    assert f"at most {budget.LONGEST_CALL:.0f}" in rows["CONNECTOR_CALL_SECONDS"][2]


def test_numbers_are_those_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONNECTOR_CALL_SECONDS", raising=False)
    errors = (GENERATED / "docs" / "errors.md").read_text(encoding="utf-8")
    assert client.ATTEMPTS == 5 and "five attempts" in PAGE and "five attempts" in errors
    assert f"{transport.LARGEST_BODY // 2**20} MiB" in PAGE
    assert bounds.LOOKBACK.total_seconds() == 300 and "five minutes" in PAGE
    assert f"| `CONNECTOR_CALL_SECONDS` | {budget.Budget.from_settings().seconds:.0f} |" in PAGE
