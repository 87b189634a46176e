"""The clock of the runtime's tests: it stands still until somebody sleeps or advances it."""

from collections.abc import Iterator

import pytest
from connector import testing

from .scripted import START


@pytest.fixture
def clock() -> Iterator[testing.HeldClock]:
    """Nothing sleeps, and a call takes the time that the test lets pass."""
    with testing.held_clock(START) as held:
        yield held


@pytest.fixture
def page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call delivers one page."""
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "1")
