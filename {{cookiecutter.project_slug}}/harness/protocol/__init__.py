"""Fivetran's function protocol: requests and replies, and the rules that replies are checked against."""
