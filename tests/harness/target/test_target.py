"""Where the function is: in a folder, behind a URL, behind a bad network."""

import json
import logging
import os
import sys

import handmade
import pytest
from harness.errors import ProtocolBroken, UsageError
from harness.target.http import HttpTarget, is_local, split_key
from harness.target.local import FunctionTarget, Logs
from werkzeug import Response

BODY = b'{"state":{}}'
SENT = "[req.method, req.url, req.headers['Content-Type'], request]"
GOT = b'["POST", "http://localhost:7071/api/acme", "application/json", {"state": {}}]'
AZURE = "import azure.functions as f\n"
NO_GZIP = Response(b"no gzip", headers={"Content-Encoding": "gzip"})


def make(folder, body=handmade.GOOD, old="", new=""):
    """A folder whose function has a body, with a part of the code replaced."""
    file = handmade.make(folder, body) / "function_app.py"
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("body", "expected", "failure"),
    [
        (f"return reply({SENT})", (200, "application/json", GOT), ""),
        ("return 'hello'", (200, "text/plain", b"hello"), ""),
        ("raise KeyError('nope')", (500, "", b""), "KeyError: 'nope'"),
        ("raise SystemExit(3)", (500, "", b""), "SystemExit: 3"),
        ("return 7", (500, "", b""), "returned 7"),
    ],
)
@pytest.mark.parametrize("define", ["def acme(", "async def acme("])
def test_a_call_is_answered_as_azure_answers_it(tmp_path, define, body, expected, failure):
    target = FunctionTarget(make(tmp_path / "one", body, "def acme(", define))
    found = target.call(BODY)
    assert (found.status, found.content_type, found.body) == expected
    assert failure in found.failure and bool(failure) == bool(found.failure)
    assert "local.py" not in found.failure
    assert (target.route, target.name.partition(" ")[0]) == ("acme", "acme")


def test_projects_in_one_process_do_not_mix(tmp_path, monkeypatch):
    """Their modules, their app settings, and what they set for the process."""
    body = """
    import os, fetch
    def made(*args, **kwargs):
        return logging.LogRecord(*args, **kwargs)
    made.seen = getattr(logging.getLogRecordFactory(), "seen", 0) + 1
    logging.setLogRecordFactory(made)
    fetch.seen += 1
    return reply([fetch.NAME, fetch.seen, made.seen, os.environ["BEFORE"], os.environ.get("NEW")])
    """
    targets = []
    for name, settings in (("one", {"BEFORE": "new", "NEW": "now"}), ("two", {})):
        made = make(tmp_path / name, body)
        (made / "fetch.py").write_text(f"NAME = {name!r}\nseen = 0\n", encoding="utf-8")
        targets.append(FunctionTarget(made, settings))
    mine, factory = object(), logging.getLogRecordFactory()
    monkeypatch.setitem(sys.modules, "fetch", mine)
    monkeypatch.setenv("BEFORE", "old")
    found = [json.loads(target.call(BODY).body) for target in (*targets, targets[0])]
    one, two = ["new", "now"], ["old", None]
    assert found == [["one", 1, 1, *one], ["two", 1, 1, *two], ["one", 2, 2, *one]]
    assert (os.environ["BEFORE"], os.environ.get("NEW")) == ("old", None)
    assert sys.modules["fetch"] is mine and logging.getLogRecordFactory() is factory
    assert not {"function_app", str(made)} & {*sys.modules, *sys.path}


def test_a_call_longer_than_azure_allows_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.target.local.AZURE_SECONDS", -1)
    answer = FunctionTarget(make(tmp_path / "one")).call(BODY)
    assert (answer.lost, answer.body) == (True, b"")
    assert "Azure ends a call after" in answer.why


def test_a_function_that_cannot_be_called_says_why(tmp_path):
    with pytest.raises(ProtocolBroken, match="accepts only GET") as broken:
        FunctionTarget(make(tmp_path / "get", old='"POST"', new='"GET"'))
    assert broken.value.rule == "no-post"
    new = "HttpRequest, context: func.Context)"
    two = make(tmp_path / "two", old="HttpRequest)", new=new)
    with pytest.raises(UsageError, match="single parameter is req") as caught:
        FunctionTarget(two)
    assert "func start" in caught.value.todo
    (two / "function_app.py").unlink()
    with pytest.raises(UsageError, match=r"function_app\.py is missing"):
        FunctionTarget(two)


