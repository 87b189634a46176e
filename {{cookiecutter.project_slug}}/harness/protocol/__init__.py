"""Fivetran's function protocol: requests, replies, and the rules about replies."""
