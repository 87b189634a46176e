"""One call of Fivetran's function protocol: its request, its reply, and what both brought."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness import codec
from harness.errors import FunctionFailed, HarnessError, ProtocolBroken
from harness.protocol import body
from harness.protocol.rule import ERROR, RULES, WARNING, rule
from harness.protocol.rule import Fault as Fault
from harness.redact import Redactor

if TYPE_CHECKING:
    from harness.project import Connection
    from harness.warehouse.load import Noticed

AZURE_SECONDS = 230  # Azure ends an HTTP-triggered call then, whatever functionTimeout says
SETUP_TEST = "setup-test"  # `sync_id` of a setup test


@dataclass(frozen=True)
class Answer:
    """What came back from one call."""

    status: int  # HTTP status, 0 if the reply is lost
    content_type: str
    body: bytes
    seconds: float
    failure: str = ""  # traceback of an exception that the function did not catch
    lost: bool = False  # a time-out, a broken connection
    why: str = ""  # why it is lost, in one sentence


@dataclass
class Reply:
    """A reply, as far as it can be read; what is wrong with it by itself is in `faults`."""

    size: int = 0  # bytes
    faults: list[Fault] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)  # {} if it is not an object
    error: str = ""  # `errorMessage`, redacted
    kind: str = ""  # `errorType`
    trace: list[str] = field(default_factory=list)  # lines of `stackTrace`, or of a traceback
    state: dict[str, Any] | None = None  # None if it is missing or not an object
    has_more: bool = False  # also False if it is not a boolean
    insert: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    delete: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    soft_delete: list[str] = field(default_factory=list)
    schema: dict[str, list[str]] = field(default_factory=dict)  # [] for no primary key
    usable: bool = False  # status 200, a state, no error, no secret outside its records

    @property
    def is_empty(self) -> bool:
        """Whether it delivers, deletes and marks nothing."""
        rows = (*self.insert.values(), *self.delete.values())
        return not any(rows) and not self.soft_delete

    def failure(self) -> HarnessError | None:
        """What ends a command: the error that the function reported, or the first broken rule."""
        if self.error:
            return FunctionFailed(self.error, kind=self.kind, trace="\n".join(self.trace))
        for fault in self.faults:
            if RULES[fault.rule].severity == ERROR:
                where = "" if fault.where in fault.what else f"{fault.where}: "
                row = f"\n{fault.row}" if fault.row else ""
                todo = fault.todo or RULES[fault.rule].fix
                broken = ProtocolBroken(f"{where}{fault.what}{row}", todo, rule=fault.rule)
                if self.trace:
                    broken.add_note("\n".join(self.trace))
                return broken
        return None


@dataclass(frozen=True)
class Exchange:
    """One call of a run and its reply.

    Attributes:
        number: Of the call in its run, from 1; a try that is repeated counts again.
        before: The state sent.
        answer: What came back; `answer.lost` if nothing came.
        noticed: What the destination noticed; None if nothing was applied.
    """

    number: int
    sync_id: str | None
    setup_test: bool
    before: dict[str, Any]
    answer: Answer
    reply: Reply
    request_bytes: int
    noticed: Noticed | None = None


def request(
    connection: Connection,
    state: Mapping[str, Any],
    *,
    sync_id: str | None,
    setup_test: bool = False,
) -> bytes:
    """The body of one call; `sync_id` is a UUID, `SETUP_TEST`, or left out."""
    fields: dict[str, Any] = {
        "agent": f"Fivetran Azure Functions Connector/local_harness/{connection.schema}",
        "state": state,
        "secrets": connection.secrets,
        "customPayload": connection.payload,
    }
    if setup_test:
        fields["setup_test"] = True
    if sync_id is not None:
        fields["sync_id"] = sync_id
    return codec.encode(fields)


rule("no-reply", ERROR, "no reply came, or it came too late",
     "calls again with the same state, and gives up after some tries; Azure ends every call after "
     "230 s",
     "read the function's log; if it was too slow, deliver fewer records per call with hasMore: "
     "true, and in a setup test make one light request")  # fmt: skip
rule("no-post", ERROR, "the function does not accept POST",
     "sends only POST requests, so every call fails",
     'accept POST: methods=["POST"] in Python, methods: ["POST"] in JavaScript')  # fmt: skip
rule("http-status", ERROR, "the HTTP status of the reply is not 200",
     "shows a failed call and may not read the body",
     "always return status 200; catch every exception and report it with errorMessage")  # fmt: skip
rule("content-type", ERROR, "the Content-Type is not application/json",
     "requires application/json",
     "send the header Content-Type: application/json")  # fmt: skip
rule("error-shape", WARNING, "an error report has an undocumented shape, or comes with data",
     "ignores rows and a new state beside an error, and tries again from the state of the last "
     "successful reply; with a status other than 200 it may not show the message",
     "return status 200 with errorMessage, errorType as text and stackTrace as [[file, line, "
     "function, code]]; deliver rows first with hasMore: true, and report the error in the next "
     "call")  # fmt: skip
_LET_IN = (
    "if the function needs a key, pass it with --key or in FUNCTION_KEY (Fivetran sends it in the "
    "header x-functions-key, and supports no other login); a firewall can also be the cause"
)
_ADVICE = {  # what to do about a status, wherever the function runs
    201: "return status 200, also when the call created something",
    401: _LET_IN,
    403: _LET_IN,
    404: "check the URL, and that the function accepts POST: some hosts answer 404 if it does not",
    500: "the function raised an exception or returned nothing: see its log; catch every "
    "exception and report it with errorMessage and status 200",
}


def read(answer: Answer, redactor: Redactor) -> Reply:
    """Read a reply. It raises nothing: what is wrong is in the reply's faults."""
    reply = Reply(size=len(answer.body), trace=redactor.text(answer.failure).splitlines())
    reply.faults = [fault.clean(redactor) for fault in _read(reply, answer, redactor)]
    return reply


