"""The layout of the runtime: which module may import which, who reads settings, and how long."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import connector
import pytest

ROOT = Path(connector.__file__).parent
MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}
# From the top down: a module imports from its own room or from one that stands after it.
ROOMS = [
    {"connector", "testing"},
    {"azure"},
    {"sync"},
    {"http"},
    {"source", "step", "response", "auth"},
    {"cursors", "times", "codec", "urls", "secrets", "log", "budget"},
    {"errors", "clock"},
]
SETTINGS = {"connector.budget", "connector.secrets", "connector.http.transport", "connector.urls"}


def room(name: str) -> int:
    part = name.split(".")[1] if "." in name else name
    (found,) = [index for index, names in enumerate(ROOMS) if part in names]
    return found


def imports(tree: ast.Module) -> Iterator[str]:
    """The modules that a module imports, for type hints too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module or ""


GRAPH = {name: {each for each in imports(tree) if each in MODULES} for name, tree in TREES.items()}


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_one_way(name: str) -> None:
    """azure -> sync -> http -> declarations -> values -> errors, clock."""
    upward = [other for other in GRAPH[name] if room(other) < room(name)]
    assert upward == []


def test_there_is_no_circle() -> None:
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way, name])
        if name not in done:
            for other in GRAPH[name]:
                visit(other, (*way, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())


@pytest.mark.parametrize("name", MODULES)
def test_azure_settings_and_the_harness_are_used_where_they_belong(name: str) -> None:
    imported = set(imports(TREES[name]))
    assert ("azure.functions" in imported) == (name == "connector.azure")
    assert not any(each.split(".")[0] in ("harness", "fetch", "tests") for each in imported)
    reads = any(
        isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
        for node in ast.walk(TREES[name])
    )
    assert not reads or name in SETTINGS


@pytest.mark.parametrize("name", MODULES)
def test_a_module_can_be_read_in_one_sitting(name: str) -> None:
    """At most 400 lines, a docstring first, and no Jinja: it is linted as plain Python."""
    text = MODULES[name].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(TREES[name]) and text.startswith('"""')
    assert not re.search(r"\{\{-? *cookiecutter|\{%-? ", text)
