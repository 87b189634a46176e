"""The JSON Schemas: sound themselves, tied to the rules, and as strict as the way round them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from harness.connection import Connection
from harness.protocol import request
from harness.rules import RULES
from harness.structure import FOLDER, faults, is_sound, validator
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

# Keywords that can be broken by themselves.
ASSERTIONS = {"type", "required", "minLength", "pattern", "minItems", "maxItems", "const", "enum"}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=5,
)
entities = st.sampled_from(["t", "u"])
records = st.lists(st.dictionaries(st.sampled_from("ab"), values, max_size=2), max_size=3)
keys = st.fixed_dictionaries({"primary_key": st.lists(st.sampled_from(["id", ""]), max_size=2)})
fields = {
    "state": st.dictionaries(entities, values) | values,
    "hasMore": st.booleans() | values,
    "insert": st.dictionaries(entities, records | values) | values,
    "delete": st.dictionaries(entities, records | values) | values,
    "schema": st.dictionaries(entities, keys | values) | values,
    "softDelete": st.lists(entities | values) | values,
}
others = {"errorMessage": values, "errorType": values, "stackTrace": values, "has_more": values}


def parts(schema: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every subschema that is applied and can be broken."""
    if isinstance(schema, dict):
        if ASSERTIONS & schema.keys():
            yield path, schema
        for name, inner in schema.items():
            # What stands under these decides and breaks nothing.
            if name not in ("if", "not", "says"):
                yield from parts(inner, f"{path}/{name}")
    elif isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from parts(inner, f"{path}/{index}")


def load(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["request", "reply"])
def test_it_is_a_sound_schema(name: str) -> None:
    Draft202012Validator.check_schema(load(name))


def test_every_part_that_can_be_broken_names_its_rule() -> None:
    found = dict(parts(load("reply")))
    assert len(found) > 15
    assert [path for path, part in found.items() if part.get("rule") not in RULES] == []


@given(st.fixed_dictionaries({}, optional={**fields, **others}))
@settings(max_examples=200, deadline=None)
def test_what_passes_at_first_sight_passes_the_schema(data: dict[str, Any]) -> None:
    errors = [error.message for error in validator("reply").iter_errors(data)]
    if is_sound(data):
        assert not errors
    else:
        assert errors or others.keys() & data.keys()


@given(st.fixed_dictionaries({}, optional={**fields, **others}))
@settings(max_examples=200, deadline=None)
def test_any_reply_is_judged_and_what_the_schema_refuses_is_a_fault(data: dict[str, Any]) -> None:
    refused = not validator("reply").is_valid(data)
    shapes = [fault for fault in faults(data) if fault.rule != "delete-without-schema"]
    assert bool(shapes) == refused


@pytest.mark.parametrize("sync_id", ["setup-test", "5a1e3d2c-0f4b-4f0e-9d6a-0c1b2a394857", None])
@pytest.mark.parametrize("setup_test", [True, False])
def test_every_request_of_the_harness_is_valid(sync_id: str | None, setup_test: bool) -> None:
    connection = Connection("acme", {"apiToken": "x"}, {"region": "eu"})
    body = json.loads(request(connection, {"t": 1}, sync_id=sync_id, setup_test=setup_test))
    assert validator("request").is_valid(body)
    assert not validator("request").is_valid({**body, "sync_id": "7"})
    assert not validator("request").is_valid({**body, "setup_test": False})
