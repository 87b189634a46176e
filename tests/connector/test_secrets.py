"""No secret leaves: not in a state, an error or a log record, however it is spelled there."""

import base64
import functools
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from connector import (
    ApiKey,
    BasicAuth,
    BearerToken,
    Fetch,
    OAuth2ClientCredentials,
    Page,
    RetryLater,
    StartOver,
    TokenExpired,
    UpstreamError,
    log,
    oauth,
    report,
)
from connector.answer import answer
from connector.errors import MissingSetting
from connector.secrets import Redactor, Settings
from connector.testing import HeldClock, held_clock
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from . import echoes
from .calls import SECRETS, call, error, reading, rows, source
from .faults import Faults, closed_port
from .leaks import leaks, listening, told

MINE = logging.getLogger("mine.own")
PASSWORD = "made-up/pass+word&ö\"'\\ü"
AUTHS: dict[str, Any] = {
    "bearer": BearerToken("apiToken"),
    "header": ApiKey("apiToken", header="X-Api-Key", prefix="Key "),
    "param": ApiKey("apiToken", param="api_key"),
    "basic": BasicAuth("user", "apiToken"),
    "oauth": OAuth2ClientCredentials("/oauth/token", "user", "apiToken"),
}


@pytest.fixture
def server() -> Iterator[Faults]:
    with Faults() as faults:
        yield faults


@pytest.fixture(autouse=True)
def no_tokens() -> Iterator[None]:
    oauth._kept.clear()
    yield
    oauth._kept.clear()


# Characters that some encoding or other writes differently, beside those of ordinary keys.
CHARACTERS = st.one_of(
    st.sampled_from("abcXYZ019-_.~"),
    st.sampled_from("abcXYZ019-_.~ +%&=?#/\\\"'<>:;@!$()*,[]{}|^`"),
    st.sampled_from("äöüß€ñ日本語ключ😀🔑\u0301\u2028"),
    st.sampled_from("\t\n\r\x00\x07\x1b\x7f"),
)


def distinctive(text: str) -> bool:
    """Not so plain that it stands in a text by chance, nor a part of the mask."""
    return len(set(text.strip())) >= 5 and len(text.strip()) >= 8 and text not in "[secret]"


texts = st.text(CHARACTERS, min_size=8, max_size=24).filter(distinctive)
keys = st.text(st.sampled_from("abcXYZ019-_.~+/=&%?'\"\\ é€"), min_size=8, max_size=40).filter(
    distinctive
)


# ---- spellings


@settings(max_examples=300, deadline=None)
@given(secret=texts, before=st.text(max_size=5), after=st.text(max_size=5), data=st.data())
@example(secret="\\\\\\n\\\\é\\\"'/", before="\\", after="\\", data=None)
def test_no_spelling_of_a_secret_passes(
    secret: str, before: str, after: str, data: st.DataObject | None
) -> None:
    redactor = Redactor([secret])
    said = echoes.spellings(secret)
    for spelling in said if data is None else [data.draw(st.sampled_from(said))]:
        clean = redactor.redact(f"{before}|{spelling}|{after}")
        assert not leaks(clean, [secret])
        assert "[secret]" in clean
        assert redactor.finds(f"{before}{spelling}{after}")


def test_the_search_for_leaks_finds_every_spelling() -> None:
    """Else the tests below would prove nothing."""
    for secret in (PASSWORD, "plain-token_1", "日本語 ключ\n€", "a'b\"c\\d\\\\e"):
        for spelling in echoes.spellings(secret):
            assert leaks(f"x {spelling} y", [secret]) == [secret], spelling
        for wrong in (secret.encode().decode("latin-1"), f"\\{secret!r}"):
            assert leaks(f"x {wrong} y", [secret]) == [secret]
        assert not leaks("no secret stands here, [secret] does", [secret])


def test_a_text_without_secrets_stays_as_it_is() -> None:
    redactor = Redactor(["made-up-token-1"])
    text = 'GET https://api.example.com/x?a=%20+b {"made-up": "token"} \\u00e9 &amp; %s €'
    assert redactor.redact(text) == text
    assert not redactor.finds(text)
    assert Redactor().redact(text) == text


def test_the_longest_secret_goes_first() -> None:
    for values in (("made-up", "made-up-token-1"), ("made-up-token-1", "made-up")):
        clean = Redactor(values).redact("a made-up-token-1 b made-up c")
        assert clean == "a [secret] b [secret] c"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("AAAAAABBBBBBCCCCCC", "[secret]"),
        ("<AAAAAABBBBBBCCCCCC AAAAAABBBBBB>", "<[secret] [secret]>"),
        ("AAAAAABBBBBBAAAAAABBBBBB", "[secret][secret]"),
        ("BBBBBBCCCCCCDDDDDD", "[secret]"),
        ("AAAAAABBBBBBCCCCCCDDDDDD", "[secret]"),
        ("AAAAAAxBBBBBBCCCCCCx", "AAAAAAx[secret]x"),
    ],
)
def test_of_secrets_that_overlap_nothing_is_left(text: str, clean: str) -> None:
    values = ["AAAAAABBBBBB", "BBBBBBCCCCCC", "CCCCCCDDDDDD"]
    for order in (values, values[::-1]):
        assert Redactor(order).redact(text) == clean


