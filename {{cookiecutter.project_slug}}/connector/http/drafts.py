"""Builds a request, without credentials, from what a step passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from numbers import Number
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import requests
from requests.structures import CaseInsensitiveDict

from connector import clock, codec, urls
from connector.errors import StepError, UpstreamError

HEADERS = {
    "User-Agent": "fivetran-azfn-connector",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
}


def draft(
    method: str,
    url: str,
    *,
    headers: Iterable[Mapping[str, Any] | None],
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    data: Any = None,
) -> requests.PreparedRequest:
    """The request; see `Fetch.request` for the arguments. Later headers replace earlier ones."""
    what = f"{method.upper()} {urls.without_query(url)}"
    merged = CaseInsensitiveDict(HEADERS)
    for part in headers:
        for name, value in _written(what, "headers", part).items():
            merged[name] = value if isinstance(value, str) else ", ".join(value)
    query = urlencode(_written(what, "params", params), doseq=True)
    if json is not None:
        if data is not None:
            raise StepError(f"{what}: json= and data= are two bodies; pass one of them")
        try:
            data = codec.encode(codec.jsonable(json))
        except TypeError as error:
            raise StepError(f"{what}: json= cannot be sent: {error}") from None
        merged.setdefault("Content-Type", "application/json")
    elif isinstance(data, Mapping):
        data = _written(what, "data", data)
    elif isinstance(data, str):
        data = data.encode()
    elif data is not None and not isinstance(data, bytes):
        raise StepError(
            f"{what}: data must be text, bytes or a form (a dict), not a {type(data).__name__}, "
            "because it may have to be sent again"
        )
    request = requests.PreparedRequest()
    try:
        request.prepare_method(method)
        request.prepare_url(url, query)
        request.prepare_headers(merged)
        if data is None:
            request.prepare_content_length(None)
        else:
            request.prepare_body(data, None)
    except (requests.RequestException, ValueError) as error:
        raise UpstreamError(f"{what} is not a request that can be sent: {error}") from None
    return request


def redirected(
    request: requests.PreparedRequest, url: str, status: int
) -> requests.PreparedRequest:
    """The request that a redirect asks for, as browsers make it."""
    request = request.copy()
    try:
        request.prepare_url(urls.without_user(url), {})
    except (requests.RequestException, ValueError):
        raise UpstreamError(f"{url[:200]!r} is not a URL") from None
    if status == 303 or (status < 303 and request.method == "POST"):
        request.prepare_method("GET")
        request.body = None
        for name in ("Content-Length", "Content-Type", "Transfer-Encoding"):
            request.headers.pop(name, None)
    return request


def _written(what: str, kind: str, values: Mapping[str, Any] | None) -> dict[str, str | list[str]]:
    """The values of `params=`, `headers=` or a form as they are sent, without those left out."""
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise StepError(
            f"{what}: {kind} must be a dict, not a {type(values).__name__}; a list as value "
            "repeats its name"
        )
    written = {}
    for name, value in values.items():
        try:
            text = _text(value)
        except TypeError as error:
            raise StepError(f"{what}: {kind}[{name!r}]: {error}") from None
        if text is not None and text != []:
            written[str(name)] = text
    return written


def _text(value: Any) -> str | list[str] | None:
    """One value as it is sent; None is left out."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, Enum):
        return _text(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, Number, UUID)):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "isoformat"):
        return clock.iso_text(value)
    if isinstance(value, (list, tuple)):
        items = [_text(item) for item in value]
        if any(isinstance(item, list) for item in items):
            raise TypeError("a list within a list cannot be sent: join the inner one to a text")
        return [item for item in items if isinstance(item, str)]
    if isinstance(value, Mapping):
        raise TypeError(
            "a dict cannot be sent as one value: name each part, such as "
            '{"filter[since]": value}, or write it as text with json.dumps()'
        )
    raise TypeError(f"a value of type {type(value).__name__} cannot be sent: make it a text")
