"""`fetch.since_as`: the lower bound in the form that the upstream takes."""

from typing import Any

import pytest
from connector import Page
from connector.errors import StepError
from connector.testing import call_step

from .scripted import source


def since_as(since: Any, form: str, **options: Any) -> Any:
    """What a step gets that asks for its lower bound in this form."""
    declare = source().entity("thing", primary_key=["id"], cursor="at", **options)
    step = declare(lambda fetch: Page([{"is": fetch.since_as(form)}]))
    (row,) = call_step(step, {}, since=since).rows
    return row["is"]


@pytest.mark.parametrize(
    ("since", "options", "form", "value"),
    [
        ("2025-12-31T20:00:00.25Z", {}, "iso", "2025-12-31T20:00:00.25Z"),
        ("2025-12-31T20:00:00.75Z", {}, "epoch", 1767211200),
        ("2025-12-31T20:00:00.75Z", {}, "epoch_ms", 1767211200750),
        ("2026-11-27T18:36:47.000-0800", {}, "%Y/%m/%d %H:%M", "2026/11/27 18:36"),
        (1767211200750, {"cursor_type": "epoch_ms"}, "epoch", 1767211200),
        ("2025-12-31T20:00:00", {"timezone": "America/Denver"}, "epoch", 1767236400),
        ("31.12.2025", {"cursor_type": "%d.%m.%Y", "timezone": "Asia/Tokyo"}, "%b %d", "Dec 31"),
        (None, {}, "iso", None),
    ],
)
def test_since_can_be_had_in_another_form(since: Any, options: Any, form: str, value: Any) -> None:
    found = since_as(since, form, **options)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("since", "options", "text"),
    [
        ("event-17", {"cursor_type": "text"}, "'event-17', which is not an instant"),
        (17, {"cursor_type": "sequence"}, "17, which is not an instant"),
        ("2025-12-31T20:00:00", {}, "timezone="),
    ],
)
def test_since_that_has_no_other_form_is_an_error(since: Any, options: Any, text: str) -> None:
    with pytest.raises(StepError, match=rf"since_as\('epoch'\).*{text}"):
        since_as(since, "epoch", **options)