def test_a_secret_that_is_a_part_of_the_mask_does_not_mask_the_mask() -> None:
    assert Redactor(["secret", "made-up-token"]).redact("made-up-token") == "[secret]"


LONG = "A1b2C3d4E5f6G7h8-" * 9


@pytest.mark.parametrize("secret", [LONG, LONG * 9, "made-up/pass+word&ö", "plain-token_1"])
@pytest.mark.parametrize("lines", [64, 76])
@pytest.mark.parametrize(
    "end", ["\n", "\r\n", "\\n", "\\r\\n", "\\\\n", " ", "\n    ", "%0A", "%250D%250A"]
)
def test_base64_that_is_broken_into_lines_is_found(secret: str, lines: int, end: str) -> None:
    """Wherever in a longer text it stands, so wherever the line break falls into it."""
    redactor = Redactor([secret])
    for before in range(0, 76, 3):
        for shift in ("", "x", "xx"):
            raw = ("-" * before + shift + secret + "=" * 40).encode()
            coded = base64.b64encode(raw).decode()
            text = end.join(coded[at : at + lines] for at in range(0, len(coded), lines))
            clean = redactor.redact(text)
            assert redactor.finds(text) and "[secret]" in clean
            # No line of the secret is left: what is before and after it is known.
            assert len(clean.replace(end, "")) <= len(coded) - len(secret) * 8 // 6 + 8 + 4


def test_a_private_key_in_base64_is_found_whole() -> None:
    key = "-----BEGIN KEY-----\n" + "".join(f"{n:064x}\n" for n in range(50))
    coded = base64.encodebytes(key.encode()).decode()
    assert Redactor([key]).redact(f"<{coded}>").startswith("<[secret]")


@pytest.mark.parametrize(
    ("given", "inside"),
    [
        ({"user": "made-up-user", "keys": ["made-up-key"]}, ["made-up-user", "made-up-key"]),
        (["made-up-key", ["made-up-other", {"deep": "made-up-third"}]], ["made-up-third"]),
        ([{"n": 17, "none": None, "yes": True, "key": "made-up-key"}], ["made-up-key"]),
    ],
)
def test_the_texts_in_a_list_or_object_are_secrets(
    server: Faults, given: Any, inside: list[str]
) -> None:
    def step(fetch: Fetch) -> Page:
        raise ValueError(f"{' '.join(inside)} {fetch.secrets['apiToken']} {json.dumps(given)}")

    made = reading(server.url, step, auth=None, secrets=["apiToken"])
    with listening() as listener:
        message = error(made, secrets={"apiToken": given})
    assert "[secret]" in message
    assert not leaks(message + listener.text, inside)


def test_values_under_six_characters_are_left_alone() -> None:
    redactor = Redactor(["abcde", "", " abc  "])
    assert redactor.redact("abcde in a text") == "abcde in a text"
    assert not redactor.finds("abcde")


def test_a_secret_counts_with_and_without_the_space_around_it() -> None:
    redactor = Redactor(["  made-up-token \n"])
    assert redactor.redact("<made-up-token>") == "<[secret]>"
    assert redactor.redact("<  made-up-token \n>") == "<[secret]>"


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("é" * 60, "\ufffd" * 20_000),
        ("\\" * 60, "\\" * 5_000 + "x"),
        ("\\n" * 40, "\\" * 3_000),
        (" \n" * 30, "\\n" * 3_000),
        ("%25" * 20, "%25" * 5_000),
        ("&amp;" * 20, "&amp;" * 5_000 + "x"),
        ("é\ufffd" * 20, "\ufffd" * 5_000),
        ("ab/" * 30 + "c", "ab\\/" * 5_000),
    ],
)
def test_a_strange_secret_does_not_make_the_search_endless(secret: str, text: str) -> None:
    redactor = Redactor([secret, secret + "z"])
    redactor.redact(text)
    redactor.redact(json.dumps(text))


def test_a_text_is_redacted_before_it_is_cut() -> None:
    redactor = Redactor(["made-up-token-1", PASSWORD])
    for before in range(180, 200):
        for secret in ("made-up-token-1", PASSWORD):
            clean = redactor.shorten("x" * before + json.dumps(secret), 200)
            assert clean.rstrip('"') in ("x" * before + '"[secret]')
    shown = redactor.shorten("made-up-token-1" * 100_000, 200)
    assert shown == ("[secret]" * 30)[:200]


def test_what_auth_makes_anew_for_each_request_is_kept_for_the_latest_ones() -> None:
    redactor = Redactor(["made-up-token-1"])
    for number in range(1000):
        redactor.add_passing(f"made-up-signature-{number}-end")
    assert redactor.finds("made-up-token-1")
    assert redactor.finds("made-up-signature-999-end")
    assert redactor.finds("made-up-signature-990-end")
    assert not redactor.finds("made-up-signature-900-end")
    assert len(list(redactor.values)) < 50


