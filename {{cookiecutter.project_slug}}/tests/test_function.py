"""Tests this folder's function against Fivetran's rules, with the API of sample.toml."""

from harness.testing import FunctionConformance


class TestFunction(FunctionConformance):
    """One test per rule; `pytest --verbose` lists them.

    If fetch.py changes records on purpose, override `expected` to return the changed record:

        def expected(self, entity, record):
            return {**record, "amount": str(record["amount"])}
    """
