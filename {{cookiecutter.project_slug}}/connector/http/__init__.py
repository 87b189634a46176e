"""Sends requests to the upstream."""
