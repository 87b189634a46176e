"""Each kind of auth lets in what carries the made-up credentials, and nothing else."""

import pytest

KINDS = {
    "bearer": {"kind": "bearer", "secrets": ["apiToken"]},
    "header": {"kind": "api_key_header", "secrets": ["apiKey"], "header": "X-Key"},
    "prefix": {"kind": "api_key_header", "secrets": ["apiKey"], "prefix": "Token "},
    "query": {"kind": "api_key_query", "secrets": ["apiKey"], "param": "key"},
    "basic": {"kind": "basic", "secrets": ["username", "password"]},
    "oauth2": {"kind": "oauth2_client_credentials", "secrets": ["clientId", "clientSecret"]},
}


def request_with(kind, upstream, *values):
    """Asks for a page with credentials put where the kind wants them."""
    url = upstream.server.url + "/transactions"
    if kind == "query":
        return upstream.session.get(url, params={"key": values[0]}, timeout=10)
    if kind == "basic":
        return upstream.session.get(url, auth=values, timeout=10)
    headers = {
        "bearer": {"Authorization": f"Bearer {values[0]}"},
        "oauth2": {"Authorization": f"Bearer {values[0]}"},
        "header": {"X-Key": values[0]},
        "prefix": {"X-Api-Key": f"Token {values[0]}"},
    }[kind]
    return upstream.session.get(url, headers=headers, timeout=10)


def token_reply(upstream, auth=None, **form):
    return upstream.session.post(
        upstream.server.url + "/oauth/token", data=form, auth=auth, timeout=10
    )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "oauth2"])
def test_the_made_up_credentials_are_let_in(serve, kind):
    with serve(auth=KINDS[kind]) as upstream:
        values = upstream.sample.secrets().values()
        assert request_with(kind, upstream, *values).status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_without_credentials_is_refused_with_what_is_wanted(serve, kind):
    with serve(auth=KINDS[kind]) as upstream:
        response = upstream.get()
        assert response.status_code == 401
        message = response.json()["message"]
        assert upstream.sample.wanted() in message
        assert "[auth] in sample.toml" in message
        assert "WWW-Authenticate" in response.headers


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_credentials_are_refused_and_never_told_back(serve, kind):
    with serve(auth=KINDS[kind]) as upstream:
        response = request_with(kind, upstream, "wrong-0815", "wrong-0815")
        assert response.status_code == 401
        assert "wrong-0815" not in response.text + str(response.headers)


@pytest.mark.parametrize("kind", ["header", "prefix"])
def test_a_key_without_its_prefix_or_with_one_too_many_is_refused(serve, kind):
    with serve(auth=KINDS[kind]) as upstream:
        (value,) = upstream.sample.secrets().values()
        wrong = {"X-Key": f"Token {value}", "X-Api-Key": value}
        url = upstream.server.url + "/transactions"
        assert upstream.session.get(url, headers=wrong, timeout=10).status_code == 401


def test_the_secrets_have_the_names_of_the_file_and_are_the_same_each_time(serve):
    with serve(auth=KINDS["basic"]) as first:
        secrets = first.sample.secrets()
    with serve(auth=KINDS["basic"]) as second:
        assert second.sample.secrets() == secrets
    assert list(secrets) == ["username", "password"]
    assert len(set(secrets.values())) == 2


def test_no_auth_has_no_secrets(upstream):
    assert upstream.sample.secrets() == {}
    assert upstream.get().status_code == 200


@pytest.mark.parametrize("place", ["header", "body"])
def test_oauth2_gives_a_token_for_the_client_credentials(serve, place):
    with serve(auth=KINDS["oauth2"]) as upstream:
        client, secret = upstream.sample.secrets().values()
        form = {"grant_type": "client_credentials"}
        if place == "header":
            reply = token_reply(upstream, auth=(client, secret), **form)
        else:
            reply = token_reply(upstream, client_id=client, client_secret=secret, **form)
        body = reply.json()
        assert reply.status_code == 200
        assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
        assert request_with("oauth2", upstream, body["access_token"]).status_code == 200


def test_oauth2_tokens_expire(serve):
    with serve(auth={**KINDS["oauth2"], "expires_in": 0}) as upstream:
        client = tuple(upstream.sample.secrets().values())
        body = token_reply(upstream, auth=client, grant_type="client_credentials").json()
        response = request_with("oauth2", upstream, body["access_token"])
        assert response.status_code == 401
        assert "expired" in response.json()["message"]


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
        (
            {"grant_type": "client_credentials", "client_id": "a", "client_secret": "b"},
            401,
            "invalid_client",
        ),
    ],
)
def test_oauth2_refuses_as_the_standard_says(serve, form, status, error):
    with serve(auth=KINDS["oauth2"]) as upstream:
        reply = token_reply(upstream, **form)
        assert (reply.status_code, reply.json()["error"]) == (status, error)


def test_oauth2_tokens_are_got_with_post(serve):
    with serve(auth=KINDS["oauth2"]) as upstream:
        response = upstream.get("/oauth/token")
        assert (response.status_code, response.headers["Allow"]) == (405, "POST")


def test_a_url_that_is_given_out_does_not_hold_the_key(serve):
    with serve(auth=KINDS["query"], pagination="next_url") as upstream:
        (value,) = upstream.sample.secrets().values()
        assert value not in request_with("query", upstream, value).json()["next"]
