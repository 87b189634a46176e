"""HTTP requests to the upstream."""