# ---- where secrets come from


def test_a_secret_of_the_request_goes_before_an_app_setting(
    server: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("apiToken", "made-up-setting")
    for typed, used in (
        ({"apiToken": "made-up-typed"}, "made-up-typed"),
        ({}, "made-up-setting"),
        ({"apiToken": ""}, "made-up-setting"),
        ({"apiToken": "  "}, "made-up-setting"),
        ({"apiToken": None}, "made-up-setting"),
    ):
        (seen,) = rows(reading(server.url, "/who"), secrets=typed)
        assert seen["headers"]["Authorization"] == f"Bearer {used}"


def test_an_app_setting_that_is_no_declared_secret_is_not_reached(
    server: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_SETTING", "made-up-setting")
    message = error(reading(server.url, lambda fetch: fetch.secrets["OTHER_SETTING"]))
    assert "the secret 'OTHER_SETTING' is missing or blank" in message


@pytest.mark.parametrize("where", ["request", "setting"])
@pytest.mark.parametrize(
    "reference",
    [
        "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/apiToken/)",
        "  @Microsoft.KeyVault(VaultName=v;SecretName=apiToken)",
    ],
)
def test_an_unresolved_key_vault_reference_is_told_apart_from_a_missing_secret(
    server: Faults, monkeypatch: pytest.MonkeyPatch, where: str, reference: str
) -> None:
    if where == "setting":
        monkeypatch.setenv("apiToken", reference)
    secrets = {"apiToken": reference} if where == "request" else {}
    for request in ({}, {"setup_test": True}):
        message = error(reading(server.url, "/who"), secrets=secrets, **request)
        assert "'apiToken' is a Key Vault reference that Azure could not resolve" in message
        assert "missing" not in message
        assert "vault.azure.net" not in message
    assert not server.visits


def test_settings_show_names_and_never_values() -> None:
    shown = Settings("secret", {"apiToken": "made-up-token-1", "other": "made-up-other"})
    assert repr(shown) == str(shown) == f"{shown}" == "<secret: apiToken, other>"
    assert "made-up" not in repr(vars(shown))
    with pytest.raises(MissingSetting) as missing:
        shown["more"]
    assert "made-up" not in repr(missing.value)


def test_nothing_that_caller_or_upstream_writes_is_expanded_into_a_secret(server: Faults) -> None:
    """Neither in a payload, nor in a state, a token, a header or a next URL."""
    references = ["{apiToken}", "${apiToken}", "%(apiToken)s", "{secrets[apiToken]}", "$apiToken"]
    written = " ".join(references)

    def step(fetch: Fetch) -> Page:
        fetch.get("/who", params={"x": fetch.payload["x"], "since": fetch.since})
        fetch.get("/who", headers={"X-Mine": fetch.payload["x"]})
        fetch.get(f"/who?next={fetch.payload['x']}")
        return Page()

    made = reading(server.url, step, auth=None, secrets=["apiToken"])
    call(made, customPayload={"x": written}, state={"thing": written})
    (first, second, third) = server.visits
    assert (first.params["x"], first.params["since"]) == (written, written)
    assert second.headers["X-Mine"] == written
    assert third.params["next"].replace(" ", "") == written.replace(" ", "")
    assert SECRETS["apiToken"] not in repr(server.visits)


# ---- state and tokens


def tokens_of(secret: str, given: str, basic: str) -> list[Any]:
    """Page tokens that tell something that must not be told."""
    return [
        secret,
        f"after {secret} comes more",
        [1, {"deep": [secret]}],
        {secret: 1},
        f"https://api.example.com/x?key={secret}",
        *(spelling for spelling in echoes.spellings(secret) if spelling),
        given,
        basic,
    ]


@pytest.mark.parametrize("where", ["token", "position", "cursor"])
@pytest.mark.parametrize("which", range(len(tokens_of(PASSWORD, "", "")) - 2))
def test_a_secret_is_not_kept_in_the_state_but_refused(
    server: Faults, where: str, which: int
) -> None:
    value = tokens_of(PASSWORD, "", "")[which]
    if where == "cursor" and not isinstance(value, str):
        value = json.dumps(value)

    def step(fetch: Fetch) -> Page:
        if where == "token":
            return Page([{"id": 1}], value)
        if where == "position":
            return Page([{"id": 1}], cursor=value)
        return Page([{"id": 1, "at": value}])

    entity = {"cursor": "at"} if where == "cursor" else {}
    with listening() as listener:
        reply = call(
            reading(server.url, step, entity, auth=None, secrets=["apiToken"]),
            secrets={"apiToken": PASSWORD},
        )
    assert "secret" in reply["errorMessage"]
    assert not leaks(told(reply) + listener.text, [PASSWORD])


@pytest.mark.parametrize("auth", ["basic", "oauth", "param"])
def test_what_auth_put_on_the_wire_is_not_kept_in_the_state_either(
    server: Faults, auth: str
) -> None:
    """The base64 of user and password; the OAuth token; the key in a URL of another parameter."""
    secrets = {"user": "the-client-id", "apiToken": "the-client-secret"}

    def step(fetch: Fetch) -> Page:
        fetch.get("/who")
        sent = server.visits[-1]
        said = sent.headers.get("Authorization", "").partition(" ")[2]
        return Page([{"id": 1}], said or f"/x?other={sent.params['api_key']}")

    message = error(reading(server.url, step, auth=AUTHS[auth]), secrets=secrets)
    assert "the next token holds a secret" in message


def test_a_secret_in_the_state_that_came_is_not_sent_back(server: Faults) -> None:
    body = {"state": {"thing": PASSWORD}, "secrets": {"apiToken": PASSWORD}}
    for more in ({}, {"setup_test": True}):
        with listening() as listener:
            _, reply = answer(
                reading(server.url, "/nowhere", {"cursor": "at"}),
                json.dumps({**body, **more}).encode(),
            )
        assert "errorMessage" in json.loads(reply)
        assert not leaks(reply.decode() + listener.text, [PASSWORD])


def test_a_secret_in_a_row_is_the_users_own_and_is_logged(server: Faults) -> None:
    row = {"id": 1, "note": f"my key is {PASSWORD}"}
    with listening() as listener:
        reply = call(
            reading(server.url, lambda fetch: Page([row]), secrets=["apiToken"]),
            secrets={"apiToken": PASSWORD},
        )
    assert reply["insert"]["thing"] == [row]
    assert "event=secret_in_row" in listener.text
    assert not leaks(listener.text, [PASSWORD])


# ---- log records


def logged(write: Callable[[logging.Logger], Any], secret: str = PASSWORD) -> str:
    """All that is told by what somebody logs while a call with this secret runs."""
    with Faults() as server, listening() as listener:

        def step(fetch: Fetch) -> Page:
            write(MINE)
            return Page()

        call(
            reading(server.url, step, auth=None, secrets=["apiToken"]), secrets={"apiToken": secret}
        )
    return listener.text


class Odd:
    """Its text is harmless, its repr is not."""

    def __str__(self) -> str:
        return "harmless"

    def __repr__(self) -> str:
        return f"<Odd {PASSWORD}>"


class Broken:
    def __str__(self) -> str:
        raise RuntimeError(PASSWORD)

    __repr__ = __str__


def raising(logger: logging.Logger) -> None:
    try:
        try:
            raise KeyError(PASSWORD)
        except KeyError:
            raise ValueError("what came of it") from None
    except ValueError:
        logger.exception("it failed")
        logger.warning("it failed", exc_info=True, stack_info=True)


def hiding(logger: logging.Logger) -> None:
    class Hidden(Exception):
        def __str__(self) -> str:
            return "harmless"

    try:
        raise Hidden(PASSWORD)
    except Hidden as hidden:
        logger.error("it failed: %s", hidden, exc_info=True)


WRITES: dict[str, Callable[[logging.Logger], Any]] = {
    "message": lambda logger: logger.info(f"the key is {PASSWORD}"),
    "argument": lambda logger: logger.info("the key is %s", PASSWORD),
    "repr": lambda logger: logger.info("the key is %r", PASSWORD),
    "json": lambda logger: logger.info(json.dumps({"key": PASSWORD})),
    "several": lambda logger: logger.info("%s %d %s", 1, 2, {"key": [PASSWORD]}),
    "mapping": lambda logger: logger.info("%(key)s of %(who)s", {"key": PASSWORD, "who": "me"}),
    "cut": lambda logger: logger.info("%.9s is how it starts", PASSWORD),
    "too many": lambda logger: logger.info("no place for it", PASSWORD),
    "too few": lambda logger: logger.info("%s and %s", PASSWORD),
    "wrong kind": lambda logger: logger.info("%d of them", PASSWORD),
    "object": lambda logger: logger.info(ValueError(PASSWORD)),
    "odd": lambda logger: logger.info("%s", Odd()),
    "odd message": lambda logger: logger.info(Odd()),
    "broken": lambda logger: logger.info("%s", Broken()),
    "broken message": lambda logger: logger.info(Broken()),
    "exception": raising,
    "hiding exception": hiding,
    "extra": lambda logger: logger.info("see the field", extra={"key": PASSWORD, "n": 1}),
    "deep extra": lambda logger: logger.info("see", extra={"key": {"a": [PASSWORD]}}),
    "adapter": lambda logger: logging.LoggerAdapter(logger, {"key": PASSWORD}).info("see"),
    "bytes": lambda logger: logger.info("%s", PASSWORD.encode()),
    "debug": lambda logger: logger.debug("the key is %s", PASSWORD),
    "connector's own": lambda _: log.logger.info(PASSWORD),
    "made record": lambda logger: logger.handle(
        logging.makeLogRecord({"msg": PASSWORD, "levelno": 20, "levelname": "INFO"})
    ),
}


# Those whose secret stands in what is dropped, and not in what is shown.
UNSHOWN = ("cut", "odd", "odd message", "broken", "broken message", "exception", "hiding exception")


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_no_log_record_tells_a_secret_however_it_was_written(
    write: Callable[[logging.Logger], Any],
) -> None:
    told = logged(write)
    assert not leaks(told, [PASSWORD])
    if write not in map(WRITES.get, UNSHOWN):
        assert "[secret]" in told
    # As long a part as cannot be chance; "%.9s" must not cut it out first.
    assert PASSWORD[:9] not in told


def test_a_record_without_a_secret_stays_as_it_was() -> None:
    records: list[logging.LogRecord] = []
    arguments = ("one", 2, {"three": 3.5}, ValueError("four"))

    def write(logger: logging.Logger) -> None:
        handler = logging.Handler()
        handler.emit = records.append  # type: ignore[method-assign]
        logger.addHandler(handler)
        try:
            raise arguments[3]  # type: ignore[misc]
        except ValueError:
            logger.info("%s %d %s %s", *arguments, exc_info=True, extra={"mine": [1]})
        finally:
            logger.removeHandler(handler)

    logged(write)
    (record,) = records
    assert record.args == arguments
    assert all(a is b for a, b in zip(record.args, arguments, strict=True))
    assert record.exc_info and record.exc_info[1] is arguments[3]
    assert record.__dict__["mine"] == [1]


def test_a_factory_that_the_user_sets_is_kept_and_what_it_adds_is_redacted() -> None:
    before = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        record.msg = f"{record.msg} {PASSWORD} by-the-factory"
        return record

    logging.setLogRecordFactory(factory)
    try:
        told = logged(lambda logger: logger.info("it is"))
    finally:
        logging.setLogRecordFactory(before)
    assert "it is [secret] by-the-factory" in told
    assert not leaks(told, [PASSWORD])


def test_the_factory_is_set_once(server: Faults) -> None:
    rows(reading(server.url, "/rows"))
    factory = logging.getLogRecordFactory()
    rows(reading(server.url, "/rows"))
    assert logging.getLogRecordFactory() is factory


def test_a_secret_is_kept_out_of_other_calls_and_other_threads_lines(server: Faults) -> None:
    """Also when a hundred short calls ran since this one began."""
    begun, go_on = threading.Event(), threading.Event()

    def step(fetch: Fetch) -> Page:
        begun.set()
        go_on.wait(30)
        return Page()

    long = reading(server.url, step)
    thread = threading.Thread(
        target=call, args=(long,), kwargs={"secrets": {"apiToken": PASSWORD}}, daemon=True
    )
    with listening() as listener:
        thread.start()
        begun.wait(30)
        for number in range(100):
            call(reading(server.url, lambda _: Page()), secrets={"apiToken": f"made-up-{number}-x"})
        MINE.info("in the meantime %s", PASSWORD)
        go_on.set()
        thread.join(30)
        MINE.info("right after it %s", PASSWORD)
    assert "in the meantime [secret]" in listener.text
    assert "right after it [secret]" in listener.text
    assert not leaks(listener.text, [PASSWORD])


@pytest.mark.parametrize("auth", AUTHS)
def test_what_urllib3_and_requests_log_at_debug_holds_no_credential(
    server: Faults, auth: str
) -> None:
    secrets = {"user": "the-client-id", "apiToken": "the-client-secret"}
    with listening() as listener:
        rows(reading(server.url, "/who?x=1", auth=AUTHS[auth]), secrets=secrets)
    assert "/who?x=1" in listener.text
    assert "urllib3.connectionpool" in listener.text
    assert not leaks(listener.text, [*secrets.values(), *server.tokens])


def test_a_line_cannot_be_forged() -> None:
    said = log.line("x", a='b"\n\r\u2028\u2029\x85\x1b[2J\x00\v\fc\\', b="plain", c=None, d="")
    assert said.splitlines() == [said]
    assert said.isprintable()
    assert said == 'event=x a="b\\"      [2J   c\\\\" b=plain d=""'


@pytest.mark.parametrize("secret", ["made-up-token-1", PASSWORD])
@pytest.mark.parametrize(
    "forged", ["x\nevent=call rows=1", "{}\r\nX: 1", "setup-test\n", "\u2028{}", "{}", "\x1b[31m{}"]
)
def test_a_forged_sync_id_or_agent_forges_no_line_and_tells_nothing(
    server: Faults, forged: str, secret: str
) -> None:
    said = forged.format(secret)
    with listening() as listener:
        for path in ("/rows", "/nowhere"):
            reply = call(
                reading(server.url, path),
                sync_id=said,
                agent=f"{said} {secret}",
                secrets={"apiToken": secret},
            )
            assert not leaks(told(reply), [secret])
    assert "sync_id=invalid" in listener.text
    assert not leaks(listener.text, [secret])
    for record in listener.told:
        assert "\nevent=call rows=1" not in record
        assert "\x1b" not in record


def test_a_good_sync_id_is_logged(server: Faults) -> None:
    name = str(uuid4())
    with listening() as listener:
        rows(reading(server.url, "/rows"), sync_id=name)
    assert f"sync_id={name}" in listener.text


# ---- error reports


def test_a_message_is_redacted_before_it_is_cut_to_8000_characters() -> None:
    redactor = Redactor([PASSWORD])
    for before in range(report.LONGEST - 40, report.LONGEST, 7):
        raised = ValueError("x" * before + PASSWORD)
        said = report.report([raised], {}, redactor).decode()
        assert not leaks(said, [PASSWORD])
        assert PASSWORD[:9] not in said


def test_several_errors_are_each_redacted() -> None:
    redactor = Redactor([PASSWORD])
    errors = [ValueError("x" * 9000 + PASSWORD), KeyError(PASSWORD), UpstreamError(PASSWORD)]
    assert not leaks(report.report(errors, {}, redactor).decode(), [PASSWORD])


def test_type_trace_and_notes_are_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of code that the trace shows is this file's, which holds the secret."""
    monkeypatch.setattr(report, "PROJECT", report.Path(__file__).parent)
    secret = "made_up_secret_in_a_name"
    try:
        raise type(secret, (Exception,), {})("made_up_secret_in_a_name")
    except Exception as raised:
        raised.add_note(f"a note of {secret}")
        reply = json.loads(report.report([raised], {}, Redactor([secret])))
    assert reply["errorType"] == "[secret]"
    assert reply["stackTrace"][0][0] == "test_secrets.py"
    assert 'raise type(secret, (Exception,), {})("[secret]")' in reply["stackTrace"][0][3]
    assert secret not in json.dumps(reply)


@pytest.mark.parametrize("raised", [Broken, lambda: ValueError(Broken()), lambda: Odd()])
def test_an_exception_that_cannot_be_shown_is_reported(server: Faults, raised: Any) -> None:
    class Unshown(Exception):
        def __str__(self) -> str:
            return str(raised())

    def step(fetch: Fetch) -> Page:
        raise Unshown(PASSWORD)

    with listening() as listener:
        message = error(
            reading(server.url, step, secrets=["apiToken"]), secrets={"apiToken": PASSWORD}
        )
    assert "Unshown" in message
    assert not leaks(message + listener.text, [PASSWORD])


def test_the_proxys_password_is_a_secret(server: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_PROXY", "http://me:made%2Dup%2Fproxy@127.0.0.1:9")

    def step(fetch: Fetch) -> Page:
        raise ValueError("http://me:made%2Dup%2Fproxy@127.0.0.1:9 made-up/proxy")

    with listening() as listener:
        message = error(reading(server.url, step))
    assert not leaks(message + listener.text, ["made-up/proxy"])


def test_a_setup_test_tells_no_secret(server: Faults) -> None:
    with listening() as listener:
        made = reading(server.url, "/echo?where=all")
        reply = call(made, secrets={"apiToken": PASSWORD.strip("ü")}, setup_test=True)
    assert "[secret]" in reply["errorMessage"]
    assert not leaks(told(reply) + listener.text, [PASSWORD.strip("ü")])


# ---- what a step can reach


def reachable(root: Any) -> list[Any]:
    """Every object that can be reached from one, by attributes, items, closures and causes."""
    found: dict[int, Any] = {}
    left = [root]
    skipped = (type, type(json), logging.Logger, threading.Thread, str, bytes, int, float)
    while left:
        one = left.pop()
        tests_own = getattr(one, "__module__", None) == __name__ or isinstance(one, Faults)
        if id(one) in found or one is None or isinstance(one, skipped) or tests_own:
            continue
        found[id(one)] = one
        left += vars(one).values() if hasattr(one, "__dict__") else []
        for kind in type(one).__mro__:
            slots = kind.__dict__.get("__slots__", ())
            left += [getattr(one, s, None) for s in ([slots] if isinstance(slots, str) else slots)]
        if isinstance(one, Mapping):
            left += [*one.keys()]
            left += [value for _, value in dict.items(one)] if isinstance(one, dict) else []
        elif isinstance(one, (list, tuple, set, frozenset)):
            left += one
        if isinstance(one, functools.partial):
            left += [one.func, one.args, one.keywords]
        if isinstance(one, BaseException):
            left += [one.__cause__, one.__context__, one.args]
        left += [cell.cell_contents for cell in getattr(one, "__closure__", None) or ()]
        left.append(getattr(one, "__self__", None))
    return list(found.values())


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("path", ["/rows", "/hop?to=/rows", "/status?code=400", "/cut", "/loop"])
def test_no_repr_of_what_a_step_can_reach_tells_a_secret(
    server: Faults, clock: HeldClock, auth: str, path: str
) -> None:
    secrets = {"user": "the-client-id", "apiToken": "the-client-secret"}
    leaking: list[str] = []
    kinds: set[str] = set()

    def step(fetch: Fetch) -> Page:
        roots: list[Any] = [fetch, step, getattr(fetch, "log", None)]
        try:
            roots.append(fetch.get(path))
        except UpstreamError as raised:
            roots.append(raised)
        if server.tokens:
            del server.tokens[:-1]
        for one in reachable(roots):
            if leaks(f"{one!r}", [*secrets.values(), *server.tokens]):
                leaking.append(f"{type(one)}: {one!r:.200}")
        kinds.update(type(one).__name__ for one in reachable(roots))
        return Page()

    made = reading(server.url, step, auth=AUTHS[auth])
    call(made, secrets=secrets)
    assert {"Settings", "Redactor", "Upstream", "Signer", "Source", "Entity"} <= kinds
    assert {"Response", "UpstreamError"} & kinds
    assert not leaking


# ---- all of it at once


Ask = Callable[[Fetch], Any]


def everything(fetch: Fetch) -> str:
    """What somebody prints who looks for a mistake."""
    keys = {name: fetch.secrets[name] for name in fetch.secrets}
    return f"{fetch!r} {vars(fetch)} {keys} {json.dumps(keys)} {fetch.payload._values} {keys!r:.60}"


def raise_all(fetch: Fetch) -> Any:
    raise RuntimeError(everything(fetch))


def raise_text(fetch: Fetch) -> Any:
    response = fetch.get("/echo?where=all&code=400", ok=[400])
    raise RuntimeError(f"{response.text} {response.headers} {response.content!r}"[:3000])


def raise_from(fetch: Fetch) -> Any:
    try:
        fetch.get("/echo?where=json")
    except UpstreamError as raised:
        raise KeyError(fetch.secrets["apiToken"], raised) from raised


def log_all(fetch: Fetch) -> Any:
    try:
        fetch.get("/echo?where=html")
    except UpstreamError:
        fetch.log.exception("failed with %s", everything(fetch))
    MINE.debug("all: %r %(a)s" if False else "all: %r", fetch.secrets["apiToken"], stack_info=True)
    logging.getLogger("requests.mine").warning(everything(fetch), extra={"it": everything(fetch)})
    return Page([{"id": 1}], fetch.secrets["apiToken"])


def raising_with(kind: Any) -> Ask:
    def ask(fetch: Fetch) -> Any:
        raise kind(fetch.secrets["apiToken"])

    return ask


def at_closed_port(fetch: Fetch) -> Any:
    with closed_port() as url:
        return fetch.get(f"{url}/x?key={fetch.secrets['apiToken']}")


PLACES: dict[str, Ask] = {
    **{
        f"echo {where}": functools.partial(
            lambda fetch, where: Page(fetch.get("/echo", params={"where": where}).rows("data")),
            where=where,
        )
        for where in echoes.ECHOES
    },
    "echo 401": lambda fetch: fetch.get("/echo?where=json&code=401"),
    "echo 500": lambda fetch: fetch.get("/echo?where=html&code=500"),
    "echoed next URL": lambda fetch: Page([], fetch.get("/echo?where=next").value("next")),
    "echoed token": lambda fetch: Page([], fetch.get("/echo?where=token").value("next")),
    "echoed position": lambda fetch: Page([], cursor=fetch.get("/echo?where=token").value("next")),
    "echoed keys": lambda fetch: fetch.get("/echo?where=keys").value("data"),
    "echoed errors": lambda fetch: fetch.get("/echo?where=errors").value("data"),
    "echoed content type": lambda fetch: fetch.get("/echo?where=content-type").json(),
    "key in a path": lambda fetch: fetch.get(f"/nowhere/{fetch.secrets['apiToken']}"),
    "key in a query": lambda fetch: fetch.get("/nowhere", params={"k": fetch.secrets["apiToken"]}),
    "key in a header": lambda fetch: fetch.get(
        "/status?code=400", headers={"X-Key": fetch.secrets["apiToken"]}
    ),
    "key in a header's name": lambda fetch: fetch.get(
        "/rows", headers={fetch.secrets["apiToken"]: "1"}
    ),
    "key in a body": lambda fetch: fetch.post(
        "/echo?where=json", json={"key": fetch.secrets["apiToken"]}
    ),
    "key in a method": lambda fetch: fetch.request(fetch.secrets["apiToken"], "/rows"),
    "key as a host": lambda fetch: fetch.get(f"https://{fetch.secrets['apiToken']}.example/"),
    "key for another host": lambda fetch: fetch.get(
        f"{fetch.payload['elsewhere']}/x?key={fetch.secrets['apiToken']}"
    ),
    "redirect with the key": lambda fetch: fetch.get(
        "/hop", params={"to": f"http://elsewhere.example/?k={fetch.secrets['apiToken']}"}
    ),
    "redirect to nonsense": lambda fetch: fetch.get(
        "/hop", params={"to": f"http://[{fetch.secrets['apiToken']}"}
    ),
    "nobody listens": at_closed_port,
    "cut": lambda fetch: fetch.get("/cut", params={"k": fetch.secrets["apiToken"]}),
    "reset": lambda fetch: fetch.get("/reset", params={"k": fetch.secrets["apiToken"]}),
    "loop": lambda fetch: fetch.get("/loop", params={"k": fetch.secrets["apiToken"]}),
    "rate limit": lambda fetch: fetch.get(
        "/status?code=429&after=9999", params={"k": fetch.secrets["apiToken"]}
    ),
    "raise all": raise_all,
    "raise text": raise_text,
    "raise from": raise_from,
    "log all": log_all,
    "missing key": lambda fetch: fetch.secrets[fetch.secrets["apiToken"]],
    "retry later": lambda fetch: (_ for _ in ()).throw(RetryLater(9999, fetch.secrets["apiToken"])),
    "token expired": raising_with(TokenExpired),
    "start over": raising_with(StartOver),
    "upstream error": raising_with(UpstreamError),
    "os error": raising_with(OSError),
    "unicode error": lambda fetch: fetch.secrets["apiToken"].encode("ascii") + b"\xff".decode(),
    "wrong page": lambda fetch: fetch.secrets["apiToken"],
    "wrong rows": lambda fetch: Page(fetch.secrets["apiToken"]),
    "wrong row": lambda fetch: Page([fetch.secrets["apiToken"]]),
    "wrong value": lambda fetch: Page([{"id": 1, fetch.secrets["apiToken"]: object()}]),
    "wrong key": lambda fetch: Page([{"id": [fetch.secrets["apiToken"]]}]),
    "undeclared table": lambda fetch: Page([], tables={fetch.secrets["apiToken"]: [{"id": 1}]}),
    "wrong token": lambda fetch: Page([], {fetch.secrets["apiToken"]: object()}),
    "wrong since": lambda fetch: replace(fetch, since=fetch.secrets["apiToken"]).since_as("iso"),
    "key of a row": lambda fetch: Page([{"id": fetch.secrets["apiToken"]}] * 2, 1),
    "good": lambda fetch: Page(fetch.get("/who").rows("data")),
}
HTTP_WILL_NOT = re.compile(r"[\x00-\x1f\x7f]|[^\x00-\xff]")


@pytest.fixture(scope="module")
def shared() -> Iterator[Faults]:
    with Faults() as faults:
        yield faults


@pytest.mark.parametrize("auth", AUTHS)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_whatever_fails_wherever_no_secret_leaves(
    shared: Faults, auth: str, data: st.DataObject
) -> None:
    place = data.draw(st.sampled_from(sorted(PLACES)), label="place")
    secret = data.draw(keys if data.draw(st.booleans(), label="plain") else texts, label="secret")
    user = data.draw(keys, label="user").replace(":", ".")
    refused = data.draw(st.booleans(), label="client refused")
    assume(secret.strip() not in user and user.strip() not in secret)
    oauth._kept.clear()
    shared.tokens.clear()
    # A server that was told another secret refuses this one.
    shared.clients = {user.strip(): "x" if refused else secret.strip()}

    def step(fetch: Fetch) -> Page:
        page = PLACES[place](fetch)
        return page if isinstance(page, Page) or place == "wrong page" else Page([], str(page))

    made = reading(
        shared.url,
        step,
        auth=AUTHS[auth],
        secrets=["apiToken"],
        allowed_hosts=["localhost"],
    )
    request = {
        "secrets": {"apiToken": secret, "user": user},
        "customPayload": {"elsewhere": shared.elsewhere, "same": secret},
        "sync_id": data.draw(st.sampled_from([str(uuid4()), f"\n{secret}"]), label="sync id"),
        "setup_test": data.draw(st.booleans(), label="setup test"),
        "state": {},
    }
    with held_clock(), listening() as listener:
        _, reply = answer(made, json.dumps(request).encode())
    left = told(json.loads(reply)) + listener.text
    told_at_all = leaks(left, [secret.strip(), user.strip(), *shared.tokens])
    assert not told_at_all, left[:5000]


@pytest.mark.parametrize("place", PLACES)
def test_each_place_fails_and_tells_no_secret(shared: Faults, place: str) -> None:
    """Each of the places above at least once, with a key that any header can carry."""
    secret = "made-up/pass+word&'%-_~0815"

    def step(fetch: Fetch) -> Page:
        page = PLACES[place](fetch)
        return page if isinstance(page, Page) or place == "wrong page" else Page([], str(page))

    made = reading(shared.url, step, allowed_hosts=["localhost"])
    with held_clock(), listening() as listener:
        reply = call(
            made, secrets={"apiToken": secret}, customPayload={"elsewhere": shared.elsewhere}
        )
    harmless = {"good", "echo redirect", "echo token", "echo next", "log all", "key of a row"}
    harmless |= {"key in a header's name"}
    assert ("errorMessage" in reply) or place in harmless, reply
    assert not leaks(told(reply) + listener.text, [secret])


def test_both_secrets_of_two_connections_at_once_stay_inside(shared: Faults) -> None:
    names = [f"made-up/{n}/token" for n in range(4)]
    made = reading(shared.url, "/echo?where=all")
    replies: list[str] = []

    def connection(name: str) -> None:
        replies.append(told(call(made, secrets={"apiToken": name})))

    threads = [threading.Thread(target=connection, args=(name,)) for name in names]
    with listening() as listener:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert len(replies) == 4
    assert not leaks("".join(replies) + listener.text, names)


def test_a_source_shows_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("apiToken", PASSWORD)
    made = source("https://api.example.com")
    assert not leaks(f"{made!r} {vars(made)!r}", [PASSWORD])
