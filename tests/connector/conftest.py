"""The clock of the runtime's tests: it stands still until somebody sleeps or advances it."""

import pytest
from connector import auth, testing

from .faults import Faults
from .scripted import START


@pytest.fixture
def clock():
    """Nothing sleeps, and a call takes the time that the test lets pass."""
    with testing.held_clock(START) as held:
        yield held


@pytest.fixture
def server():
    """A real upstream. Ports are used again: a token of another test's server is forgotten."""
    auth._slots.clear()
    with Faults() as faults:
        yield faults


@pytest.fixture
def page_by_page(monkeypatch):
    """Every call delivers one page."""
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "1")


@pytest.fixture(params=["one call", "page by page"])
def packed(request, monkeypatch):
    """The test runs twice: a call delivers all that there is, or one page."""
    if request.param == "page by page":
        monkeypatch.setenv("CONNECTOR_CALL_BYTES", "1")
