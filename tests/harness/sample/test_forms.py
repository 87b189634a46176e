"""Moments are written as the example is, and read in any form."""

import pytest
from harness.sample.forms import Form
from hypothesis import given
from hypothesis import strategies as st

EXAMPLES = [
    "2026-01-05T08:30:00Z",
    "2026-01-05T08:30:00.125Z",
    "2026-01-05T08:30:00,125000+02:00",
    "2026-01-05 08:30:00",
    "2026-01-05 08:30:00 UTC",
    "2026-01-05T08:30-0330",
    "2026-01-05T08:30:00+02",
    "2026-01-05",
    1_767_601_800,
    1_767_601_800_125,
    "1767601800.125",
    "1767601800",
    42,
]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_the_example_is_written_as_it_was(example):
    form = Form(example)
    assert form.write(form.first) == example


@given(example=st.sampled_from(EXAMPLES), steps=st.integers(0, 10**6))
def test_what_was_written_is_read_again(example, steps):
    form = Form(example)
    assert form.read(str(form.write(form.first + steps))) == form.first + steps


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e != 42], ids=str)
def test_now_is_not_written_as_a_later_moment(example):
    form = Form(example)
    now = 1_790_000_000_123_456_789
    step = form.at(now)
    assert step * form.nanoseconds <= now < (step + 1) * form.nanoseconds


def test_a_moment_between_two_steps_is_read_as_the_later():
    form = Form("2026-01-05T08:30:00Z")
    assert form.write(form.read("2026-01-05T08:30:00.001Z")) == "2026-01-05T08:30:01Z"
    assert form.write(form.read("2026-01-05T10:30:00+02:00")) == "2026-01-05T08:30:00Z"


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2026-01-05T25:00", "1e9", "nan"])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(ValueError):
        Form("2026-01-05").read(text)
