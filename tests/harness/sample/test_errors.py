"""A request that the sample does not have is told what there is, and what to change where."""

import pytest
import requests


def test_an_unknown_path_names_those_that_there_are(upstream):
    response = upstream.get("/orders")
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {
        "message": "the sample upstream has no GET /orders; it has GET /transactions: "
        "set path in [entity.…] of sample.toml; what it cannot describe, a WSGI app of your own "
        "can: --sample tests.upstream:app runs it, "
        'sample = "tests.upstream:app" in tests/test_function.py tests with it'
    }


def test_a_wrong_method_names_the_right_one(upstream):
    response = upstream.session.post(f"{upstream.server.url}/transactions", json={}, timeout=10)
    assert (response.status_code, response.headers["Allow"]) == (405, "GET")
    assert response.json() == {
        "message": "the sample upstream has no POST /transactions; it has GET: "
        "change method in [entity.transaction] of sample.toml"
    }


def test_an_unknown_parameter_is_named_with_those_that_there_are(upstream):
    response = upstream.get(changed_after="2026-01-01")
    assert response.status_code == 400
    assert response.json() == {
        "message": "GET /transactions of the sample upstream has no changed_after; "
        "it has updated_since, cursor, limit: rename it in [entity.transaction] of sample.toml, "
        'or add also = ["changed_after"] there'
    }


def test_parameters_named_in_also_change_nothing(serve):
    with serve(also=["include"]) as upstream:
        assert upstream.get(include="customer").json() == upstream.get().json()


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "ten", "9" * 40, "١"])
def test_a_page_size_that_is_no_positive_whole_number_is_refused(upstream, value):
    response = upstream.get(limit=value)
    assert response.status_code == 400
    assert "limit is" in response.json()["message"]


@pytest.mark.parametrize(("style", "value"), [("page_number", "0"), ("offset", "-1")])
def test_a_position_out_of_range_is_refused(serve, style, value):
    with serve(pagination=style) as upstream:
        assert upstream.get(**{upstream.entity.token: value}).status_code == 400


@pytest.mark.parametrize("token", ["abc", "!!!!", "ÄÖ", "WzFd", "WyJhIiwxXQ", "e30", "W25hbl0"])
def test_a_token_that_was_not_given_out_is_refused(upstream, token):
    response = upstream.get(cursor=token)
    assert response.status_code == 400
    assert response.json() == {
        "message": "cursor is no token that this upstream gave out: "
        "see [entity.transaction] of sample.toml"
    }


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", "05/01/2026", "1e3", "inf"])
def test_a_lower_bound_that_is_no_moment_is_refused(upstream, value):
    response = upstream.get(updated_since=value)
    assert response.status_code == 400
    assert f"updated_since is '{value}'" in response.json()["message"]


def test_a_parameter_that_comes_twice_is_refused(upstream):
    assert upstream.get("/transactions?limit=1&limit=2").status_code == 400


def test_an_empty_parameter_is_one_that_was_left_out(upstream):
    assert upstream.get(cursor="", updated_since="").json() == upstream.get().json()


@pytest.mark.parametrize("body", [b"limit=1", b"[1]", b"\xff", b"{"])
def test_a_post_body_that_is_no_json_object_is_refused(serve, body):
    with serve(method="POST") as upstream:
        url = f"{upstream.server.url}/transactions"
        response = upstream.session.post(url, data=body, timeout=10)
        assert response.status_code == 400
        assert "takes a JSON object" in response.json()["message"]


def test_a_credential_in_the_wrong_place_is_not_told_back(serve):
    with serve(auth={"kind": "bearer", "secrets": ["apiToken"]}) as upstream:
        value = upstream.sample.secrets()["apiToken"]
        upstream.session.headers["Authorization"] = f"Bearer {value}"
        for response in (
            upstream.get(f"/{value}"),
            upstream.get(**{value: 1}),
            upstream.get(limit=value),
        ):
            assert response.status_code in (400, 404)
            assert value not in response.text


def test_after_an_error_the_connection_still_serves(upstream):
    with requests.Session() as session:
        url = f"{upstream.server.url}/transactions"
        statuses = [
            session.post(url, data=b"x" * 100_000, timeout=10).status_code,
            session.get(url, timeout=10).status_code,
        ]
        assert statuses == [405, 200]
