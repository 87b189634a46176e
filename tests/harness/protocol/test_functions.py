"""A function in Node, which knows nothing of the template, judged over HTTP."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from handmade import SECRET
from harness.cli import main
from harness.protocol.rules import RULES

# What feed.mjs says is wrong with it: call, entity and record, with what was found there.
FOUND = {
    "has-more-not-boolean": '3 []: hasMore is "false", not true or false',
    "unknown-field": "1 []: has_more is not a field of a reply",
    "row-goes-back": '2 thing[0]: updated_at "2026-01-05T10:00:00" replaces "2026-01-05T12:00:00"',
    "secret-in-rows": "2 thing[0]: link contains a secret",
}


def test_a_foreign_function_is_judged_exactly(tmp_path, monkeypatch, capsys):
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on this machine to run a function in JavaScript")
    connection = {"schema": "acme", "secrets": {"apiToken": SECRET}}
    (tmp_path / "connection.json").write_text(json.dumps(connection), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    command = [node, str(Path(__file__).with_name("feed.mjs"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/api/acme"
        assert main(["sync", "--json", "--url", url]) == 2
        found = json.loads(capsys.readouterr().out)["findings"]
        main(["resync", "--url", url])
        process.terminate()
    written = capsys.readouterr()
    assert SECRET not in written.out + written.err + str(found)
    shown = " ".join(written.out.split())
    places = {finding["rule"]: finding["places"] for finding in found}
    assert places.keys() == FOUND.keys()
    for rule, (place,) in places.items():
        where = f"{place['call']} {place.get('entity', '')}[{place.get('record', '')}]"
        assert f"{where}: {place['what']}" == FOUND[rule]
        for text in (rule, f"Fivetran {RULES[rule].fivetran}", f"→ {RULES[rule].fix}"):
            assert text in shown
