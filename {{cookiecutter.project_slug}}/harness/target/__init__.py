"""Where the function is: in this folder, behind a URL, behind a bad network."""

from __future__ import annotations

from typing import Protocol

from harness.protocol.messages import Answer


class Target(Protocol):
    """Something that takes a request of the protocol; `name` is for people."""

    @property
    def name(self) -> str: ...

    def call(self, body: bytes) -> Answer: ...
