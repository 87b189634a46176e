{% from "auth.jinja" import auth_class, auth_arguments with context %}
{% set key, cursor = cookiecutter.__primary_key, cookiecutter.__cursor %}
{% set records = "response.rows(" ~ ('"' ~ cookiecutter.__records_path ~ '"' if cookiecutter.__records_path else "") ~ ")" %}
from connector import {{ (["Fetch", "Page", "Source"] + ([auth_class] if auth_class else [])) | sort(case_sensitive=true) | join(", ") }}

source = Source(
    base_url="{{ cookiecutter.__base_url }}",
{% if auth_class %}
    auth={{ auth_class }}({{ auth_arguments }}),
{% endif %}
)


@source.entity(
    "{{ cookiecutter.entity }}",
{% if key and "," not in key %}
    primary_key=["{{ key }}"],
{% elif key %}
    primary_key=[
        "{{ key.split(",") | join('",\n        "') }}",
    ],
{% endif %}
{% if cursor %}
    cursor="{{ cursor }}",
{% elif cookiecutter.deletes == "soft_delete" %}
    soft_delete=True,
{% endif %}
)
def {{ cookiecutter.entity }}(fetch: Fetch) -> Page:
    """{{ "All records" if cookiecutter.pagination == "none" else "One page of records" }}{{ " changed since the cursor" if cursor }}."""
{% include "fetch/" ~ cookiecutter.pagination ~ ".jinja" %}
