"""How secrets are found and masked in texts, what they block, and where they come from."""

import base64
import json
import re
import tracemalloc
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from connector import secrets as module
from connector.errors import MissingSetting
from connector.secrets import (
    LONGEST_TEXT,
    MASK,
    WITHHELD,
    Redactor,
    Settings,
    payload_of,
    secrets_of,
    texts_in,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from .echoes import ALL_ENCODINGS, ENCODINGS
from .leaks import leaks

PASSWORD = "made-up/pass+word&ö\"'\\ü"
SECRETS = {
    "plain": "plain-token_1",
    "password": PASSWORD,
    "other scripts": "日本語 ключ\n€😀 日本",
    "quotes": "a'b\"c\\d\\\\e-f",
    "apostrophe": "it's\x07made up",
    "percent": "50%25 off & 10%",
    "half a pair": "made-\ud83d-up",
    "tilde": "~made~up~*key*[x]=#?$",
}
Encode = Callable[[str], Any]

# Characters that some encoding or other writes differently, beside those of ordinary keys.
CHARACTERS = st.one_of(
    st.sampled_from("abcXYZ019-_.~"),
    st.sampled_from("abcXYZ019-_.~ +%&=?#/\\\"'<>:;@!$()*,[]{}|^`"),
    st.sampled_from("äöüß€ñ日本語ключ😀🔑\u0301\u2028"),
    st.sampled_from("\t\n\r\x00\x07\x1b\x7f"),
)
# Not so plain that they stand in a text by chance.
secret_texts = st.text(CHARACTERS, min_size=8, max_size=24).filter(
    lambda text: len(set(text.strip())) >= 5 and len(text.strip()) >= 8
)
surroundings = st.text(CHARACTERS, max_size=12)
encodings = st.sampled_from([*ENCODINGS.values()])


# ---- masked in every single encoding, withheld where only decoding shows it


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_an_encoding_of_a_secret_is_masked_and_the_text_around_it_stays(
    secret: str, name: str
) -> None:
    encoded = ENCODINGS[name](secret)
    clean = Redactor([secret]).redact(f"GET /x?a=1: <{encoded}> and\n{encoded}")
    if name in ("base64 in Basic", "base64 in text"):
        # Only the digits that the secret decides are masked; what is left says nothing of it.
        assert re.fullmatch(r"GET /x\?a=1: <.{0,7}\[secret].{0,6}> and\n.+", clean)
    else:
        assert clean == f"GET /x?a=1: <{MASK}> and\n{MASK}"
    assert not leaks(clean, [secret])


@settings(max_examples=400, deadline=None)
@given(secret=secret_texts, before=surroundings, after=surroundings, encode=encodings)
def test_no_encoding_in_any_surroundings_shows_a_secret(
    secret: str, before: str, after: str, encode: Encode
) -> None:
    redactor = Redactor([secret])
    for text in (encode(before + secret + after), f"{before}|{encode(secret)}|{after}"):
        clean = redactor.redact(text)
        assert MASK in clean or clean == WITHHELD
        assert not leaks(clean, [secret])


@settings(max_examples=400, deadline=None)
@given(secret=secret_texts, text=st.text(CHARACTERS, max_size=80), encode=encodings)
def test_a_text_without_a_secret_comes_back_unchanged(
    secret: str, text: str, encode: Encode
) -> None:
    text = encode(text)
    secrets = (secret, secret.strip())
    assume(not leaks(text, secrets))
    # What leaves "%" as it is cannot be decoded.
    assume(not any(ENCODINGS["as requests"](each) in text for each in secrets))
    redactor = Redactor([secret])
    assert redactor.redact(text) == redactor.shorten(text, 10_000) == text
    assert not redactor.finds(text) and not redactor.blocks([text, {text: [text]}])


def test_utf_8_that_was_read_as_latin_1_is_masked() -> None:
    """As a response header that repeats a password is read."""
    misread = PASSWORD.encode().decode("latin-1")
    assert Redactor([PASSWORD]).redact(f"{misread} {json.dumps(misread)}") == f'{MASK} "{MASK}"'


@pytest.mark.parametrize("outer", ALL_ENCODINGS)
@pytest.mark.parametrize("inner", ALL_ENCODINGS)
def test_what_was_encoded_twice_is_not_shown_and_not_stored(inner: str, outer: str) -> None:
    for name in ("password", "plain", "quotes", "other scripts"):
        redactor = Redactor([SECRETS[name]])
        text = ALL_ENCODINGS[outer](f"<{ALL_ENCODINGS[inner](f'a {SECRETS[name]} b')}>")
        clean = redactor.redact(f"200 OK {text}, and more")
        assert clean == WITHHELD or MASK in clean
        assert not leaks(clean, [SECRETS[name]])
        assert redactor.blocks({"next": text})


@pytest.mark.parametrize("name", ["quote all", "json", "html", "repr"])
def test_a_text_that_was_encoded_five_times_is_withheld(name: str) -> None:
    text = f"x {PASSWORD} y"
    for _ in range(5):
        text = ENCODINGS[name](text)
    assert Redactor([PASSWORD]).redact(f"see: {text}") == WITHHELD


@pytest.mark.parametrize("end", ["\n", "\r\n", "\\n", "\\\\n", " ", "\n    ", "%0D%0A"])
@pytest.mark.parametrize("secret", [SECRETS["plain"], PASSWORD, "A1b2C3d4E5f6G7h8-" * 50])
def test_base64_in_lines_is_not_shown_wherever_the_lines_break(secret: str, end: str) -> None:
    for before in range(0, 76, 5):
        digits = base64.b64encode(f"{'-' * before}{secret}{'=' * 40}".encode()).decode()
        text = end.join(digits[at : at + 76] for at in range(0, len(digits), 76))
        clean = Redactor([secret]).redact(text)
        # Digits that stand in one line are masked.
        masked = len(text) + len(MASK) - len(clean)
        assert clean == WITHHELD or (MASK in clean and masked >= len(secret.encode()) * 4 // 3 - 3)


def test_a_secret_inside_another_one_does_not_hide_that_from_the_decoding() -> None:
    inner, outer = "abcdef", "abcdef/secret-key/x"
    for values in ([inner, outer], [outer, inner]):
        assert Redactor(values).redact(f"at {quote(quote(outer, ''), '')} in {inner}") == WITHHELD
    assert Redactor([inner, outer]).redact(f"%2525 {inner} x") == f"%2525 {MASK} x"


@pytest.mark.parametrize(
    "text",
    ["made-up%20x&amp;\\n", "&#99999999999999;&#xffffffff;\\uD800\\U99999999\\x%zz%ff&;\\", "=="],
)
def test_a_text_that_decodes_to_no_secret_or_not_at_all_is_left_alone(text: str) -> None:
    redactor = Redactor([PASSWORD, "secret"])  # a part of the mask must not be found in it
    assert redactor.redact(f"{PASSWORD} {text}") == f"{MASK} {text}"


# ---- several secrets, short ones, passing ones


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("AAAAAABBBBBBCCCCCC", "[secret]"),
        ("<AAAAAABBBBBBCCCCCC AAAAAABBBBBB>", "<[secret] [secret]>"),
        ("AAAAAABBBBBBAAAAAABBBBBB", "[secret][secret]"),
        ("AAAAAABBBBBBCCCCCCDDDDDD", "[secret]"),
        ("AAAAAAxBBBBBBCCCCCCx", "AAAAAAx[secret]x"),
        ("xyxyxyxyxyx", "[secret]"),
        ("a made-up-token-1 b made-up c", "a [secret] b [secret] c"),
    ],
)
def test_of_secrets_that_overlap_nothing_is_left(text: str, clean: str) -> None:
    values = [
        "AAAAAABBBBBB",
        "BBBBBBCCCCCC",
        "CCCCCCDDDDDD",
        "made-up",
        "made-up-token-1",
        "xyxyxyx",
    ]
    for order in (values, values[::-1]):
        assert Redactor(order).redact(text) == clean


