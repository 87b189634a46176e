# Owned by fivetran-azfn-template: updates replace this file.
"""URLs of the upstream: where it is, and what counts as the same place; it sends nothing."""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import urlsplit

from connector.errors import SourceError
from connector.secrets import Settings
from connector.source import Source

_HOST_PART = re.compile(r"[A-Za-z0-9-]+")


def base_url(source: Source, payload: Settings) -> str:
    base = os.environ.get("UPSTREAM_BASE_URL") or source.base_url
    parts = urlsplit(base)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        raise SourceError(
            "the app setting UPSTREAM_BASE_URL starts with https:// (http:// for localhost only)"
        )
    for key in source.url_keys:
        if "{" + key + "}" in base:
            value = str(payload[key])
            if not _HOST_PART.fullmatch(value):
                raise SourceError(
                    f"the payload key {key!r} is a part of base_url: letters, digits and hyphens, "
                    "as acme-eu"
                )
            base = base.replace("{" + key + "}", value)
    return base


def origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
        return parts.scheme, (parts.hostname or "").lower(), port
    except ValueError:
        return "", "", None


def below(path: str) -> str:
    return path if not path or path[0] in "/?" else f"/{path}"


def param(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return [param(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
