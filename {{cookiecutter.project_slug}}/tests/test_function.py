"""Fivetran's rules, put to this folder's function with sample.toml as its upstream."""

from harness.testing import FunctionConformance


class TestFunction(FunctionConformance):
    """One test per rule; `pytest --verbose` lists them."""
