"""The conformance suite: tests a function against Fivetran's rules, with the sample API."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness import chaos
from harness.errors import HarnessError
from harness.project import ENTRY
from harness.protocol.rules import ERROR, WARNING
from harness.redact import Redactor
from harness.sample import Faults
from harness.stage import TRUNCATED, Stage, check, describe, fail
from harness.sync import failure
from harness.target.local import Logs
from harness.target.network import Network

_SHORT_PAGE = (
    "pages were shorter than page_size, but not the last: stop at a page without rows "
    "(next_token=… if rows else None), or when the API says that there is no more"
)
_DELETIONS = 120  # more than one page of them
_UNDELETED = (
    "the API deleted it: pass the deleted records as Page(deleted=…), or declare soft_delete=True "
    "if the API does not report deletions"
)
_LOST = "an error must not change the state: the next sync would skip records"
_unfit: dict[Path, str] = {}  # projects, and the test that found what would fail all others


class FunctionConformance:
    """Fivetran's rules, one test each: inherit the project's test class from this one.

    If fetch.py changes records on purpose, override `expected`.

    The secrets get made-up values; their names are those in sample.toml, connection.json and
    connection.example.json. `customPayload` is the one of connection.example.json. Sleeps are cut
    short.

    Attributes:
        chaos: Seeds of the runs with faults; each takes about a second.
    """

    chaos: ClassVar[tuple[int, ...]] = (5, 7, 8)

    def expected(self, entity: str, record: dict[str, Any]) -> dict[str, Any] | None:
        """The record that the function delivers for one of the upstream; None to leave it out."""
        return record

    @pytest.fixture
    def stage(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
        """The function, the running sample API, and a folder for tables."""
        folder = _project(request)
        if folder in _unfit:
            pytest.skip(f"first fix what {_unfit[folder]} found")
        with Stage(folder, tmp_path, self.expected).running() as stage:
            yield stage

    def test_sample_fits_fetch(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        """Two syncs of ten records: fetch.py and sample.toml describe the same API."""
        folder = _project(request)
        _unfit[folder] = "test_sample_fits_fetch"
        try:
            problem = Stage(folder, tmp_path, self.expected).misfit()
        except HarnessError as error:  # sample.toml or fetch.py cannot be used at all
            problem = "\n".join([str(error), *getattr(error, "__notes__", [])])
        check(not problem, problem)
        del _unfit[folder]

    def test_sync_delivers_every_record(self, stage: Stage) -> None:
        """After one sync the tables have every record of the upstream once."""
        _unfit[stage.folder] = "test_sync_delivers_every_record"
        with stage.tables() as tables:
            stage.sync(tables)
            stage.check(tables, exactly=True)
        del _unfit[stage.folder]

    def test_setup_test_passes_and_delivers_nothing(self, stage: Stage) -> None:
        """The setup test returns the state of the request, no rows, and a small reply."""
        if error := failure(stage.setup_test()[0]):
            fail(stage.text(error))
        broken = [describe(each) for each in stage.findings if each.rule.id.startswith("setup")]
        check(not broken, "\n".join(broken))

    def test_second_sync_reads_what_is_new(self, stage: Stage) -> None:
        """If nothing is new, a second sync changes nothing and does not read everything again.

        This is checked only for entities that the upstream can filter by the cursor.
        """
        with stage.tables() as tables:
            stage.sync(tables)
            asked = len(stage.server.requests)
            again = stage.sync(tables)
            stage.check(tables)
        stage.check_bounds(again, asked)

    def test_changes_arrive_with_the_next_sync(self, stage: Stage) -> None:
        """The next sync brings new and changed records, and deletions that the API reports."""
        if not stage.entities:
            pytest.skip(f"the tests cannot change the records of {stage.sample.name}")
        with stage.tables() as tables:
            found = {name for each in stage.sync(tables) for name in each.reply.soft_delete}
            found |= {name for name in stage.entities if stage.server.tells_deletions(name)}
            stage.server.change(insert=5, update=7, seed=1)
            stage.sync(tables)
            stage.check(tables)
            fewest = min((len(stage.server.records(name)) for name in found), default=0)
            stage.server.change(delete=min(_DELETIONS, fewest // 2), seed=2, entities=found)
            stage.sync(tables)
            stage.check(tables, hint=_UNDELETED)

    def test_resync_gives_the_same_tables(self, stage: Stage) -> None:
        """A re-sync reads everything again and leaves no row marked as deleted by mistake."""
        with stage.tables() as tables:
            stage.sync(tables)
            tables.begin_resync()
            stage.sync(tables)
            tables.finish_resync()
            stage.check(tables, exactly=True)

    def test_a_short_page_is_not_the_last(self, stage: Stage) -> None:
        """If pages are shorter than page_size, every record still arrives."""
        sample = stage.sample.fewer(chaos.RECORDS)
        if not sample.has_pages:
            pytest.skip(f"{sample.name} has no pages that the tests can shorten")
        with stage.with_sample(sample.shortened()).running() as other, other.tables() as tables:
            other.sync(tables)
            other.check(tables, hint=_SHORT_PAGE)

    @pytest.mark.parametrize("size", [1, 50_000])
    def test_any_cut_gives_the_same_tables(self, stage: Stage, size: int) -> None:
        """Replies of any size give the same tables."""
        with stage.tables() as tables:
            stage.sync(tables, stage.load({"CONNECTOR_CALL_BYTES": str(size)}))
            stage.check(tables, exactly=True)

    @pytest.mark.parametrize("plan", ["fresh_each_time", "lose_every_second"])
    def test_a_bad_network_changes_nothing(self, stage: Stage, plan: str) -> None:
        """A new process for every call, or lost replies, give the same tables."""
        with stage.tables() as tables:
            stage.sync(tables, Network(stage.load, None, "100000", **{plan: True}))
            stage.check(tables, exactly=True)

    def test_chaos_gives_the_same_tables(self, stage: Stage) -> None:
        """A failing upstream, lost replies and interrupted syncs give the same tables."""
        sample = stage.sample.fewer(chaos.RECORDS)
        for seed in self.chaos:
            with stage.with_sample(sample).running(Faults(seed)) as bad:
                problem = bad.chaos(seed)
            check(not problem, problem)

    def test_an_upstream_that_fails_is_reported(self, stage: Stage) -> None:
        """If the upstream fails after the first page, the sync fails and the next one continues."""
        faults = Faults.after_first_page(500)
        with stage.with_sample(stage.sample).running(faults) as bad, bad.tables() as tables:
            error = bad.failure(tables)
            faults.quiet = True
            if not faults.done:
                pytest.skip(f"{bad.sample.name} answers everything in one request")
            check(
                error is not None,
                f"the upstream failed {faults.done.total()} times after the first page, but the "
                "function reported no error: do not catch the exceptions of fetch.get",
            )
            bad.sync(tables)
            bad.check(tables, hint=_LOST)

    def test_wrong_secrets_are_reported(self, stage: Stage) -> None:
        """With wrong secrets the function reports an error that does not show them."""
        names = stage.connection.secrets
        wrong = {name: f"wrong-{number}-Ü&+/value" for number, name in enumerate(names)}
        error = stage.refusal(wrong)
        secret = Redactor([*names.values(), *wrong.values()])
        text = f"{error} {error.kind} {error.trace}"
        check(not secret.finds(text), f"the error shows a secret: {secret.text(text)}")

    def test_missing_secrets_are_reported_by_name(self, stage: Stage) -> None:
        """Without secrets the function says which one is missing, in the setup test too."""
        names = stage.connection.secrets
        error = stage.refusal({})
        named = any(name in str(error) for name in names)
        check(named, f"the error names none of {', '.join(names)}: {error}")
        check(
            stage.with_secrets({}).setup_test()[-1].reply.error, "the setup test reported no error"
        )

    def test_no_rule_is_broken(self, stage: Stage) -> None:
        """No reply of a setup test and two syncs breaks a rule of harness/RULES.md.

        Broken rules of severity warning become warnings of pytest.
        """
        stage.setup_test()
        with stage.tables() as tables:
            stage.sync(tables, stage.load({"CONNECTOR_CALL_BYTES": "100000"}))
            stage.server.change(insert=5, update=7, seed=3)
            stage.sync(tables)
        for found in stage.findings:
            is_known = found.rule.id == TRUNCATED and stage.entities
            if found.rule.severity == WARNING and not is_known:
                warnings.warn(describe(found), stacklevel=2)
        errors = [describe(found) for found in stage.findings if found.rule.severity == ERROR]
        check(not errors, "\n".join(errors))

    def test_no_secret_leaves_the_function(self, stage: Stage) -> None:
        """No secret is in a reply or in a log line, down to the level DEBUG."""
        logged: list[str] = []
        logs = Logs(lambda event: logged.append(event.line), logging.DEBUG)
        with stage.tables() as tables, logs:
            exchanges = stage.sync(tables)
        for exchange in exchanges:
            check(not stage.redactor.finds(exchange.answer.body), "a secret is in a reply")
        for line in logged:
            if stage.redactor.finds(line):
                fail(f"a secret was logged: {stage.redactor.text(line)}")

    def test_published_files_import(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        """The published files can be imported with only the packages of requirements.txt."""
        room = tmp_path / "published"
        _publish(folder := _project(request), room)
        code = _IMPORT.format(missing=_not_at_azure(folder), folder=str(room))
        command = [sys.executable, "-I", "-X", "utf8", "-c", code]
        done = subprocess.run(command, cwd=room, capture_output=True, encoding="utf-8", timeout=120)
        if done.returncode:
            what = done.stderr.strip().rpartition("\n")[2].replace(str(room), "")
            place = rf'File "{re.escape(str(room))}[\\/]*(.+?)", (line \d+)'
            files = re.findall(place, done.stderr) or [("function_app.py",)]
            fail(
                f"function_app.py cannot be imported in Azure: {what} ({', '.join(files[-1])}); "
                "a package must be in requirements.txt (Azure does not install "
                "requirements-dev.txt), and a file of the project must not be in .funcignore"
            )


def _project(request: pytest.FixtureRequest) -> Path:
    """The nearest folder above the test with function_app.py."""
    return next(folder for folder in request.path.parents if (folder / ENTRY).exists())


# Run next to the published files: refuses every package that is not installed at Azure.
_IMPORT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
sys.path.insert(0, {folder!r})
import function_app
"""


