# Owned by fivetran-azfn-template: updates replace this file.
"""The Link header (RFC 8288, section 3); it knows no URL's meaning.

requests has a reading of its own, which cuts a URL at a semicolon and takes no `REL=`.
"""

from __future__ import annotations

import re

# Single quotes are none of the RFC's, and are met.
_TEXT = r"""(?:"[^"]*"|'[^']*'|[^\s",;]*)"""
_LINK = re.compile(rf"""<([^>]*)>((?:\s*;\s*[^\s",;=]+(?:\s*=\s*{_TEXT})?)*)""")
_PARAM = re.compile(rf"""([^\s",;=]+)\s*=\s*({_TEXT})""")


def related(header: str, rel: str) -> str | None:
    """The reference of the first link of this relation as it is written, or None."""
    for reference, params in _LINK.findall(header):
        # Of a parameter that stands there twice, the first one counts.
        given = {name.lower(): text for name, text in reversed(_PARAM.findall(params))}
        relations = given.get("rel", "").strip("\"'").lower().split()
        if rel.lower() in relations and "anchor" not in given:
            return str(reference).strip()
    return None
