"""Where the function is: in this folder, behind a URL, behind a bad network."""

from __future__ import annotations

from typing import Protocol

from harness.protocol.messages import Answer


class Target(Protocol):
    """Something that takes a request of the protocol."""

    @property
    def name(self) -> str:
        """What is called, for people."""

    def call(self, body: bytes) -> Answer:
        """Send one request.

        Raises:
            UsageError: There is no function to call, or it does not let the caller in.
        """