def test_values_under_six_characters_are_left_alone() -> None:
    redactor = Redactor(["abcde", "", " abc  ", "   \n    "])
    assert redactor.redact("abcde in a text of       space") == "abcde in a text of       space"
    assert not redactor.finds("abcde") and not redactor.blocks("abcde")


def test_a_secret_counts_with_and_without_the_space_around_it() -> None:
    redactor = Redactor(["  made-up-token \n"])
    assert redactor.redact("<made-up-token>") == "<[secret]>"
    assert redactor.redact("<  made-up-token \n>") == "<[secret]>"


def test_what_auth_makes_anew_for_each_request_counts_for_the_latest_forty() -> None:
    redactor = Redactor(["made-up-token-1"])
    for number in range(200):
        redactor.add_passing(f"made-up-signature-{number}-end", "made-up-for-all", "short")
        assert redactor.finds("made-up-for-all")
    table = redactor.table
    redactor.add_passing("made-up-for-all")
    assert redactor.table is table, "a table was built for nothing"
    found = [number for number in range(200) if redactor.finds(f"made-up-signature-{number}-end")]
    assert found == [*range(161, 200)]
    assert redactor.finds("made-up-token-1")
    assert redactor.redact("made-up-signature-199-end short") == f"{MASK} short"


# ---- long texts


