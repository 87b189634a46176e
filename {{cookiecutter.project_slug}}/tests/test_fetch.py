{% from "nested.jinja" import nested %}
{% set cursor, style, deletes = cookiecutter.__cursor, cookiecutter.pagination, cookiecutter.deletes %}
{% set columns = cookiecutter.__primary_key.split(",") if cookiecutter.__primary_key else [] %}
{% set path = cookiecutter.__records_path.split(".") if cookiecutter.__records_path else [] %}
{% set entity, step = cookiecutter.entity, "fetch." ~ cookiecutter.entity %}
{# By style: what a page and the last page hold beside the records, the token before and after. #}
{% set next, last, token, after = {
  "cursor": ['"next_cursor": "def"', '"next_cursor": None', '"abc"', '"def"'],
  "page_number": ["", "", "3", "4"],
  "offset": ["", "", "100", "102" if deletes == "records" else "101"],
  "last_id": ['"has_more": True', '"has_more": False', "7", 'RECORD["' ~ cookiecutter.__primary_key ~ '"]'],
  "link_header": ["", "", "NEXT", "NEXT"],
  "next_url": ['"next": NEXT', '"next": None', "NEXT", "NEXT"],
  "none": ["", "", "", ""],
}[style] %}
{% set asked = {"cursor": ["cursor", "abc"], "page_number": ["page", "3"], "offset": ["offset", "100"], "last_id": ["starting_after", "7"]}.get(style) %}
{% macro body(record, beside) %}
{% if path %}
{
{{ nested(path, "[" ~ record ~ "]") -}}
{% if deletes == "records" %}
    "deleted": [{{ record }}],
{% endif %}
{% if beside %}
    {{ beside }},
{% endif %}
}
{%- else -%}
[{{ record }}]
{%- endif %}
{% endmacro %}
"""Tests of the fetch step, on one canned response at a time: no network, no secrets."""

import fetch
from connector.testing import {{ "Reply, " if style == "link_header" }}call_step

{% if token == "NEXT" %}
NEXT = "{{ cookiecutter.__base_url }}/{{ entity }}?page=2"
{% endif %}
RECORD = {
{% for column in columns if column != cursor %}
    "{{ column }}": 1,
{% endfor %}
{% if cursor %}
{{ nested(cursor.split("."), '"2026-01-05T08:30:00Z"') -}}
{% endif %}
{% if "amount" not in columns and cursor.split(".")[0] != "amount" %}
    "amount": 12.5,
{% endif %}
}
{% if style == "link_header" %}
BODY: object = {{ body("RECORD", next) }}
PAGE = Reply(
    json=BODY,
    headers={"Link": f'<{NEXT}>; rel="next"'},
)
{% else %}
PAGE: object = {{ body("RECORD", next) }}
{% endif %}
{% if token %}
LAST_PAGE: object = {{ body("", last) }}
{% endif %}


def test_{{ entity }}_requests_one_page() -> None:
    page = call_step(
        {{ step }},
        PAGE,
{% if cursor %}
        since="2026-01-01T00:00:00Z",
{% endif %}
{% if token %}
        token={{ token }},
{% endif %}
    )
    assert page.request.path.endswith("{{ "/" ~ entity }}")
{% if cursor and token != "NEXT" %}
    assert page.request.params["updated_since"] == "2026-01-01T00:00:00Z"
{% endif %}
{% if asked %}
    assert page.request.params["{{ asked[0] }}"] == "{{ asked[1] }}"
{% elif token %}
    assert page.request.params["page"] == "2"
{% endif %}


def test_{{ entity }}_reads_one_page() -> None:
    page = call_step(
        {{ step }},
        PAGE,
{% if style in ["page_number", "offset"] %}
        token={{ token }},
{% endif %}
    )
    assert list(page.rows) == [RECORD]
{% if deletes == "records" %}
    assert list(page.deleted) == [RECORD]
{% endif %}
    assert page.next_token {{ "== " ~ after if after else "is None" }}
{% if token %}


def test_{{ entity }}_ends_with_the_last_page() -> None:
    page = call_step(
        {{ step }},
        LAST_PAGE,
    )
    assert page.next_token is None
{% endif %}
