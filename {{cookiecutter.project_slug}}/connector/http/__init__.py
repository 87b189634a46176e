"""Asks the upstream: one request until it is answered."""
