{% from "layout.jinja" import call, constant, mapping with context %}
{% set cursor, style, deletes = cookiecutter.__cursor, cookiecutter.pagination, cookiecutter.deletes %}
{% set columns = cookiecutter.__primary_key.split(",") if cookiecutter.__primary_key else [] %}
{% set step = "fetch." ~ cookiecutter.__step %}
{% set record = [] %}
{% for column in columns if column != cursor %}{% set _ = record.append('"' ~ column ~ '": 1') %}{% endfor %}
{% if cursor %}
{% set path = cursor.split(".") %}
{% set _ = record.append('"' ~ path | join('": {"') ~ '": "2026-01-05T08:30:00Z"' ~ "}" * (path | length - 1)) %}
{% endif %}
{% set linked, listed = style == "link_header", style == "link_header" and deletes != "records" %}
{% set next = {"cursor": '"next_cursor": "def"', "next_url": '"next": NEXT'}.get(style) %}
{% set last = {"cursor": '"next_cursor": None', "next_url": '"next": None'}.get(style) %}
{% set token = {"cursor": '"abc"', "page_number": "3", "offset": "100", "link_header": "NEXT", "next_url": "NEXT"}.get(style) %}
{% set after = {"cursor": '"def"', "page_number": "4", "offset": "102" if deletes == "records" else "101", "link_header": "NEXT", "next_url": "NEXT"}.get(style) %}
{% set asked = {"cursor": ["cursor", "abc"], "page_number": ["page", "3"], "offset": ["offset", "100"]}.get(style) %}
{% set body = ['"data": [RECORD]'] + (['"deleted": [RECORD]'] if deletes == "records" else []) %}
"""The fetch steps, each on one canned reply: no network, no secrets."""

import fetch
from connector.testing import {{ "Reply, " if linked }}call_step

{% if style in ["link_header", "next_url"] %}
{{ constant("NEXT", '"' ~ cookiecutter.__base_url ~ cookiecutter.__path ~ '?page=2"') }}
{% endif %}
{{ mapping("RECORD = ", record or ['"amount": 12.5']) }}
{% if linked %}
{{ call("PAGE = Reply", [
  "json=" ~ ("[RECORD]" if listed else "{" ~ body | join(", ") ~ "}"),
  'headers={"Link": f\'<{NEXT}>; rel="next"\'}',
]) }}
{% else %}
{{ mapping("PAGE = ", body + ([next] if next else [])) }}
{% endif %}


def test_{{ cookiecutter.entity }}_asks_for_one_page() -> None:
{% set given = ['since="2026-01-01T00:00:00Z"'] if cursor else [] %}
{{ call("page = call_step", [step, "PAGE"] + given + (["token=" ~ token] if asked else []), "    ") }}
    assert page.request.path.endswith("{{ cookiecutter.__path }}")
{% if given %}
    assert page.request.params["updated_since"] == "2026-01-01T00:00:00Z"
{% endif %}
{% if asked %}
    assert page.request.params["{{ asked[0] }}"] == "{{ asked[1] }}"
{% elif token %}


def test_{{ cookiecutter.entity }}_follows_the_next_page() -> None:
{{ call("page = call_step", [step, "PAGE", "token=NEXT"], "    ") }}
    assert page.request.params["page"] == "2"
{% endif %}


def test_{{ cookiecutter.entity }}_reads_the_page() -> None:
{{ call("page = call_step", [step, "PAGE"] + (["token=" ~ token] if style in ["page_number", "offset"] else []), "    ") }}
    assert list(page.rows) == [RECORD]
{% if deletes == "records" %}
    assert list(page.deleted) == [RECORD]
{% endif %}
    assert page.next_token {{ "== " ~ after if after else "is None" }}
{% if token %}


def test_{{ cookiecutter.entity }}_ends_with_the_last_page() -> None:
{% set empty = "[]" if listed else "{" ~ (['"data": []'] + (['"deleted": []'] if deletes == "records" else []) + ([last] if last else [])) | join(", ") ~ "}" %}
{{ call("page = call_step", [step, empty], "    ") }}
    assert page.next_token is None
{% endif %}