@pytest.mark.parametrize("secret", [SECRETS["plain"], PASSWORD])
def test_no_part_of_a_secret_is_left_where_a_text_is_cut(secret: str) -> None:
    redactor = Redactor([secret])
    for encode in ENCODINGS.values():
        encoded = encode(secret)
        for before in range(98 - len(encoded), 103):
            text = f"{'.' * before}{encoded}{'.' * 50}{encoded}"
            shown = redactor.shorten(text, 100)
            assert len(shown) <= 100 and redactor.redact(text).startswith(shown)
            twice = "." * before + ENCODINGS["json"](ENCODINGS["quote all"](encoded))
            assert not leaks(redactor.shorten(f"{twice}...", 100), [secret[:9]])


class _Long(str):
    """Says that it has 30 million characters, and gives out only slices of its start."""

    def __len__(self) -> int:
        return 30_000_000

    def __getitem__(self, part: Any) -> str:
        assert part.start in (None, 0) and 0 <= part.stop < 100_000
        return "made-up %25 &lt;\\" * (part.stop // 16)

    def __iter__(self) -> Any:
        raise AssertionError("all of a long text was looked at")

    __contains__ = find = translate = encode = split = replace = __iter__  # type: ignore[assignment]


def test_of_a_long_text_only_the_start_is_looked_at() -> None:
    redactor = Redactor([PASSWORD, "abcdef"])
    assert redactor.shorten(_Long(), 200) == ("made-up %25 &lt;\\" * 20)[:200]
    clean = redactor.redact(_Long())
    assert len(clean) == LONGEST_TEXT and clean.endswith("… (cut, 30000000 characters)")
    assert len(redactor.redact("abcdef" * 1_000_000)) == LONGEST_TEXT
    assert redactor.redact("abcdef" * 5_000) == MASK * 5_000
    assert 200 + len(quote(PASSWORD)) < redactor.window(200) < 2000
    unprotected = "x%20%2525&amp;\\\\n" * 100_000
    assert Redactor().redact(unprotected) is unprotected


HOSTILE = {
    "backslashes": "\\" * 6_000,
    "percent": "%25" * 20_000,
    "percent forty times": f"%{'25' * 40}" * 800,
    "entities": "&amp;" * 13_000,
    "open entities": "&" * 65_000,
    "escapes": "\\u005c" * 11_000,
    "angles": "<" * 65_000,
    "base64 of base64": "V" * 65_000,
    "short runs": "AAAAAAAAA " * 6_500,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_decoding_takes_a_fixed_number_of_passes_and_little_memory(text: str) -> None:
    decodings = list(module._decodings(text, 7))
    assert len(decodings) <= 20 and sum(map(len, decodings)) <= 25 * len(text)
    redactor = Redactor([text[:60], text[:60] + "z", PASSWORD, "\ufffdé" * 20])
    tracemalloc.start()
    try:
        redactor.redact(text)
        redactor.in_header(text)
        redactor.blocks([text] * 100)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_of_a_token_of_megabytes_only_the_start_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    monkeypatch.setattr(module, "_decodings", lambda text, _: lengths.append(len(text)) or iter(()))
    assert not Redactor([PASSWORD]).blocks(["%25" * 1_000_000])
    assert lengths == [2 * LONGEST_TEXT]


# ---- what must not be stored or sent elsewhere, and what may


KINDS = {
    "long": "made-up/token+1",
    "passing": "made-up-signed",
    "short": "p4ss+w",
    "number": "123456789012",
    "identifying": "the-client-id",
}
# Where a value stands in a token: as a whole part of it, or inside something longer.
WHOLE: dict[str, Encode] = {
    "text": lambda value: value,
    "in a list": lambda value: [1, None, {"deep": [value]}],
    "name in an object": lambda value: {value: 1},
    "parameter": lambda value: f"https://a.example/x?a=1&k={quote(value, '')}&b=2",
    "only parameter": lambda value: f"/x?k={quote(value, '')}#top",
    "parameter of a form": lambda value: f"k={ENCODINGS['quote_plus'](value)};n=1",
    "path segment": lambda value: f"https://a.example/v1/{quote(value, '')}/x?a=1",
    "last path segment": lambda value: f"/v1/{quote(value, '')}?a=1",
    "text in JSON": lambda value: json.dumps({"after": value, "n": 1}),
    "in base64": lambda value: base64.b64encode(value.encode()).decode(),
}
INSIDE: dict[str, Encode] = {
    "in a word": lambda value: f"x{value}x",
    "in a parameter": lambda value: f"https://a.example/x?k=9{value}9",
    "in a path segment": lambda value: f"/v1/9{quote(value, '')}9/x",
    "in a sentence": lambda value: ["after", f"after {value} comes more"],
    "in base64 of more": lambda value: base64.b64encode(f"x{value}x".encode()).decode(),
}


def _blocks(kind: str, secret: str, token: Any) -> bool:
    redactor = Redactor()
    if kind == "passing":
        redactor.add_passing(secret)
    else:
        redactor.add(secret, identifying=kind == "identifying")
    assert not isinstance(token, str) or redactor.finds(token) == redactor.blocks(token)
    return redactor.blocks(token)


def _should_block(kind: str, place: str) -> bool:
    """A long secret anywhere; a short or numeric one as a whole; one that identifies nowhere."""
    return kind in ("long", "passing") or (kind in ("short", "number") and place in WHOLE)


@pytest.mark.parametrize("place", [*WHOLE, *INSIDE])
@pytest.mark.parametrize("kind", KINDS)
def test_a_token_is_blocked_by_the_secrets_that_its_rule_names(kind: str, place: str) -> None:
    token = (WHOLE | INSIDE)[place](KINDS[kind])
    assert _blocks(kind, KINDS[kind], token) == _should_block(kind, place)
    assert not _blocks(kind, KINDS[kind], (WHOLE | INSIDE)[place]("harmless-text"))


@settings(max_examples=300, deadline=None)
@given(data=st.data(), kind=st.sampled_from([*KINDS]), place=st.sampled_from([*WHOLE, *INSIDE]))
def test_a_token_is_blocked_by_the_same_rule_whatever_the_secret(
    data: st.DataObject, kind: str, place: str
) -> None:
    if kind == "number":
        secret = data.draw(st.from_regex(r"[1-9][0-9]{5,17}", fullmatch=True))
    else:
        size = (6, 11) if kind == "short" else (12, 24)
        alphabet = "abcXYZ789-_~+ö" if place in INSIDE else "abcXYZ789-_~+%&/=ö'"
        secret = data.draw(st.text(alphabet, min_size=size[0], max_size=size[1]))
        assume(len(set(secret)) >= 5 and not re.fullmatch(r"[\d\s.,:+-]+", secret))
    token = (WHOLE | INSIDE)[place](secret)
    assert _blocks(kind, secret, token) == _should_block(kind, place)


@pytest.mark.parametrize(
    "value",
    [
        1234567890,
        "1234567890",
        "2026-01-05T12:34:56.123456Z",
        {"after": 123456, "at": "20261234560000"},
        "https://a.example/items?since=1234567890&page=12345&per_page=1234567",
        "id 123-456-7890-1234",
        *(123456, -123456.0, None, True, [], {}, ""),
        "pages of p4ss+words",
    ],
)
def test_what_is_not_a_secret_stops_nothing(value: Any) -> None:
    values = ["made-up/token+1", "p4ss+w", "123456", "2026-01-05", "123-456-7890", "true"]
    assert not Redactor(values).blocks(value)


def test_what_auth_put_on_the_wire_does_not_block_where_it_identifies() -> None:
    redactor = Redactor()
    redactor.add("the-client-id", identifying=True)
    redactor.add_passing("the-client-id", "acme-1")
    assert redactor.blocks("?account=acme-1") and not redactor.blocks("the-client-id")
    assert redactor.redact("the-client-id acme-12") == f"{MASK} {MASK}2"
    redactor.add("the-client-id")
    assert redactor.blocks("the-client-id")


def test_in_a_header_a_short_secret_counts_as_a_word() -> None:
    redactor = Redactor(["abc", "a/!", "p4ss+w", "made-up-token-1"])
    redactor.add("me", "the-client-id", identifying=True)
    for header in ("abc", "Key abc", "k=abc; x", "a/!", "xp4ss+wx", "Bearer made-up-token-1"):
        assert redactor.in_header(header)
    for header in ("abcd", "Key xabc", "p4ss+", "the-client-id me", ""):
        assert not redactor.in_header(header)


def test_in_a_page_a_secret_is_found_as_json_writes_it() -> None:
    redactor = Redactor([PASSWORD, "123456"])
    redactor.add("the-client-id", identifying=True)
    for ascii_only in (True, False):
        page = json.dumps([{"note": f"x {PASSWORD} y"}], ensure_ascii=ascii_only).encode()
        assert redactor.in_bytes(page)
    assert redactor.in_bytes(b'[{"pin":"123456"}]')
    assert not redactor.in_bytes(b'[{"id":123456,"at":"1234567890","by":"the-client-id"}]')


# ---- where secrets come from


@pytest.mark.parametrize("blank", [None, "", "  \n"])
def test_a_secret_of_the_request_comes_before_an_app_setting(
    monkeypatch: pytest.MonkeyPatch, blank: Any
) -> None:
    monkeypatch.setenv("apiToken", "of-the-settings")
    monkeypatch.setenv("OTHER", "of-the-settings")

    def found(sent: dict[str, Any], settings: bool = True) -> Settings:
        return secrets_of(["apiToken"], sent, settings=settings)

    assert found({"apiToken": "typed"})["apiToken"] == "typed"
    assert found({})["apiToken"] == found({"apiToken": blank})["apiToken"] == "of-the-settings"
    assert found({"more": "undeclared"})["more"] == "undeclared"
    with pytest.raises(MissingSetting, match="'OTHER'"):
        found({})["OTHER"]
    with pytest.raises(MissingSetting, match="'apiToken' is missing or blank"):
        found({"apiToken": blank}, settings=False)["apiToken"]


def test_a_payload_key_has_its_default_where_it_is_blank() -> None:
    payload = payload_of(
        {"start": "2026-01-01", "folder": ""}, {"start": " ", "more": "x", "n": ""}
    )
    assert (payload["start"], payload["folder"], payload["more"]) == ("2026-01-01", "", "x")
    assert payload_of({"start": "2026-01-01"}, {"start": "2026-02-02"})["start"] == "2026-02-02"
    with pytest.raises(MissingSetting, match="the payload key 'n' is missing or blank"):
        payload["n"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            Settings("secret", {}),
            "the secret 'key' is missing or blank: {} secrets, set it as an app setting of the "
            "same name, or write it in connection.json under secrets",
        ),
        (
            Settings("secret", {"key": " "}, app_settings=False),
            "the secret 'key' is missing or blank: {} secrets, or write it in connection.json "
            "under secrets",
        ),
        (
            Settings("payload key", {}),
            "the payload key 'key' is missing or blank: {} custom payload, or in connection.json "
            "under customPayload",
        ),
        (
            Settings("secret", {"key": " @Microsoft.KeyVault(SecretUri=https://v.example/key)"}),
            "the secret 'key' is a Key Vault reference that Azure could not resolve: {} secrets; "
            "or check that the vault has it and that the app's identity may read it",
        ),
    ],
)
def test_an_error_names_every_place_where_a_setting_can_be_entered(
    settings: Settings, message: str
) -> None:
    with pytest.raises(MissingSetting) as raised:
        settings["key"]
    assert str(raised.value) == message.format("type it in Fivetran's setup form under")


def test_no_repr_shows_a_value() -> None:
    shown = Settings("secret", {"apiToken": "made-up-token-1", "other": "made-up-other"})
    assert repr(shown) == str(shown) == "<secret: apiToken, other>"
    redactor = Redactor(["made-up-token-1", "made-up", "123456"])
    redactor.add_passing("made-up-signature")
    for each in (shown, redactor, redactor.table):
        assert "made-up" not in f"{each!r} {each} {vars(each)!r}"


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("made-up", ["made-up"]),
        (17, ["17"]),
        ({"user": "a", "keys": ["b", {"c": "d"}]}, ["a", "b", "d"]),
        ([{"n": 17, "none": None, "yes": True, "key": "e"}], ["e"]),
    ],
)
def test_the_texts_in_a_secret_are_those_of_its_values(value: Any, texts: list[str]) -> None:
    assert sorted(texts_in(value)) == texts
