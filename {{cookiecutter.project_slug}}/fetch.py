{% from "layout.jinja" import call %}
{% from "auth.jinja" import auth_class, auth_call with context %}
{% set columns = cookiecutter.__primary_key.split(",") if cookiecutter.__primary_key else [] %}
{% set source = ['base_url="' ~ cookiecutter.__base_url ~ '"'] + (["auth=" ~ auth_call] if auth_call else []) %}
{% set entity = ['"' ~ cookiecutter.entity ~ '"'] %}
{% set entity = entity + ([["primary_key=", columns]] if columns else []) %}
{% set entity = entity + (['cursor="' ~ cookiecutter.__cursor ~ '"'] if cookiecutter.__cursor else []) %}
{% set entity = entity + (["soft_delete=True"] if cookiecutter.deletes == "soft_delete" else []) %}
from connector import {{ (["Fetch", "Page", "Source"] + ([auth_class] if auth_class else [])) | sort(case_sensitive=true) | join(", ") }}

{{ call("source = Source", source) }}


{{ call("@source.entity", entity) }}
def {{ cookiecutter.__step }}(fetch: Fetch) -> Page:
    """{{ "All" if cookiecutter.pagination == "none" else "One page of" }} {{ cookiecutter.__noun }}{{ " changed since the cursor" if cookiecutter.__cursor }}."""
{% include "fetch/" ~ cookiecutter.pagination ~ ".jinja" %}
