"""An HTTP server on this machine that speaks the API which sample.toml describes."""

from harness.sample.auth import made_up
from harness.sample.faults import Faults
from harness.sample.own_app import OwnApp, load
from harness.sample.server import Sample, Seen, Server

__all__ = ["Faults", "OwnApp", "Sample", "Seen", "Server", "load", "made_up"]
