"""A local Fivetran: calls the function as Fivetran would, and keeps what it delivers in DuckDB."""
