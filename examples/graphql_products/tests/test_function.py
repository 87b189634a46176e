"""Tests this folder's function against Fivetran's rules, with sample.toml as its upstream."""

from harness.testing import FunctionConformance


class TestFunction(FunctionConformance):
    """One test per rule; `pytest --verbose` lists them."""
