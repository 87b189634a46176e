# Owned by fivetran-azfn-template: updates replace this file.
"""The runtime of a Fivetran function connector: fetch.py declares, `respond` answers a call."""

from connector.auth import ApiKey as ApiKey
from connector.auth import BasicAuth as BasicAuth
from connector.auth import BearerToken as BearerToken
from connector.auth import OAuth2ClientCredentials as OAuth2ClientCredentials
from connector.azure import respond as respond
from connector.entity import Payload as Payload
from connector.errors import ConnectorError as ConnectorError
from connector.errors import RetryLater as RetryLater
from connector.errors import StartOver as StartOver
from connector.errors import TokenExpired as TokenExpired
from connector.errors import UpstreamError as UpstreamError
from connector.rows import Response as Response
from connector.source import Source as Source
from connector.step import Fetch as Fetch
from connector.step import Page as Page
