"""A request that the sample does not have is told what there is, and what to change where."""

import re

import pytest
import requests
from harness.sample import Sample


def test_an_unknown_path_names_those_that_there_are(upstream):
    response = upstream.get("/orders")
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {
        "message": "set path in [entity.…] of sample.toml, or take your own app "
        "(--sample tests.upstream:app): there is no GET /orders, but GET /transactions"
    }


def test_a_wrong_method_names_the_right_one(upstream):
    response = upstream.session.post(f"{upstream.server.url}/transactions", json={}, timeout=10)
    assert (response.status_code, response.headers["Allow"]) == (405, "GET")
    assert response.json() == {
        "message": "change method in [entity.transaction] of sample.toml: "
        "there is no POST /transactions, but GET"
    }


def test_an_unknown_parameter_is_named_with_those_that_there_are(upstream):
    response = upstream.get(changed_after="2026-01-01")
    assert response.status_code == 400
    assert response.json() == {
        "message": "rename one in [entity.transaction] of sample.toml, "
        'or add also = ["changed_after"] to it: '
        "it has no such parameter, but updated_since, cursor, limit"
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
        "message": "see [entity.transaction] of sample.toml: "
        "cursor is no token that this upstream gave out"
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


OAUTH = {"kind": "oauth2_client_credentials", "secrets": ["clientId", "clientSecret"]}
TOKENS = "/services/oauth2/token"


@pytest.mark.parametrize("body", [{"data": {"grant_type": "client_credentials"}}, {"json": {}}])
def test_another_token_path_names_token_path(serve, body):
    with serve(auth=OAUTH) as upstream:
        response = upstream.session.post(upstream.server.url + TOKENS, timeout=10, **body)
    assert response.status_code == 404
    assert response.json() == {
        "message": 'set token_path = "/services/oauth2/token" in [auth] of sample.toml: '
        "there is no POST /services/oauth2/token, but POST /oauth/token"
    }


def test_a_token_asked_for_where_none_are_given_out_names_kind_too(upstream):
    form = {"grant_type": "client_credentials"}
    response = upstream.session.post(upstream.server.url + TOKENS, data=form, timeout=10)
    assert response.json()["message"].startswith(
        'set kind = "oauth2_client_credentials" and token_path = "/services/oauth2/token" in [auth]'
    )


def test_a_post_that_asks_for_no_token_names_path(serve):
    with serve(auth=OAUTH, method="POST") as upstream:
        response = upstream.session.post(upstream.server.url + "/orders", json={}, timeout=10)
    assert response.json()["message"].startswith("set path in [entity.…] of sample.toml")


LONG = "/services/data/v61.0/transactions"  # as APIs have them
BOUND = "filter[updated_at][gte]"
AUTHS = {
    "header": {"kind": "api_key_header", "secrets": ["apiKey"], "header": "X-Shop-Access-Token"},
    "basic": {"kind": "basic", "secrets": ["accountUserName", "accountPassword"]},
    "oauth2": {**OAUTH, "token_path": "/services/oauth2/token"},
}


def test_every_refusal_fits_in_an_error_and_begins_with_what_to_do(serve):
    """A function's error shows the first 200 characters of a body."""
    texts = []

    def ask(upstream, method="GET", path=LONG, **sent):
        response = upstream.session.request(method, upstream.server.url + path, timeout=10, **sent)
        assert response.status_code >= 400
        texts.append(response.text)

    bounds = {"since": BOUND, "until": "filter[updated_at][lt]", "size": "page[size]"}
    for style in ("cursor", "page_number"):
        with serve(path=LONG, since_as="%Y-%m-%dT%H:%M:%S.%fZ", pagination=style, **bounds) as up:
            ask(up, path="/services/data/v61.0/sobjects/transactions")
            ask(up, method="POST", path="/services/data/v61.0/sobjects/transactions", json={})
            ask(up, method="POST", path=TOKENS, data={"grant_type": "client_credentials"})
            ask(up, method="POST", json={})
            ask(up, params={"filter[organization_id][eq]": "1"})
            ask(up, params={BOUND: "x" * 80})
            ask(up, params={"page[size]": "x" * 80})
            ask(up, params={up.entity.token: "not one of these"})
            ask(up, path=f"{LONG}?page[size]=1&page[size]=2")
    with serve(path=LONG, method="POST", size="variables.first") as up:
        ask(up, method="POST", data=b"x")
        ask(up, method="POST", json={"variables": {"first": 1, "orderDirection": "ASC"}})
    for auth in AUTHS.values():
        with serve(path=LONG, auth=auth) as up:
            ask(up, path="/services/data/v61.0/sobjects/transactions")
            ask(up)
            ask(up, headers={"Authorization": "Bearer wrong"})
            ask(up, auth=("wrong", "wrong"))
            ask(up, path=TOKENS)
            ask(up, method="POST", path=TOKENS, data={"grant_type": "client_credentials"})
            ask(up, method="POST", path="/oauth2/v2.0/token", data={"grant_type": "password"})
    assert {text for text in texts if len(text) >= 190} == set()
    todo = r'{"(message":"(set|see|change method in|rename one in|send|get OAuth2) |error")'
    assert [text for text in texts if not re.match(todo, text)] == []
    assert len(texts) > 30


def test_of_many_paths_as_many_as_fit_are_named(tmp_path):
    paths = [f"/services/data/v61.0/sobjects/{name}" for name in ("account", "contact", "lead")]
    entities = "".join(
        f'[entity.e{index}]\npath = "{path}"\npagination = "none"\nrecord = {{ id = 1 }}\n'
        for index, path in enumerate(paths)
    )
    (tmp_path / "sample.toml").write_text(entities, encoding="utf-8")
    with Sample.load(tmp_path / "sample.toml").serve() as server:
        text = requests.get(f"{server.url}/nothing", timeout=10).text
    assert len(text) < 190
    assert text.endswith(f'there is no GET /nothing, but GET {paths[0]} and 2 more"}}')