@pytest.mark.parametrize(
    ("code", "says", "todo"),
    [
        ("x = 1", "needs one FunctionApp", "write app = "),
        (AZURE + "app = f.FunctionApp()", "with an HTTP function", "write app = "),
        ("1 / 0", r"ZeroDivisionError: .* \(function_app\.py, line 1\)", ""),
        ("def", r"SyntaxError: invalid syntax \(function_app\.py, line 1\)$", ""),
        ("import sys\nsys.exit('x')", r"SystemExit: x \(function_app\.py, line 2\)$", ""),
        ("import fetch", r"ValueError: a list \(fetch\.py, line 2\)$", ""),  # raised in runtime/
        ("import nowhere", r"named 'nowhere' \(function_app\.py, line 1\)", "pip install -r req"),
    ],
)
def test_an_import_that_fails_names_the_line_that_somebody_wrote(tmp_path, code, says, todo):
    (tmp_path / "runtime").mkdir()
    for file, text in {
        "runtime/source": "def entity():\n    raise ValueError('a list')\n",
        "fetch": "from runtime.source import entity\nentity()\n",
        "function_app": code,
    }.items():
        (tmp_path / f"{file}.py").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=says) as caught:
        FunctionTarget(tmp_path)
    assert todo in caught.value.todo


def test_logs_are_handed_on_with_their_fields(tmp_path):
    line = 'event=page entity=thing page=2 why="a \\"b\\" c"'
    seen = []
    level = logging.getLogger().level
    body = f"log.info({line!r})\nlog.debug('no')\nreturn reply({{}})"
    with Logs(seen.append):
        FunctionTarget(make(tmp_path / "one", body)).call(BODY)
    (found,) = (event for event in seen if event.logger == "connector")
    assert (found.level, found.line) == (logging.INFO, line)
    assert found.fields == {"event": "page", "entity": "thing", "page": "2", "why": 'a "b" c'}
    assert logging.getLogger().level == level


def test_a_call_over_http_is_a_post_with_its_length_and_the_key_in_a_header(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen = []

    def handle(request):
        request.get_data()
        seen.append(request)
        return Response('{"a": 1}', 201, mimetype="application/json")

    with handmade.served(handle) as url:
        answer = HttpTarget(f"{url}/api/acme", "key-of-function").call(BODY)
        HttpTarget(f"{url}/", "").call(b"{}")  # a function at the root of its host
    first, second = seen
    assert (first.method, first.path, first.data) == ("POST", "/api/acme", BODY)
    assert first.headers["x-functions-key"] == "key-of-function"
    assert first.headers["Content-Length"] == "12"
    assert not {"Transfer-Encoding", "Authorization"} & {name for name, _ in first.headers}
    assert (answer.status, answer.content_type) == (201, "application/json")
    assert (second.path, "x-functions-key" in second.headers) == ("/", False)


@pytest.mark.parametrize(
    ("response", "scheme", "why"),
    [
        (Response("no", 401), "http:", ""),
        (Response("no", 500), "http:", ""),
        (Response("no", 429), "http:", "HTTP 429 from a gateway"),
        (Response("no", 503), "http:", "HTTP 503 from a gateway"),
        (NO_GZIP, "http:", "decompressing"),
        (NO_GZIP, "https:", "SSL"),
    ],
)
def test_an_answer_of_a_gateway_or_a_broken_one_is_a_lost_reply(response, scheme, why):
    with handmade.served(lambda request: response) as url:
        answer = HttpTarget(url.replace("http:", scheme), "").call(b"{}")
    assert (answer.lost, answer.body) == (bool(why), b"" if why else b"no")
    assert why in answer.why


def test_a_redirect_is_not_followed_and_names_its_place():
    away = Response("", 302, {"Location": "https://login.example.com/authorize?state=long"})
    says = r"302: .* redirects to https://login\.example\.com/authorize,"
    with handmade.served(lambda request: away) as url, pytest.raises(UsageError, match=says):
        HttpTarget(f"{url}/api/acme", "").call(b"{}")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://example.com/api/acme", "would send secrets to example.com unencrypted"),
        ("acme.azurewebsites.net/api/acme", "is not the URL"),
        ("https://[", "is not the URL"),
        ("https://example.com:port/a", "is not the URL"),
        ("https://bob:pa55-word@example.com/api/acme", "is not the URL"),
    ],
)
def test_a_url_that_cannot_be_called_is_refused(url, says):
    with pytest.raises(UsageError, match=says) as caught:
        split_key(url)
    assert "pa55-word" not in f"{caught.value} {caught.value.todo}"


def test_the_key_in_a_url_is_taken_out_of_it():
    url = "https://acme.azurewebsites.net/api/acme?a=1&code=ab%2Fcd%3D%3D"
    assert split_key(url) == ("https://acme.azurewebsites.net/api/acme?a=1", "ab/cd==")
    assert is_local("http://[::1]:7071/") and not is_local(url)