def _read(reply: Reply, answer: Answer, redactor: Redactor) -> Iterator[Fault]:
    """Fills in the reply and gives its faults."""
    if answer.lost:
        yield Fault("no-reply", answer.why or "no reply came")
        return
    value, wrong = body.decoded(answer.body, redactor)
    if isinstance(value, dict):
        _fill(reply, value, redactor)
    reports = reply.data.get("errorMessage") is not None
    if answer.status == 405:
        yield Fault("no-post", "the function answered HTTP 405 to a POST request")
    elif answer.status != 200 and reports:
        yield Fault("error-shape", f"errorMessage comes with HTTP {answer.status}")
    elif answer.status != 200:
        yield _status(answer)
    is_json = value is not None or not wrong
    if is_json and (answer.status == 200 or reports):
        kind = answer.content_type.partition(";")[0].strip().lower()
        if kind != "application/json":
            yield Fault("content-type", f"the Content-Type is {answer.content_type or 'missing'}")
    # Another status without such fields comes from a gateway or a web framework.
    if answer.status == 200 or reports or "state" in reply.data:
        yield from wrong
        yield from body.shape(value) if is_json else ()
    leaks = body.leaks(answer.body, reply.data, redactor)
    yield from leaks
    sound = answer.status == 200 and reply.state is not None and not reports
    reply.usable = sound and all(leak.rule != "secret-in-reply" for leak in leaks)


def _fill(reply: Reply, data: dict[str, Any], redactor: Redactor) -> None:
    """Takes what can be used; what cannot has its fault already."""
    reply.data = data
    state, schema = data.get("state"), data.get("schema")
    reply.state = state if isinstance(state, dict) else None
    reply.has_more = data.get("hasMore") is True
    reply.insert, reply.delete = _records(data.get("insert")), _records(data.get("delete"))
    reply.soft_delete = _texts(data.get("softDelete"))
    for entity, entry in schema.items() if isinstance(schema, dict) else ():
        reply.schema[entity] = _texts(entry.get("primary_key") if isinstance(entry, dict) else None)
    message, kind = data.get("errorMessage"), data.get("errorType")
    if isinstance(message, str):
        reply.error = redactor.text(message).strip()
        reply.kind = redactor.text(kind) if isinstance(kind, str) else ""
    if trace := data.get("stackTrace") or data.get("trace"):
        reply.trace = redactor.text("\n".join(_trace(trace))).splitlines()


def _texts(value: Any) -> list[str]:
    """The entries of a list that are not blank."""
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str) and item]


def _records(value: Any) -> dict[str, list[dict[str, Any]]]:
    """The records of insert or delete that are objects; an entity without any stays."""
    return {
        entity: rows
        if set(map(type, rows)) <= {dict}
        else [row for row in rows if isinstance(row, dict)]
        for entity, rows in (value.items() if isinstance(value, dict) else ())
        if isinstance(rows, list)
    }


def _trace(trace: Any) -> Iterator[str]:
    """Lines of a stackTrace: `[file, line, function, code]` each, or text."""
    for frame in trace if isinstance(trace, list) else [trace]:
        if isinstance(frame, list) and len(frame) == 4:
            file, line, function, code = frame
            yield f"{file}:{line} in {function}"
            if code:
                yield f"    {code}"
        else:
            yield str(frame)


def _status(answer: Answer) -> Fault:
    text = answer.failure.strip().rpartition("\n")[2] or body.readable(answer.body)
    what = f": {text}" if text else " with an empty body"
    todo = "" if answer.status == 500 and text else _ADVICE.get(answer.status, "")
    return Fault("http-status", f"the function answered HTTP {answer.status}{what}", todo=todo)
