# Owned by fivetran-azfn-template: updates replace this file.
"""How a text may be spelled once it was encoded, escaped or quoted; it keeps no text."""

from __future__ import annotations

import base64
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache, lru_cache
from html.entities import html5

_RUNS = re.compile(r"\\+|[^\x00-\x7f]+|.", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9]+")
# Base64 is broken into lines of 64 or 76; logs write a space there, JSON an escape.
_LINE = 60
_BREAK = re.compile(r"\s+|\\+[nrt]|%(?:25)*0[aAdD9]")
_CONTROLS = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", "\v": "v", "\a": "a"}


def stands_in(secret: str, text: str) -> bool:
    """Whether a secret stands in a text, however it is spelled there."""
    return any(True for _ in places(secret, text))


def places(secret: str, text: str) -> Iterator[tuple[int, int]]:
    """Where in a text a secret stands, as start and end."""
    if not _may_stand(secret, text):
        return
    for found in _pattern(secret).finditer(text):
        yield found.span()
    if _BREAK.search(text):
        end, kept = 0, list[int]()
        for found in _BREAK.finditer(text):
            kept += range(end, found.start())
            end = found.end()
        kept += range(end, len(text))
        for found in _coded(secret).finditer("".join(text[at] for at in kept)):
            yield kept[found.start()], kept[found.end() - 1] + 1


def _may_stand(secret: str, text: str) -> bool:
    """Quickly, whether the text is worth a closer look: hardly any is."""
    return any(needle in text for needle in _needles(secret))


@lru_cache(maxsize=1024)
def _needles(secret: str) -> tuple[str, ...]:
    """For each way to spell a secret, letters and digits of it that no encoding changes."""
    ways = [secret]
    for coded in _base64(secret):
        # Of two halves of a line's length together, no line break parts both.
        line = coded[:_LINE]
        ways += [line[: len(line) // 2], line[len(line) // 2 :]]
    return tuple(max(_PLAIN.findall(way), key=len, default="") for way in ways)


@lru_cache(maxsize=256)
def _pattern(secret: str) -> re.Pattern[str]:
    """A regular expression for every spelling of a secret.

    As it is, URL-encoded (with %20 or +), JSON-escaped, HTML-escaped, as Python's `repr` and
    `ascii` write text and bytes, each also more than once and mixed; decoded with a wrong charset;
    in base64 of both alphabets, also as a part of something longer.
    """
    plain, after_backslash = "", False
    for run in _RUNS.findall(secret):
        plain += _run(run, after_backslash)
        after_backslash = run[0] == "\\"
    return re.compile(f"{plain}|{_coded(secret).pattern}")


@lru_cache(maxsize=256)
def _coded(secret: str) -> re.Pattern[str]:
    """A regular expression for a secret in base64."""
    return re.compile("|".join(map(_digits, _base64(secret))))


def _run(run: str, after_backslash: bool) -> str:
    if run[0] == "\\":
        # One quantifier for the whole run: one for each would try every way to share them out.
        escapes = "|".join(_escapes("\\", r"\\+"))
        return rf"(?:(?:{escapes}){{{len(run)}}}|\\{{{len(run)},}}+)"
    if run.isascii():
        return run if run.isalnum() else _char(run, after_backslash)
    exact = _char(run[0], after_backslash) + "".join(_char(char, False) for char in run[1:])
    size = len(run.encode("utf-8", "replace"))
    lost = [rf"\ufffd{{{size}}}", rf"\ufffd{{{len(run)}}}", rf"\?{{{len(run)}}}"]
    return f"(?:{'|'.join([exact, *lost])})"


def _char(char: str, after_backslash: bool) -> str:
    """One character; a run of backslashes before it has taken those of its escape too."""
    ways = [*_escapes(char, r"\\*" if after_backslash else r"\\+")]
    if not char.isascii():
        raw = char.encode("utf-8", "replace")
        ways += [re.escape(raw.decode("latin-1")), re.escape(raw.decode("cp1252", "replace"))]
        ways.append(re.escape(char))
    else:
        ways.append(r"\\*" + re.escape(char))
    if char == " ":
        ways += [r"\+", "%(?:25)*2[bB]"]
    return f"(?:{'|'.join(dict.fromkeys(ways))})"


def _escapes(char: str, backslashes: str) -> Iterator[str]:
    raw, point = char.encode("utf-8", "replace"), ord(char)
    yield "".join(f"%(?:25)*{_hex(byte, 2)}" for byte in raw)
    yield "".join(f"{backslashes}x{_hex(byte, 2)}" for byte in raw)
    if point < 0x100:
        yield f"%(?:25)*{_hex(point, 2)}"
        yield f"{backslashes}x{_hex(point, 2)}"
    units = char.encode("utf-16-be", "surrogatepass")
    pairs = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    yield "".join(f"{backslashes}u{_hex(unit, 4)}" for unit in pairs)
    yield f"{backslashes}U{_hex(point, 8)}"
    if char in _CONTROLS:
        yield backslashes + _CONTROLS[char]
    names = "|".join([f"#0*{point}", f"#[xX]0*{_hex(point, 1)}", *_entities()[char]])
    yield f"&(?:amp;)*(?:{names});"


def _base64(text: str) -> Iterator[str]:
    """The part of a text's base64 that is the same wherever in a longer text it stands."""
    raws = [text.encode("utf-8", "replace")]
    if not text.isascii() and all(ord(char) < 0x100 for char in text):
        raws.append(text.encode("latin-1"))
    for raw in raws:
        for before in range(3):
            coded = base64.b64encode(bytes(before) + raw).decode()
            yield coded[(0, 2, 3)[before] : (before + len(raw)) * 8 // 6]


def _digits(coded: str) -> str:
    plus, slash = r"(?:[+-]|%(?:25)*2[bBdD])", r"(?:\\*[/_]|%(?:25)*[25][fF])"
    return coded.replace("+", "\0").replace("/", slash).replace("\0", plus)


def _hex(number: int, digits: int) -> str:
    code = f"{number:0{digits}x}"
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in code)


@cache
def _entities() -> defaultdict[str, list[str]]:
    names: defaultdict[str, list[str]] = defaultdict(list)
    for name, char in html5.items():
        if name.endswith(";"):
            names[char].append(name[:-1])
    return names
