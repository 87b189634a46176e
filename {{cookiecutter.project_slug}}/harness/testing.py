# Owned by fivetran-azfn-template: updates replace this file.
"""The conformance suite: a function against the sample upstream of its folder, offline.

from harness.testing import FunctionConformance

class TestFunction(FunctionConformance):
    pass

What the suite cannot know of a function is said in the subclass:

class TestFunction(FunctionConformance):
    sample = "tests.upstream:app"  # an API that sample.toml cannot describe: a WSGI app

    def expected(self, entity: str, record: dict[str, Any]) -> dict[str, Any] | None:
        return {**record, "amount": str(record["amount"])}  # what fetch.py changes on purpose
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.bench import Bench
from harness.caller import setup_test
from harness.errors import FunctionFailed
from harness.judge import Judge
from harness.redact import Redactor
from harness.resumed import assert_went_on
from harness.rules import ERROR
from harness.spelling import SAMPLE
from harness.tap import Tap
from harness.wrappers import Fresh, Losing, Recording

_NO_SECRETS = "neither sample.toml nor connection.json has secrets"
_SETUP_REPLY = 64 * 1024  # bytes
_SHORT = (
    "\n(every second page was shorter than asked, which is no proof of the last one: let the walk "
    "end at a page without rows, as in `next_token=page + 1 if rows else None` or `offset + "
    "len(rows) if rows else None`, or where the API says so; if every page of your API but the "
    "last is full for certain, write short_pages = false in [entity.…] of sample.toml)"
)
_FAILED = (
    "\n(the sync before had ended with an error of the upstream: the state must not move past "
    "what was delivered)"
)


class FunctionConformance:
    """Fivetran's rules, each as one test; to be inherited.

    The secrets are made up: those of sample.toml, connection.json and connection.example.json;
    `customPayload` is what connection.example.json says, for it is committed where connection.json
    is not.

    Attributes:
        folder: The project's folder; None for the nearest one above the test's file that has a
            function_app.py.
        sample: A WSGI app of the project's that stands in for the upstream, as `module:app`; None
            for what sample.toml describes. It lies best in tests/, which is not published, and
            accepts `harness.sample.made_up(name)` as the secret of each name. What its records
            are is not known: each sync is compared with an undisturbed one.
        chaos: Seeds of the runs of chaos; each takes about a second.

    Whoever sleeps in this process wakes after a moment, so retries cost no time; an app that
    throttles does so by counting requests, not by the clock.
    """

    folder: ClassVar[Path | None] = None
    sample: ClassVar[str | None] = None
    chaos: ClassVar[tuple[int, ...]] = (5, 7, 8)

    def expected(self, entity: str, record: dict[str, Any]) -> dict[str, Any] | None:
        """What the function makes of one upstream record; None where it leaves the record out.

        Override it when fetch.py changes records on purpose; with `sample` it is not asked.
        """
        return record

    @pytest.fixture
    def bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
        """The function, the running sample upstream, and room for tables."""
        folder = self.folder or _folder(request.path)
        with Bench.opened(folder, tmp_path, self.sample or SAMPLE) as bench:
            yield bench

    def test_setup_test_passes_and_delivers_nothing(self, bench: Bench) -> None:
        """The setup test answers quickly: no rows, no state of its own, a small reply."""
        reply, _, first = setup_test(bench.caller())
        assert first is None, f"the first try reported: {first}"
        assert reply.empty, "a setup test delivers no rows"
        assert reply.state == {}, "a setup test answers with the state that it was sent"
        assert reply.size < _SETUP_REPLY, f"a setup test's reply stays under {_SETUP_REPLY} bytes"

    def test_sync_delivers_every_record(self, bench: Bench) -> None:
        """After one sync the tables hold the upstream's records, each once."""
        with bench.tables() as tables:
            bench.sync(tables)
            bench.assert_holds(tables, self.expected)

    def test_second_sync_changes_nothing(self, bench: Bench) -> None:
        """With nothing new upstream, another sync leaves the tables as they are.

        What the upstream can give from a moment on is asked for from where the first sync ended.
        """
        with bench.tables() as tables:
            bench.sync(tables)
            before, state = len(bench.server.asked), tables.state()
            bench.sync(tables)
            asked = bench.server.asked[before:]
            bench.assert_holds(tables, self.expected)
            assert_went_on(bench.server, bench.entities or (), asked, state)

    def test_changes_arrive_with_the_next_sync(self, bench: Bench) -> None:
        """What is new, changed or (where the function tells) deleted comes with the next sync."""
        if bench.entities is None:
            pytest.skip(f"the records of {bench.place} are not the suite's to change")
        with bench.tables() as tables:
            told = bench.sync(tables).marked or bench.tombstones
            bench.server.change(insert=5, update=7, delete=3 if told else 0, seed=1)
            bench.sync(tables)
            bench.assert_holds(tables, self.expected)

    def test_resync_gives_the_same_tables(self, bench: Bench) -> None:
        """A re-sync reads everything again and leaves no row marked as deleted by mistake."""
        with bench.tables() as tables:
            bench.sync(tables)
            tables.begin_resync()
            bench.sync(tables)
            tables.finish_resync()
            bench.assert_holds(tables, self.expected, exactly=True)

    def test_a_short_page_is_not_the_last(self, bench: Bench) -> None:
        """Where pages are shorter than asked, as filters behind the paging make them, all comes."""
        if not any(entity.pages for entity in bench.entities or ()):
            pytest.skip(f"{bench.place} has no pages that the suite could shorten")
        with bench.shortened() as shortened, shortened.tables() as tables:
            shortened.sync(tables)
            shortened.assert_holds(tables, self.expected, hint=_SHORT)

    @pytest.mark.parametrize("size", [1, 50_000, 300_000])
    def test_any_cut_gives_the_same_tables(self, bench: Bench, size: int) -> None:
        """However small the replies are cut, the tables come out the same."""
        with bench.tables() as tables:
            bench.sync(tables, CONNECTOR_CALL_BYTES=str(size))
            bench.assert_holds(tables, self.expected, exactly=True)

    def test_a_fresh_process_goes_on_from_the_state(self, bench: Bench) -> None:
        """Calls that share nothing but the state, as on Azure's many workers, give the same."""
        settings = {"CONNECTOR_CALL_BYTES": "100000"}
        with bench.tables() as tables:
            bench.sync(tables, wrap=lambda target: Fresh(lambda: bench.target(**settings)))
            bench.assert_holds(tables, self.expected, exactly=True)

    def test_lost_replies_change_nothing(self, bench: Bench) -> None:
        """A call whose reply is lost is repeated, and the tables come out the same."""
        with bench.tables() as tables:
            bench.sync(tables, wrap=Losing, CONNECTOR_CALL_BYTES="100000")
            bench.assert_holds(tables, self.expected, exactly=True)

    def test_chaos_gives_the_same_tables(self, bench: Bench) -> None:
        """A failing upstream, lost replies, syncs given up: the tables come out the same."""
        for seed in self.chaos:
            bench.chaos(seed).check()

    def test_an_upstream_that_fails_is_reported(self, bench: Bench) -> None:
        """An upstream that goes on failing in mid-walk is an error, and the next sync goes on.

        A step that takes the error for the end of the list would lose the rest for good.
        """
        outage = bench.server.outage
        with bench.tables() as tables:
            outage.begin()
            error = bench.failure(tables)
            outage.end()
            if not outage.refused:
                pytest.skip(f"{bench.place} answers all in one request")
            assert error is not None, (
                f"the upstream failed {outage.refused} times in the midst of the list, and the "
                "function reported no error: let the step raise what fetch.get raises"
            )
            bench.sync(tables)
            bench.assert_holds(tables, self.expected, hint=_FAILED)

    def test_wrong_secrets_are_reported(self, bench: Bench) -> None:
        """With wrong secrets the function reports an error that does not show them."""
        names = bench.secrets
        if not names:
            pytest.skip(_NO_SECRETS)
        wrong = {name: f"wrong-{index}-Ü&+/value" for index, name in enumerate(names)}
        with bench.tables() as tables:
            error = bench.failure(tables, wrong)
            if error is None and not bench.checks and not bench.refusals:
                pytest.skip(f"{bench.place} takes any secret")
            assert error is not None, "the function reported no error"
            assert tables.state() == {}, "an error must not move the state"
        shown = f"{error} {error.kind} {error.trace}"
        secret = Redactor([*names.values(), *wrong.values()])
        assert not secret.finds(shown), f"the error shows a secret: {secret.text(shown)}"

    def test_missing_secrets_are_reported_by_name(self, bench: Bench) -> None:
        """Without secrets the function reports which one is missing, in the setup test too."""
        if not bench.secrets:
            pytest.skip(_NO_SECRETS)
        with bench.tables() as tables:
            error = bench.failure(tables, {})
            if error is None and not bench.checks and not bench.refusals:
                pytest.skip("the function asks for no secret")
            assert error is not None, "the function reported no error"
            assert any(name in str(error) for name in bench.secrets), (
                f"the error names none of {', '.join(bench.secrets)}: {error}"
            )
        with pytest.raises(FunctionFailed):
            setup_test(bench.caller(secrets={}))

    def test_no_rule_is_broken(self, bench: Bench) -> None:
        """No reply of the setup test, a whole sync and the next one breaks a rule of RULES.md.

        Warnings and notices do not count; `python -m harness sync` shows them.
        """
        redactor = Redactor(bench.secrets.values())
        judges = [Judge(redactor) for _ in range(3)]
        setup_test(bench.caller(judge=judges[0]))
        with bench.tables() as tables:
            bench.sync(tables, judge=judges[1], CONNECTOR_CALL_BYTES="100000")
            bench.server.change(insert=5, update=7, delete=0, seed=2)
            bench.sync(tables, judge=judges[2])
        broken = [
            redactor.text("\n".join([f"{found.rule.title} ({found.rule.id})", *found.lines()]))
            for judge in judges
            for found in judge.findings
            if found.rule.severity == ERROR
        ]
        assert not broken, "\n".join(broken)

    def test_no_secret_leaves_the_function(self, bench: Bench) -> None:
        """No secret stands in a reply or in a log line, down to the level DEBUG."""
        secret = Redactor(bench.secrets.values())
        logged: list[str] = []

        def heard(level: int, name: str, line: str) -> None:
            logged.append(line)

        seen: list[bytes] = []
        with bench.tables() as tables, Tap(heard, logging.DEBUG):
            bench.sync(tables, wrap=lambda target: Recording(target, seen))
        for body in seen:
            assert not secret.finds(body.decode("utf-8")), "a secret stands in a reply"
        for line in logged:
            assert not secret.finds(line), f"a secret was logged: {secret.text(line)}"


def _folder(test: Path) -> Path:
    for folder in test.parents:
        if (folder / "function_app.py").exists():
            return folder
    raise FileNotFoundError(f"no folder above {test} has a function_app.py")
