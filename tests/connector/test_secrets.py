"""How secrets are found and masked in texts, and what they block."""

import base64
import json
import re
from urllib.parse import quote

import pytest
from connector.secrets import MASK, WITHHELD, Redactor
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from .leaks import ALL_ENCODINGS, ENCODINGS, leaks

PASSWORD = "made-up/pass+word&ö\"'\\ü"
SECRETS = {
    "plain": "plain-token_1",
    "password": PASSWORD,
    "other scripts": "日本語 ключ\n€😀 日本",
    "quotes": "a'b\"c\\d\\\\e-f",
    "half a pair": "made-\ud83d-up",
    "tilde": "~made~up~*key*[x]=#?$",
}
# Characters that some encoding or other writes differently, beside those of ordinary keys.
CHARACTERS = st.sampled_from("abcXYZ019-_.~") | st.sampled_from(
    "a +%&=?#/\\\"'<>:;@!$()*,[]{}|^`äß€ñ日本語ключ😀🔑\u0301\u2028\t\n\r\x00\x07\x1b\x7f"
)
# Not so plain that they stand in a text by chance.
SECRET = st.text(CHARACTERS, min_size=8, max_size=24).filter(
    lambda text: len(set(text.strip())) >= 5 and len(text.strip()) >= 8
)
AROUND = st.text(CHARACTERS, max_size=40)


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_an_encoding_of_a_secret_is_masked_and_the_text_around_it_stays(secret):
    redactor = Redactor([secret])
    for name, encode in ENCODINGS.items():
        encoded = encode(secret)
        clean = redactor.redact(f"GET /x?a=1: <{encoded}> and\n{encoded}")
        if name in ("base64 in Basic", "base64 in text"):
            # Only the digits that the secret decides are masked; what is left says nothing of it.
            assert re.fullmatch(r"GET /x\?a=1: <.{0,7}\[secret].{0,6}> and\n.+", clean)
        else:
            assert clean == f"GET /x?a=1: <{MASK}> and\n{MASK}", name
        assert not leaks(clean, [secret])


@settings(max_examples=200, deadline=None)
@given(SECRET, AROUND, AROUND, st.sampled_from([*ENCODINGS.values()]))
def test_no_surroundings_show_it(secret, before, after, encode):
    redactor = Redactor([secret])
    for text in (encode(before + secret + after), f"{before}|{encode(secret)}|{after}"):
        clean = redactor.redact(text)
        assert (MASK in clean or clean == WITHHELD) and not leaks(clean, [secret])
    text, secrets = encode(before + after), (secret, secret.strip())
    assume(not leaks(text, secrets))
    # What leaves "%" as it is cannot be decoded.
    assume(not any(ENCODINGS["as requests"](each) in text for each in secrets))
    assert redactor.redact(text) == redactor.shorten(text, 10_000) == text
    assert not redactor.blocks([text, {text: [text]}])


@pytest.mark.parametrize("outer", ALL_ENCODINGS)
def test_what_was_encoded_twice_is_not_shown_and_not_stored(outer):
    for secret in (PASSWORD, SECRETS["plain"], SECRETS["other scripts"]):
        redactor = Redactor([secret])
        for inner in ALL_ENCODINGS.values():
            text = ALL_ENCODINGS[outer](f"<{inner(f'a {secret} b')}>")
            clean = redactor.redact(f"200 OK {text}, and more")
            assert clean == WITHHELD or MASK in clean
            assert not leaks(clean, [secret])
            assert redactor.blocks({"next": text})


