"""Secrets are found by value, in every spelling."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from harness.redact import Redactor

SECRET = 'pä"ss w/ö<r>d&+'


@pytest.mark.parametrize(
    "spelt",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        repr(SECRET)[1:-1],
    ],
)
def test_every_spelling_is_hidden(spelt: str) -> None:
    clean = Redactor([SECRET]).text(f"before {spelt} after")
    assert clean.replace("=", "") == "before [secret] after"


def test_a_secret_inside_a_longer_one_leaves_nothing_of_it() -> None:
    assert Redactor(["abcdef", "abcdef-ghijkl"]).text("abcdef-ghijkl") == "[secret]"


def test_short_values_are_left_alone() -> None:
    assert Redactor(["eu"]).text("neutral") == "neutral"


def test_json_stays_json() -> None:
    value = {"123456": [123456, 1234567, True, None], "x": {"y": "a 123456 b"}}
    assert Redactor(["123456"]).value(value) == {
        "[secret]": ["[secret]", "[secret]7", True, None],
        "x": {"y": "a [secret] b"},
    }
