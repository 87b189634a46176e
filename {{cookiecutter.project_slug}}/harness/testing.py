# Owned by fivetran-azfn-template: updates replace this file.
"""The conformance suite: a function against the sample upstream of its folder, offline.

from harness.testing import FunctionConformance

class TestFunction(FunctionConformance):
    pass
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.bench import Bench, Losing, Recording
from harness.errors import FunctionFailed
from harness.loop import setup_test
from harness.redact import Redactor
from harness.tap import Tap

_SETUP_REPLY = 64 * 1024  # bytes


class FunctionConformance:
    """Fivetran's rules, each as one test; to be inherited.

    Attributes:
        folder: The project's folder; None for the nearest one above the test's file that has a
            function_app.py.
    """

    folder: ClassVar[Path | None] = None

    def expected(self, entity: str, record: dict[str, Any]) -> dict[str, Any] | None:
        """What the function makes of one upstream record; None where it leaves the record out.

        Override it when fetch.py changes records on purpose.
        """
        return record

    @pytest.fixture
    def bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
        """The function, the running sample upstream, and room for tables."""
        folder = self.folder or _folder(request.path)
        with Bench.opened(folder, tmp_path) as bench:
            yield bench

    def test_setup_test_passes_and_delivers_nothing(self, bench: Bench) -> None:
        """The setup test answers quickly: no rows, no state of its own, a small reply."""
        reply, _, first = setup_test(bench.caller())
        assert first is None, f"the first try reported: {first}"
        assert reply.empty, "a setup test delivers no rows"
        assert reply.state == {}, "a setup test answers with the state that it was sent"
        assert reply.size < _SETUP_REPLY

    def test_sync_delivers_every_record(self, bench: Bench) -> None:
        """After one sync the tables hold the upstream's records, each once."""
        with bench.tables() as tables:
            bench.sync(tables)
            bench.assert_holds(tables, self.expected)

    def test_second_sync_changes_nothing(self, bench: Bench) -> None:
        """With nothing new upstream, another sync leaves the tables as they are."""
        with bench.tables() as tables:
            bench.sync(tables)
            bench.sync(tables)
            bench.assert_holds(tables, self.expected)

    def test_changes_arrive_with_the_next_sync(self, bench: Bench) -> None:
        """Records that are new or changed upstream come with the next sync."""
        with bench.tables() as tables:
            bench.sync(tables)
            bench.server.change(insert=5, update=7, seed=1)
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

    @pytest.mark.parametrize("size", [1, 50_000, 300_000])
    def test_any_cut_gives_the_same_tables(self, bench: Bench, size: int) -> None:
        """However small the replies, each call going on in a fresh process, nothing is lost."""
        with bench.tables() as tables:
            bench.sync(tables, CONNECTOR_CALL_BYTES=str(size))
            bench.assert_holds(tables, self.expected, exactly=True)

    def test_lost_replies_change_nothing(self, bench: Bench) -> None:
        """A call whose reply is lost is repeated, and the tables come out the same."""
        with bench.tables() as tables:
            bench.sync(tables, wrap=Losing, CONNECTOR_CALL_BYTES="100000")
            bench.assert_holds(tables, self.expected, exactly=True)

    def test_wrong_secrets_are_reported(self, bench: Bench) -> None:
        """With wrong secrets the function reports an error that does not show them."""
        names = bench.secrets
        if not names:
            pytest.skip("sample.toml has no secrets")
        wrong = {name: f"wrong-{index}-Ü&+/value" for index, name in enumerate(names)}
        with bench.tables() as tables:
            error = bench.refused(tables, wrong)
            assert tables.state() == {}, "an error must not move the state"
        shown = f"{error} {error.kind} {error.trace}"
        assert not Redactor([*names.values(), *wrong.values()]).finds(shown)

    def test_missing_secrets_are_reported_by_name(self, bench: Bench) -> None:
        """Without secrets the function reports which one is missing, in the setup test too."""
        if not bench.secrets:
            pytest.skip("sample.toml has no secrets")
        with bench.tables() as tables:
            assert any(name in str(bench.refused(tables, {})) for name in bench.secrets)
        with pytest.raises(FunctionFailed):
            setup_test(bench.caller(secrets={}))

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
