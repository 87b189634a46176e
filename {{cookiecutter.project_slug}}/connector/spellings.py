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
_CONTROLS = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", "\v": "v", "\a": "a"}


@lru_cache(maxsize=512)
def pattern(text: str) -> str:
    """A regular expression for every spelling of a text.

    As it is, URL-encoded (with %20 or +), JSON-escaped, HTML-escaped, as Python's `repr` and
    `ascii` write text and bytes, each also more than once and mixed; decoded with a wrong charset;
    in base64 of both alphabets, also as a part of something longer.
    """
    plain, after_backslash = "", False
    for run in _RUNS.findall(text):
        plain += _run(run, after_backslash)
        after_backslash = run[0] == "\\"
    return "|".join([plain, *_base64(text)])


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
        ways.append(r"\+")
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
    """The text alone, and the part of it that stays the same within anything longer."""
    raws = [text.encode("utf-8", "replace")]
    if not text.isascii() and all(ord(char) < 0x100 for char in text):
        raws.append(text.encode("latin-1"))
    for raw in raws:
        for before in range(3):
            coded = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
            whole = (before + len(raw)) * 8 // 6
            rest = f"{_digits(coded[whole:])}?" if before == 0 and coded[whole:] else ""
            yield _digits(coded[(0, 2, 3)[before] : whole]) + rest


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
