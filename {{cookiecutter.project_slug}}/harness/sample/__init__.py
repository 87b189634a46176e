# Owned by fivetran-azfn-template: updates replace this file.
"""The sample upstream: a real HTTP server that speaks the API which sample.toml describes."""

from harness.sample.app import Asked
from harness.sample.auth import made_up
from harness.sample.file import SampleError
from harness.sample.own import Own
from harness.sample.place import upstream
from harness.sample.server import Sample, Server

__all__ = ["Asked", "Own", "Sample", "SampleError", "Server", "made_up", "upstream"]
