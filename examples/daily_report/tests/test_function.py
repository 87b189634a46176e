"""Tests this folder's function against Fivetran's rules, with tests/upstream.py as its upstream."""

from harness.testing import FunctionConformance


class TestFunction(FunctionConformance):
    """One test per rule; `pytest --verbose` lists them."""
