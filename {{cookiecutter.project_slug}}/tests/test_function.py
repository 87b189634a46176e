"""Tests this folder's function against Fivetran's rules, with sample.toml as its upstream."""

from harness.testing import FunctionConformance


class TestFunction(FunctionConformance):
    """One test per rule; `pytest --verbose` lists them.

    Where fetch.py changes records on purpose, override `expected` and say what it makes of one:

        def expected(self, entity, record):
            return {**record, "amount": str(record["amount"])}
    """
