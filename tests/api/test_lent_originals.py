"""nginx under an account of its own reads originals, and nothing else of ours.

The folder is made by the README's own command.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.test_behind_nginx import bring, get
from tests.api.tus import Tus
from tests.bureau import Bureau
from tests.front import Front
from tests.live import ROOT

pytestmark = [
    pytest.mark.one_box("nginx reads originals from the disk"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root has nginx act as another account"),
]
NGINX = "www-data"


def folder_command() -> list[str]:
    """How the README makes the store's folder."""
    text = (ROOT / "README.md").read_text("utf-8")
    (found,) = re.findall("^sudo (install .* /srv/zhenglian/store)$", text, re.MULTILINE)
    return shlex.split(found)


def staying_commands(store: Path) -> list[list[str]]:
    """How the README lends what a box has filed, with this process's account for ours."""
    text = (ROOT / "README.md").read_text("utf-8").partition("Where the store shall stay")[2]
    (block,) = re.findall("^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[:1]
    typed = block.replace("/srv/zhenglian/store", str(store)).replace("zhenglian:", "root:")
    return [shlex.split(line)[1:] for line in typed.splitlines()]


@pytest.fixture
def place() -> Iterator[Path]:
    """Where every account may pass through, as through /srv."""
    folder = Path(tempfile.mkdtemp(prefix="zhenglian-lent-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def lent(bureau_template: Bureau, place: Path) -> Iterator[Front]:
    """Not started; its store's folder is the README's, with this process's account for ours."""
    made = ["root" if word == "zhenglian" else word for word in folder_command()]
    made[-1] = str(place / "store")
    subprocess.run(made, check=True)
    front = Front(bureau_template.copy_to(place / "data"), NGINX, place / "store")
    front.folder.chmod(0o755)
    try:
        yield front
    finally:
        front.stop()


def as_nginx(*command: str) -> int:
    done = subprocess.run(
        ["setpriv", f"--reuid={NGINX}", f"--regid={NGINX}", "--init-groups", "--bounding-set=-all",
         "--inh-caps=-all", "--", *command],
        check=False, capture_output=True,
    )  # fmt: skip
    return done.returncode


def test_nginx_reads_originals_and_nothing_else(lent: Front, place: Path) -> None:
    lent.start()
    kept = bring(lent, b"lent to a group")
    bring(lent, b"not what was claimed", claim="ab" * 32)
    supervisor = Tus(lent, lent.tokens["supervisor"])
    answer = get(supervisor, kept)
    assert (answer.status, answer.body) == (200, kept.content)
    assert lent.line_of(answer.headers["X-Request-Id"])["sent"] > len(kept.content)

    assert as_nginx("cat", str(lent.originals.parent / kept.way[1:])) == 0
    refused_all_but_originals(lent, place)


def refused_all_but_originals(lent: Front, place: Path) -> None:
    assert as_nginx("ls", str(place / "store")) != 0
    # Not the drafts of what the worker is just writing: they are gone in a moment.
    files = [p for p in (place / "store").rglob("[!.]*") if p.is_file()]
    others = [p for p in files if lent.originals not in p.parents]
    assert {p.relative_to(place / "store").parts[0] for p in others} >= {"quarantine", "log"}
    for path in (*others, place / "data" / "keys" / "log.key", place / "data" / "zhenglian.db"):
        assert path.is_file(), path
        assert as_nginx("cat", str(path)) != 0, path


def test_a_folder_for_its_owner_alone_would_be_refused_to_nginx(lent: Front, place: Path) -> None:
    (place / "store").chmod(0o700)
    lent.start()
    kept = bring(lent, b"kept to ourselves")
    assert get(Tus(lent, lent.tokens["supervisor"]), kept).status == 403


def test_a_box_s_store_that_stays_where_it_is_can_be_lent_too(lent: Front, place: Path) -> None:
    (place / "store").rmdir()
    (place / "store").mkdir(mode=0o700)
    lent.start()
    supervisor = Tus(lent, lent.tokens["supervisor"])
    bring(lent, b"not what was claimed", claim="ab" * 32)
    old = bring(lent, b"brought to the box")
    assert get(supervisor, old).status == 403
    for command in staying_commands(place / "store"):
        subprocess.run(command, check=True)
    new = bring(lent, b"brought since then")
    assert [get(supervisor, kept).status for kept in (old, new)] == [200, 200]
    refused_all_but_originals(lent, place)
