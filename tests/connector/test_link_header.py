"""The Link header (RFC 8288): whatever it looks like, and in linear time."""

import time

import pytest
import requests
from connector import Response, UpstreamError
from connector.secrets import Redactor


def link(header: str | None, rel: str = "next") -> str | None:
    """The URL of a relation in this header of a response to /v1/items."""
    reply = requests.Response()
    if header is not None:
        reply.headers["Link"] = header
    sent = requests.Request("GET", "https://a.b/v1/items?page=1").prepare()
    return Response.of(reply, b"", sent, Redactor()).link(rel)


@pytest.mark.parametrize(
    ("header", "url"),
    [
        ('<https://c.d/x?page=2>; rel="next"', "https://c.d/x?page=2"),
        ('</p>; rel="prev", </n>; rel="next last"', "https://a.b/n"),
        ("<?page=2>; rel=next; title=a", "https://a.b/v1/items?page=2"),
        ("<more>; rel=next", "https://a.b/v1/more"),
        ("<//c.d/x>; rel=next", "https://c.d/x"),
        ("< /n >; rel=next", "https://a.b/n"),
        ("", None),
        (None, None),
        ('</2>; REL="Next"', "https://a.b/2"),
        ("</2;jsessionid=9?p=2>; rel=next", "https://a.b/2;jsessionid=9?p=2"),
        ('</2?fields=a;b&p=2>; rel="next"', "https://a.b/2?fields=a;b&p=2"),
        ('</2?ids=1,2>; rel="next",', "https://a.b/2?ids=1,2"),
        ('</2>; title="</9>; rel=next, "; rel=prev, </3>; rel=next', "https://a.b/3"),
        (r'</2>; title="a\"b"; rel="next"', "https://a.b/2"),
        (r'</2>; title="a\\"; rel="next"', "https://a.b/2"),
        (r'</2>; title="\"; rel=\"prev"; rel="next"', "https://a.b/2"),
        (r'</2>; rel="n\ext"', "https://a.b/2"),
        ('</2>; rel="prev"; rel="next"', None),
        ('</2>; rel="next"; rel="prev"', "https://a.b/2"),
        ('</2>; rel="next"; anchor="#other", </3>; rel="next"', "https://a.b/3"),
        ("</1>;rel=prev , </3> ; rel = next", "https://a.b/3"),
        ("</2>; crossorigin; rel=next", "https://a.b/2"),
        ("</2>; rel*=UTF-8''next", None),
        ('/2; rel="next"', None),
        ("</2; rel=next", None),
        ("</2>; rel='next'", "https://a.b/2"),
        ("</1>; title=it's; rel='prev', </3>; rel='next'", "https://a.b/3"),
        ("</1>; title='; rel=prev, </3>; rel=next", "https://a.b/3"),
        ('</1>; title="; rel=prev, </3>; rel=next', "https://a.b/3"),
    ],
)
def test_link_is_the_url_of_a_relation(header: str | None, url: str | None) -> None:
    assert link(header) == link(header, "NEXT") == url


def test_a_reference_that_is_not_a_url_is_an_error_that_shows_it() -> None:
    with pytest.raises(UpstreamError, match=r"Link header of GET https://a.b/v1/items.*//\[oops"):
        link("<https://[oops>; rel=next")


@pytest.mark.parametrize(
    "piece", ["<", "<>; ", '<>;a="', "<>;a='", '<>;a="\\"', ";", '"', " ", "<a>;a "]
)
def test_a_long_header_costs_no_time(piece: str) -> None:
    """One pass for each of them would take minutes."""
    began = time.process_time()
    header = (piece * 200_000)[:200_000]
    assert link(f"</1>; {header}") is None
    assert link(f"{header}\"'>, </2>; rel=next") in ("https://a.b/2", None)
    assert time.process_time() - began < 20
