"""The layout of the runtime: which module may import which, and how long a module may be."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import connector

ROOT = Path(connector.__file__).parent
MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
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
PLACES = {name: index for index, names in enumerate(ROOMS) for name in names}


def imports(path):
    """The modules that a module imports, for type hints too."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


IMPORTED = {name: set(imports(path)) for name, path in MODULES.items()}


def test_imports_go_one_way_and_in_no_circle():
    graph = {name: found & MODULES.keys() for name, found in IMPORTED.items()}
    room = {name: PLACES[name.removeprefix("connector.").split(".")[0]] for name in MODULES}
    pairs = [(name, other) for name, found in graph.items() for other in found]
    assert [(name, other) for name, other in pairs if room[other] < room[name]] == []
    TopologicalSorter(graph).prepare()  # an error where there is a circle
    users = [name for name, found in IMPORTED.items() if "azure.functions" in found]
    assert users == ["connector.azure"]


def test_a_module_has_at_most_400_lines():
    sizes = {name: len(path.read_bytes().splitlines()) for name, path in MODULES.items()}
    assert {name: size for name, size in sizes.items() if size > 400} == {}
