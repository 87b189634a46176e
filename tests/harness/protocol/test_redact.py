"""Secrets are found by value, raw and escaped."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from harness import codec
from harness.redact import Redactor
from hypothesis import example, given
from hypothesis import strategies as st

SECRET = 'pä"ss w/ö\\r>d&+'


JSON = json.dumps(SECRET)[1:-1]


@pytest.mark.parametrize(
    "escaped",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        quote(quote(SECRET)),
        JSON,
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        JSON.replace("&", r"\u0026").replace(">", r"\u003E"),
        JSON.replace("/", r"\/"),
        json.dumps(JSON)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_every_form_is_masked_and_found(escaped):
    redactor = Redactor([SECRET])
    assert redactor.text(f"before {escaped} after").replace("=", "") == "before [secret] after"
    # A reply escapes it once more.
    assert redactor.finds(codec.encode({"state": {"x": f"before {escaped} after"}}))
    assert redactor.finds(f"before {escaped} after")
    assert not Redactor(["another-" + SECRET]).finds(codec.encode({"x": escaped}))


@given(st.text(min_size=6), st.binary(max_size=5), st.binary(max_size=5), st.booleans())
@example("??>>??~~", b"b", b"", True)
def test_no_byte_of_a_secret_is_left_of_base64(secret, before, after, urls):
    encode = base64.urlsafe_b64encode if urls else base64.b64encode
    encoded = encode(before + secret.encode() + after).decode()
    clean = Redactor([secret]).text(f"Basic {encoded}")
    assert "[secret]" in clean
    assert len(clean) - len("Basic [secret]") <= (len(before) + len(after)) * 4 / 3 + 3
    assert Redactor([secret]).finds(codec.encode({"x": encoded}))


def test_a_secret_inside_a_longer_one_leaves_nothing_of_it():
    assert Redactor(["abcdef", "abcdef-ghijkl"]).text("abcdef-ghijkl") == "[secret]"


def test_short_values_are_left_alone():
    redactor = Redactor(["eu", ""])
    assert redactor.text("neutral") == "neutral"
    assert not redactor.finds("neutral")
    assert "eu" not in repr(redactor)
