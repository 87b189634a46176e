"""Decides what is read, delivered and committed in one call."""