MISREAD = PASSWORD.encode().decode("latin-1")  # as a response header that repeats it is read
OVERLAPPING = ["AAAAAABBBBBB", "BBBBBBCCCCCC", "CCCCCCDDDDDD", "made-up", "made-up-1", "xyxyxyx"]
ODD = "&#99999999999999;&#xffffffff;\\uD800\\U99999999\\x%zz%ff&;\\ =="
MASKED = [
    ([PASSWORD], f"{MISREAD} {json.dumps(MISREAD)}", f'{MASK} "{MASK}"'),
    (["  made-up-token \n"], "<made-up-token> <  made-up-token \n>", f"<{MASK}> <{MASK}>"),
    (
        ["abcde", "", " abc  ", " \n  "],
        "abcde in a text of    space",
        "abcde in a text of    space",
    ),
    (OVERLAPPING, "<AAAAAABBBBBBCCCCCC AAAAAABBBBBB>", f"<{MASK} {MASK}>"),
    (OVERLAPPING, "xyxyxyxyxyx", MASK),
    (OVERLAPPING, "a made-up-1 b made-up c", f"a {MASK} b {MASK} c"),
    # What decodes to no secret, or not at all; a part of the mask is not found in it.
    (["secret"], "secret made-up%20x&amp;\\n", f"{MASK} made-up%20x&amp;\\n"),
    ([PASSWORD], ODD, ODD),
]


@pytest.mark.parametrize("secrets, text, clean", MASKED)
def test_a_text_is_masked_and_nowhere_else(secrets, text, clean):
    assert Redactor(secrets).redact(text) == Redactor(secrets[::-1]).redact(text) == clean


@pytest.mark.parametrize("secret", [SECRETS["plain"], PASSWORD])
def test_no_part_of_a_secret_is_left_where_a_text_is_cut(secret):
    redactor = Redactor([secret])
    for encode in ENCODINGS.values():
        encoded = encode(secret)
        for before in range(98 - len(encoded), 103):
            text = f"{'.' * before}{encoded}{'.' * 50}{encoded}"
            shown = redactor.shorten(text, 100)
            assert len(shown) <= 100 and redactor.redact(text).startswith(shown)
            twice = "." * before + ENCODINGS["json"](ENCODINGS["quote all"](encoded))
            assert not leaks(redactor.shorten(f"{twice}...", 100), [secret[:9]])


KINDS = {
    "long": "made-up/token+1",
    "passing": "made-up-signed",
    "short": "p4ss+w",
    "number": "123456789012",
    "identifying": "the-client-id",
}
# Where a value stands in a token: as a whole part of it, or inside something longer.
WHOLE = {
    "text": lambda value: value,
    "in a list": lambda value: [1, None, {"deep": [value]}],
    "name in an object": lambda value: {value: 1},
    "parameter": lambda value: f"https://a.example/x?a=1&k={quote(value, '')}&b=2",
    "only parameter": lambda value: f"/x?k={quote(value, '')}#top",
    "path segment": lambda value: f"https://a.example/v1/{quote(value, '')}/x?a=1",
    "text in JSON": lambda value: json.dumps({"after": value, "n": 1}),
    "in base64": lambda value: base64.b64encode(value.encode()).decode(),
}
INSIDE = {
    "in a word": lambda value: f"x{value}x",
    "in a path segment": lambda value: f"/v1/9{quote(value, '')}9/x",
    "in a sentence": lambda value: ["after", f"after {value} comes more"],
    "in base64 of more": lambda value: base64.b64encode(f"x{value}x".encode()).decode(),
}


@pytest.mark.parametrize("place", [*WHOLE, *INSIDE])
@pytest.mark.parametrize("kind", KINDS)
def test_a_token_is_blocked_by_the_secrets_that_its_rule_names(kind, place):
    """By a long secret anywhere, a short or numeric one as a whole, an identifying one nowhere."""
    secret, make, redactor = KINDS[kind], (WHOLE | INSIDE)[place], Redactor()
    if kind == "passing":
        redactor.add_passing(secret)
    else:
        redactor.add(secret, identifying=kind == "identifying")
    blocked = kind in ("long", "passing") or (kind in ("short", "number") and place in WHOLE)
    assert redactor.blocks(make(secret)) == blocked
    assert not redactor.blocks(make("harmless-text"))
