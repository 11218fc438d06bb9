"""What the README says of entering a bureau's people, typed as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from tests.api.tus import Tus
from tests.bureau import PASSWORD
from tests.live import LiveServer

README = Path(__file__).resolve().parents[2] / "README.md"


def test_a_bureau_is_entered_as_the_readme_says(live_server: LiveServer, tmp_path: Path) -> None:
    marked = r"<!-- bureau: .*? -->\n```sh\n(.*?)```"
    block = re.search(marked, README.read_text("utf-8"), re.DOTALL)
    assert block
    commands = block[1].replace("http://127.0.0.1:8080", live_server.url)
    assert live_server.url in commands
    # The bureau of the tests has these already.
    for name in ("执法一队", "城关所", "HD-001"):
        assert name in commands
        commands = commands.replace(name, f"{name}9")
    typed = ["bash", "-o", "errexit", "-o", "pipefail", "-c", commands]
    done = subprocess.run(
        typed,
        cwd=tmp_path,
        input=f"{PASSWORD}\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    account, recorder, checkout = map(json.loads, done.stdout.splitlines())
    assert account["username"] == "zhangsan"
    assert recorder["number"] == "HD-0019"
    assert checkout["officer"]["name"] == "张三"
    assert account["officer_id"] == checkout["officer"]["id"]
    kept = tmp_path / "dock.token"
    token, key, *_ = kept.read_text().splitlines()
    assert kept.stat().st_mode & 0o077 == 0
    assert key.startswith("key ")
    assert Tus(live_server, token).create(5)
