"""A request before credentials: what a step passes, checked and written as it is sent."""

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


def draft(
    method: str,
    url: str,
    *,
    headers: Iterable[Mapping[str, Any] | None],
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    data: Any = None,
) -> requests.PreparedRequest:
    """The request; see `Fetch.request` for the arguments.

    Args:
        headers: Of the runtime, of the source, of the step: later ones replace earlier ones.

    Raises:
        StepError: A value cannot be sent; the text names it.
        UpstreamError: The URL is not one that can be asked.
    """
    what = f"{method.upper()} {urls.shown(url)}"
    everything: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    for part in headers:
        for name, value in plain(what, "headers", part).items():
            everything[name] = value if isinstance(value, str) else ", ".join(value)
    if json is not None:
        if data is not None:
            raise StepError(f"{what}: json= and data= are two bodies; pass one of them")
        try:
            data = codec.encode(codec.plain(json))
        except TypeError as error:
            raise StepError(f"{what}: json= cannot be sent: {error}") from None
        everything.setdefault("Content-Type", "application/json")
    elif isinstance(data, Mapping):
        data = plain(what, "data", data)
    elif isinstance(data, str):
        data = data.encode()
    elif data is not None and not isinstance(data, bytes):
        raise StepError(
            f"{what}: data must be text, bytes or a form (a dict), not a {type(data).__name__}, "
            "because it may have to be sent again"
        )
    written = plain(what, "params", params)
    request = requests.PreparedRequest()
    try:
        request.prepare_method(method)
        request.prepare_url(url, urlencode(written, doseq=True))
        request.prepare_headers(everything)
        if data is None:
            request.prepare_content_length(None)
        else:
            request.prepare_body(data, None)
        return request
    except (requests.RequestException, ValueError) as error:
        raise UpstreamError(f"{what} is not a request that can be sent: {error}") from None


def redirected(
    request: requests.PreparedRequest, url: str, status: int
) -> requests.PreparedRequest:
    """The request that a redirect asks for, as browsers make it.

    Raises:
        UpstreamError: The URL is not one that can be asked.
    """
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


def plain(what: str, kind: str, values: Mapping[str, Any] | None) -> dict[str, str | list[str]]:
    """The values of `params=`, `headers=` or a form as they are sent, without those left out.

    Args:
        what: The request, for the error.
        kind: Which of the three.
        values: As the step passed them.

    Raises:
        StepError: A value has no form that could be sent.
    """
    if not isinstance(values, (Mapping, type(None))):
        raise StepError(
            f"{what}: {kind} must be a dict, not a {type(values).__name__}; a list as value "
            "repeats its name"
        )
    written = {}
    for name, value in (values or {}).items():
        try:
            text = param(value)
        except TypeError as error:
            raise StepError(f"{what}: {kind}[{name!r}]: {error}") from None
        if text is not None and text != []:
            written[str(name)] = text
    return written


def param(value: Any) -> str | list[str] | None:
    """One value as it is sent; None is left out.

    Raises:
        TypeError: It has no form that could be sent.
    """
    if isinstance(value, Enum):
        return param(value.value)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Number, UUID)):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "isoformat"):
        return clock.iso_text(value)
    if isinstance(value, (list, tuple)):
        items = [param(item) for item in value]
        if any(isinstance(item, list) for item in items):
            raise TypeError("a list within a list cannot be sent: join the inner one to a text")
        return [item for item in items if isinstance(item, str)]
    if isinstance(value, Mapping):
        raise TypeError(
            "a dict cannot be sent as one value: name each part, such as "
            '{"filter[since]": value}, or write it as text with json.dumps()'
        )
    raise TypeError(f"a value of type {type(value).__name__} cannot be sent: make it a text")
