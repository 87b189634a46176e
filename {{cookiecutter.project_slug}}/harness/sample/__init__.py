# Owned by fivetran-azfn-template: updates replace this file.
"""The sample upstream: a real HTTP server that speaks the API which sample.toml describes."""

from harness.sample.file import SampleError
from harness.sample.server import Sample, Server

__all__ = ["Sample", "SampleError", "Server"]