def _publish(folder: Path, room: Path) -> None:
    """Copy what is published: everything but the patterns of .funcignore; it has no negations."""
    file = folder / ".funcignore"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    patterns = [line.strip().removeprefix("**/").strip("/") for line in lines]

    def ignored(at: str, names: list[str]) -> list[str]:
        paths = {name: (Path(at) / name).relative_to(folder).as_posix() for name in names}
        return [
            name
            for name, path in paths.items()
            if any(fnmatch(name, pattern) or fnmatch(path, pattern) for pattern in patterns)
        ]

    shutil.copytree(folder, room, ignore=ignored, ignore_dangling_symlinks=True)


def _not_at_azure(folder: Path) -> list[str]:
    """Top-level modules that are installed here and that requirements.txt does not bring along."""
    wanted: set[str] = set()
    left = _names((folder / "requirements.txt").read_text(encoding="utf-8").splitlines())
    while left:
        wanted.add(name := left.pop())
        try:
            left |= _names(metadata.requires(name) or ()) - wanted
        except metadata.PackageNotFoundError:
            continue
    installed = metadata.packages_distributions().items()
    return sorted(module for module, names in installed if wanted.isdisjoint(_names(names)))


def _names(requirements: Iterable[str]) -> set[str]:
    """The names of distributions that requirements begin with; extras are left out."""
    plain = (each.strip() for each in requirements if "extra ==" not in each)
    names = (re.match(r"[A-Za-z0-9][\w.-]*", each) for each in plain)
    return {re.sub(r"[-_.]+", "-", name[0]).lower() for name in names if name}
