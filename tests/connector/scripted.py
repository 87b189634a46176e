"""A scripted upstream behind the transport, and sources that read from it."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from connector import BearerToken, Page, Source, testing
from connector.testing import Reply

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
SECRETS = {"apiToken": "made-up-token-1"}


def iso(seconds, form="%Y-%m-%dT%H:%M:%SZ"):
    """An instant so many seconds after the clock's start, as an upstream writes it."""
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime(form)


def dated(*cursors):
    """Records with these cursors, numbered in this order."""
    return [{"id": i, "at": cursor} for i, cursor in enumerate(cursors)]


def days(*ago):
    """Records that changed so many days ago."""
    return dated(*(iso(-86400 * each) for each in ago))


def http_date(seconds):
    """The `Date` header of an upstream whose clock is so many seconds after START."""
    return iso(seconds, "%a, %d %b %Y %H:%M:%S GMT")


class Upstream:
    """Answers every request with what a function makes of it, and remembers what was asked.

    The function gives a `Reply`, bytes, or Python values that are sent as JSON.
    """

    most = 10_000  # requests; a walk that never ends fails its test instead of hanging it

    def __init__(self, answers):
        self.answers = answers
        self.asked = []

    def __call__(self, request, seconds):
        self.asked.append(testing._sent(request))
        if len(self.asked) > self.most:
            raise RuntimeError(f"the connector asked {self.most} times and does not stop")
        reply = self.answers(self.asked[-1])
        if not isinstance(reply, Reply):
            reply = Reply(body=reply) if isinstance(reply, bytes) else Reply(json=reply)
        return testing._response(reply, request)

    def count(self, path):
        """How often a path was asked."""
        return len([ask for ask in self.asked if ask.path == path])

    def each(self, name, path=None):
        """The values of a query parameter, request by request."""
        return [ask.params.get(name) for ask in self.asked if path in (None, ask.path)]


def script(pages):
    """An upstream whose pages hang on the token alone: rows, or (rows, the next token)."""

    def answers(asked):
        page = pages[asked.params.get("token")]
        if isinstance(page, Reply):
            return page
        rows, token = page if isinstance(page, tuple) else (page, None)
        return {"data": rows, "next": token}

    return Upstream(answers)


def paged(rows, pages=10**9):
    """So many pages; the token is the number of the page, and a page may be a `Reply`."""

    def answers(asked):
        page = int(asked.params.get("token", 0))
        data = rows(page)
        if isinstance(data, Reply):
            return data
        return {"data": data, "next": page + 1 if page + 1 < pages else None}

    return Upstream(answers)


def endless(*, size=1, pages=10**9):
    """Page after page of one record."""
    return paged(lambda page: [{"id": page, "at": iso(-9000 + page), "text": "x" * size}], pages)


def search(records, size=1000, most=10000):
    """A search API: sorted by change, and no further than `most` records from the bound."""

    def answers(asked):
        found = [row for row in records if row["at"] >= asked.params.get("since", "")]
        first = int(asked.params.get("token", 0))
        if first + size > most:
            return Reply(json={"error": "Result window is too large"}, status=400)
        more = first + size < len(found)
        return {"data": found[first : first + size], "next": first + size if more else None}

    return Upstream(answers)


@dataclass
class Listing:
    """Live records of one entity, filtered by `since` (inclusive) and `until`, sorted by a key.

    A token names the last record that was given out, so that no page repeats or skips one.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    sort: str = "id"
    size: int | None = None

    def __call__(self, asked):
        since, until, token = (asked.params.get(name) for name in ("since", "until", "token"))
        rows = sorted(self.records, key=lambda row: (row[self.sort], row["id"]))
        rows = [row for row in rows if not since or row["at"] >= since]
        rows = [row for row in rows if not until or row["at"] < until]
        if token:
            after = json.loads(token)
            rows = [row for row in rows if [row[self.sort], row["id"]] > after]
        size = self.size or int(asked.params["limit"])
        page, more = rows[:size], len(rows) > size
        following = json.dumps([page[-1][self.sort], page[-1]["id"]]) if more else None
        return {"data": page, "next": following}


def reading(source, name="thing", path=None, **options):
    """Declare an entity that pages by token, as the generated step does."""

    @source.entity(name, **options)
    def step(fetch):
        bounds = {"since": fetch.since, "until": fetch.until}
        params = {**bounds, "token": fetch.token, "limit": fetch.page_size}
        response = fetch.get(path or f"/{name}", params=params)
        return Page(response.rows("data"), next_token=response.value("next", default=None))


def source(**options):
    """A source without entities; one worker by default, for the order of requests."""
    usual = {"base_url": "https://api.example.com", "auth": BearerToken("apiToken"), "workers": 1}
    return Source(**{**usual, **options})


def stepping(step, name="thing", **options):
    """A source whose one entity this step reads: key `id` by default."""
    made = source()
    made.entity(name, **{"primary_key": ["id"], **options})(step)
    return made


def feeding(**options):
    """A source whose pages tell of deleted records too, as `gone`: key `id`, cursor `at`."""

    def step(fetch):
        response = fetch.get("/thing", params={"since": fetch.since, "token": fetch.token})
        following = response.value("next", default=None)
        return Page(response.rows("data"), following, deleted=response.rows("gone"))

    return stepping(step, **{"cursor": "at", **options})


def one(**options):
    """A source with the entity `thing`: key `id`, cursor `at`, by default."""
    made = source()
    reading(made, **{"primary_key": ["id"], "cursor": "at", **options})
    return made


def several(*names, **options):
    """A source whose entities page alike: key `id`, cursor `at`."""
    made = source(**options)
    for name in names:
        reading(made, name, primary_key=["id"], cursor="at")
    return made
