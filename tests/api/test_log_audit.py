"""scripts/log-audit as an outsider runs it, and as the bureau does."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests import databases
from tests.api.tus import Tus
from tests.faults.test_kill import until
from tests.live import ROOT, LiveServer


def run(*arguments: object, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "log-audit"), *map(str, arguments)],
        check=False,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def fetched(server: LiveServer, path: str) -> str:
    with urllib.request.urlopen(f"{server.url}{path}") as answer:
        return str(answer.read().decode())


def test_outsider_and_bureau_find_the_log_whole_and_then_what_was_changed(
    own_server: LiveServer, tmp_path: Path
) -> None:
    own_server.start()
    until(lambda: Tus(own_server, None).ask("GET", "/log/checkpoint").status == 200)
    key = fetched(own_server, "/log/key").strip()
    kept = tmp_path / "kept"
    kept.write_text(fetched(own_server, "/log/checkpoint"))
    code, said = run(own_server.url, "--key", key, "--older", kept, "--json")
    assert (code, json.loads(said)["whole"], json.loads(said)["older"]) == (0, True, 1)
    assert run(own_server.url)[0] == 2
    own_server.stop()
    assert run(own_server.url, "--key", key)[0] == 2

    code, said = run("--data", own_server.data, "--older", kept, environ=own_server.environ)
    assert (code, "WHOLE" in said) == (0, True)
    assert "1 of 1 older checkpoints" in said
    with databases.as_owner(own_server.bureau.database, without_guards=True) as connection:
        connection.exec_driver_sql(
            "UPDATE custody_events SET kind = 'log:verified' WHERE leaf_index = 2"
        )
    code, said = run("--data", own_server.data, environ=own_server.environ)
    assert (code, "✗ Event 2 was altered" in said) == (1, True)


def test_a_folder_without_a_log_is_unreadable_and_stays_empty(tmp_path: Path) -> None:
    code, said = run("--data", tmp_path / "none")
    assert (code, "UNREADABLE: There is no log in" in said) == (2, True)
    assert not (tmp_path / "none").exists()
