"""The README's commands for moving the store, run as they stand, from a disk to an S3 service."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import s3_service
from tests.contracts.stores import close, sha256, store_at
from tests.faults.arriving import Arriving
from tests.live import ROOT, LiveServer

STOP, START = "# stop every web and worker", "# start them"


def steps(places: dict[str, str]) -> list[str]:
    """The block, cut where web and worker are stopped and started; the places are the test's."""
    block = re.search(
        r"<!-- moving: .*? -->\n```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S
    )
    assert block
    commands = block[1]
    for there, here in places.items():
        assert there in commands
        commands = commands.replace(there, here)
    return [step.strip() for step in re.split(f"^({STOP}|{START})$", commands, flags=re.M)]


def typed(commands: str, environ: dict[str, str], note: Path) -> tuple[dict[str, str], str]:
    """Run in a shell: its variables afterwards, and what was said."""
    whole = f"{commands}\nenv -0 > '{note}'"
    done = subprocess.run(
        ["sh", "-c", whole],
        cwd=ROOT,
        env=environ,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return dict(line.split("=", 1) for line in note.read_text().split("\0") if line), done.stdout


@pytest.mark.grown_up
def test_it_is_done_while_recordings_come_in(own_server: LiveServer, tmp_path: Path) -> None:
    server, there = own_server, s3_service.new_place()
    places = {
        "/srv/zhenglian": str(tmp_path / "srv"),
        "s3://evidence?endpoint=https://s3.example.gov.cn": there,
        "/mnt/check": str(tmp_path / "check"),
        "AWS_ACCESS_KEY_ID=…": f"AWS_ACCESS_KEY_ID={os.environ['AWS_ACCESS_KEY_ID']}",
        "AWS_SECRET_ACCESS_KEY=…": f"AWS_SECRET_ACCESS_KEY={os.environ['AWS_SECRET_ACCESS_KEY']}",
    }
    server.environ["ZHENGLIAN_STORE_URL"] = (tmp_path / "srv" / "store").as_uri()
    server.start()
    chance = random.Random(20230915)
    arrivals, content = Arriving(server, chance), chance.randbytes(200_000)
    arrivals.one()
    under_way = arrivals.begin(content)
    arrivals.send(under_way, 0, content[:100_000])
    environ = {**server.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    lives, said = 1, ""
    for step in steps(places):
        if step == STOP:
            server.stop()
        elif step == START:
            server.environ = environ
            server.start()
            lives += 1
            if lives == 2:
                arrivals.bring(under_way, content)
            arrivals.one()
            arrivals.read_all()
        else:
            environ, now = typed(step, environ, tmp_path / "environ")
            said += now
    assert lives == 3
    assert re.findall(r"(\d+) originals, .* (\d+) uploads under way", said) == [
        ("0", "1"),
        ("0", "0"),
    ], said
    assert "\nWHOLE\n" in said
    assert "ZHENGLIAN_STORE_OLD_URL" not in server.environ
    assert [path.name for path in (tmp_path / "srv").iterdir()] == ["former-store"]
    arrivals.read_all()
    store = store_at(there, tmp_path)
    assert set(store.originals()) == set(map(sha256, arrivals.sealed.values()))
    close(store)
