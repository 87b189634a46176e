"""The runtime of a Fivetran function connector: names for fetch.py, and `respond` for Azure."""

from connector.auth import ApiKey, BasicAuth, BearerToken, OAuth2ClientCredentials
from connector.azure import respond
from connector.errors import ConnectorError, RetryLater, StartOver, TokenExpired, UpstreamError
from connector.response import Response
from connector.source import Payload, Source
from connector.step import Fetch, Page

__all__ = [
    "ApiKey",
    "BasicAuth",
    "BearerToken",
    "ConnectorError",
    "Fetch",
    "OAuth2ClientCredentials",
    "Page",
    "Payload",
    "Response",
    "RetryLater",
    "Source",
    "StartOver",
    "TokenExpired",
    "UpstreamError",
    "respond",
]
