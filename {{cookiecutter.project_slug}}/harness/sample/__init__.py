# Owned by fivetran-azfn-template: updates replace this file.
"""The sample upstream: a real HTTP server that speaks the API which sample.toml describes."""

from harness.sample.auth import made_up
from harness.sample.file import SampleError
from harness.sample.own import Own
from harness.sample.server import Sample, Server

__all__ = ["Own", "Sample", "SampleError", "Server", "made_up"]
