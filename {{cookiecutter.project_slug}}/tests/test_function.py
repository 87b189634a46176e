"""Fivetran's rules, put to this folder's function with sample.toml as its upstream."""

from harness.testing import FunctionConformance


class TestFunction(FunctionConformance):
    """One test per rule; `pytest --verbose` lists them.

    What the suite cannot know is said here: `expected` where fetch.py changes records on purpose,
    `sample` where an app of your own stands in for the upstream (see harness/testing.py).
    """
