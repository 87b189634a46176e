"""Secrets are found by value, in every spelling."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from harness.protocol import encode
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
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        repr(SECRET)[1:-1],
        repr(SECRET.encode())[2:-1],
        html.escape(SECRET),
        html.escape(SECRET, quote=False),
        SECRET.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&#34;"),
        html.escape(html.escape(SECRET)),
        quote(quote(SECRET)),
        # Go, PHP and .NET.
        json.dumps(SECRET)[1:-1]
        .replace("&", r"\u0026")
        .replace("<", r"\u003c")
        .replace(">", r"\u003e"),
        json.dumps(SECRET)[1:-1].replace("/", r"\/"),
        SECRET.replace("&", r"\u0026").replace("+", r"\u002B").replace('"', r"\u0022"),
        # A JSON text in a JSON text in a JSON text.
        json.dumps(json.dumps(json.dumps(SECRET)[1:-1])[1:-1])[1:-1],
    ],
)
def test_every_spelling_is_hidden_and_found(spelt: str) -> None:
    redactor = Redactor([SECRET])
    assert redactor.text(f"before {spelt} after").replace("=", "") == "before [secret] after"
    # Also where the text stands in a reply, which escapes it once more.
    assert redactor.finds_in(encode({"state": {"x": f"before {spelt} after"}}))
    assert not Redactor(["another-" + SECRET]).finds_in(encode({"x": spelt}))


@pytest.mark.parametrize("before", ["", "b", "bo", "bob", "bob:", "a user of a long name:"])
@pytest.mark.parametrize("after", ["", ":", "::", ":::"])
@pytest.mark.parametrize("secret", [SECRET, "a-plain-token", "??>>??~~", "123456"])
def test_base64_of_a_text_around_it_is_hidden_and_found(
    before: str, after: str, secret: str
) -> None:
    redactor = Redactor([secret])
    text = f"{before}{secret}{after}".encode()
    for encoded in (base64.b64encode(text).decode(), base64.urlsafe_b64encode(text).decode()):
        clean = redactor.text(f"Basic {encoded}")
        assert "[secret]" in clean
        # What is left shows no byte of it.
        assert len(clean) - len("Basic [secret]") <= (len(before) + len(after)) * 4 / 3 + 3
        assert redactor.finds_in(encode({"x": encoded}))


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
