"""HTML in which text cannot become markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from harness.report.html import Html, join, tag
from hypothesis import given
from hypothesis import strategies as st

HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Read(HTMLParser):
    """What a parser finds: elements, an attribute, text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.title: str | None = None
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.title = dict(attrs).get("title", self.title)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(), st.text())
def test_any_text_is_read_back_as_text(text: str, title: str) -> None:
    """But for characters that would not show, which become a replacement character."""
    read = Read(tag("p", tag("b", text), title=title))
    assert read.tags == ["p", "b"]
    assert read.text == HIDDEN.sub("\ufffd", text)
    assert read.title == HIDDEN.sub("\ufffd", title)


def test_what_is_joined_without_care_is_escaped_rather_than_trusted() -> None:
    assert tag("p", "".join([tag("b", "a")])) == "<p>&lt;b&gt;a&lt;/b&gt;</p>"


def test_none_is_left_out() -> None:
    assert join(None, tag("br"), tag("p", None, class_=None)) == Html("<br><p></p>")
