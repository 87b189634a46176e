"""Names follow Fivetran's rules."""

import pytest
from harness.naming import to_name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("id", "id"),
        ("userName", "user_name"),
        ("UserName", "user_name"),
        ("userID", "user_id"),
        ("HTTPServer", "http_server"),
        ("address2Line", "address2_line"),
        ("user name", "user_name"),
        ("user.name-of/all", "user_name_of_all"),
        ("user__name", "user_name"),
        ("_id", "_id"),
        ("total_", "total_"),
        ("2fa", "_2fa"),
        ("Größe", "grosse"),
        ("Øre", "ore"),
        ("naïve café", "naive_cafe"),
        ("ﬁeld", "field"),
        ("名前", "_"),
        ("a名b", "a_b"),
        ("", "_"),
        ('say "hi"; DROP', "say_hi_drop"),
        ("a\0b", "a_b"),
        ("\ud800", "_"),
    ],
)
def test_a_source_name_becomes(source: str, name: str) -> None:
    assert to_name(source) == name


@pytest.mark.parametrize("source", ["userName", "2fa", "Größe", "名前", "a--b", ""])
def test_a_name_stays_what_it_is_when_named_again(source: str) -> None:
    assert to_name(to_name(source)) == to_name(source)
