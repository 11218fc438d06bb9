"""scripts/deploy/zhenglian: a script run with the units' settings, by the units' account."""

from __future__ import annotations

import json
import os
import pwd
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from tests.live import ROOT

COMMAND = ROOT / "scripts" / "deploy" / "zhenglian"
EXAMPLE = COMMAND.with_name("zhenglian.env.example")
# systemd's own reading of such a file, with $ replaced besides.
SYSTEMD = Path("/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator")
OTHER = "nobody"
_ENDS = {"n": "\n", "t": "\t"}


@pytest.fixture(scope="module")
def command() -> ModuleType:
    loader = SourceFileLoader("zhenglian_command", str(COMMAND))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    sys.dont_write_bytecode = True
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def read_by_systemd(text: str, folder: Path) -> dict[str, str]:
    """Those that are not empty."""
    place = folder / "environment.d"
    place.mkdir(exist_ok=True)
    (place / "settings.conf").write_text(text)
    done = subprocess.run(
        [str(SYSTEMD)],
        env={"XDG_CONFIG_HOME": str(folder), "HOME": str(folder)},
        check=True,
        capture_output=True,
        text=True,
    )
    found = {}
    for line in done.stdout.splitlines():
        name, _, value = line.partition("=")
        if value.startswith('"'):
            value = re.sub(r"\\(.)", lambda m: _ENDS.get(m[1], m[1]), value[1:-1])
        found[name] = value
    return {name: value for name, value in found.items() if name in ("A", "B", "Z")}


def test_a_value_is_what_systemd_takes_it_for(command: ModuleType, tmp_path: Path) -> None:
    dice, compared = random.Random(451), 0
    while compared < 150:
        value = "".join(dice.choice("ab =#;'\"\\\n%@\t") for _ in range(dice.randrange(12)))
        text = f"A={value}\nZ=9\n"
        try:
            ours = command.settings(text)
        except command.Refused:
            continue
        ours = {name: value for name, value in ours.items() if value and name in ("A", "B", "Z")}
        assert ours == read_by_systemd(text, tmp_path), text
        compared += 1


def test_what_stands_in_a_setting_needs_no_quotes(command: ModuleType) -> None:
    text = (
        "# a comment; A=1\n"
        "ZHENGLIAN_WITNESSES=http://192.0.2.7 a+b+c/=; http://192.0.2.8 d+e+f=\n"
        "ZHENGLIAN_DATABASE_URL=postgresql://z:p%40ss%25#;@host/name \n"
        "ZHENGLIAN_BUREAU=衡东县 市场监督管理局\n"
        "EMPTY=\n"
    )
    assert command.settings(text) == {
        "ZHENGLIAN_WITNESSES": "http://192.0.2.7 a+b+c/=; http://192.0.2.8 d+e+f=",
        "ZHENGLIAN_DATABASE_URL": "postgresql://z:p%40ss%25#;@host/name",
        "ZHENGLIAN_BUREAU": "衡东县 市场监督管理局",
        "EMPTY": "",
    }


@pytest.mark.parametrize(
    "text", ["export A=1\n", "A\n", "1A=x\n", "=x\n", "A='x\n", 'A="x\n', "# a\\\nA=1\n"]
)
def test_what_systemd_would_pass_over_is_refused_and_not_repeated(
    command: ModuleType, text: str
) -> None:
    with pytest.raises(command.Refused) as told:
        command.settings(text)
    assert "A=1" not in str(told.value).replace("NAME=value", "")


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A checkout with one script, where every account can read it; its settings are root's."""
    folder = Path(tempfile.mkdtemp(prefix="zhenglian-command-"))
    folder.chmod(0o755)
    try:
        for name in ("scripts/deploy", ".venv/bin"):
            (folder / name).mkdir(parents=True)
        shutil.copy(COMMAND, folder / "scripts" / "deploy")
        (folder / ".venv" / "bin" / "python").symlink_to("/usr/bin/python3")
        (folder / "scripts" / "show").write_text(
            "import json, os, sys\n"
            "print(json.dumps([sys.argv[1:], os.getresuid(), os.getgroups(), dict(os.environ)]))\n"
            "os.umask(0) == 0o027 or sys.exit(9)\n"
        )
        settings = folder / "zhenglian.env"
        settings.write_text("ZHENGLIAN_DATA=/var/lib/zhenglian\nSECRET=with a space;\n")
        settings.chmod(0o600)
        yield folder
    finally:
        shutil.rmtree(folder)


def run(checkout: Path, *words: str, at: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(checkout / "scripts" / "deploy" / "zhenglian"),
         "--settings", str(checkout / "zhenglian.env"), *words],
        env={"PATH": "/nowhere", "AWS_PROFILE": "the caller's", "LANG": "C.UTF-8"},
        check=False, capture_output=True, text=True, cwd=at or checkout,
    )  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another account")
def test_a_script_has_the_settings_and_is_of_the_account(checkout: Path) -> None:
    done = run(checkout, "--account", OTHER, "show", "/var/backups", "--since", "x y")
    assert done.returncode == 0, done.stderr
    given, uids, groups, environ = json.loads(done.stdout)
    entry = pwd.getpwnam(OTHER)
    assert given == ["/var/backups", "--since", "x y"]
    assert (uids, groups) == ([entry.pw_uid] * 3, [entry.pw_gid])
    assert environ["ZHENGLIAN_DATA"] == "/var/lib/zhenglian"
    assert environ["SECRET"] == "with a space;"
    assert environ["HOME"] == entry.pw_dir
    assert "AWS_PROFILE" not in environ
    assert "/usr/bin" in environ["PATH"]


def test_the_code_is_that_of_the_installation_wherever_it_is_called(checkout: Path) -> None:
    for folder, word in ((checkout, "ours"), (checkout / "elsewhere", "theirs")):
        (folder / "server").mkdir(parents=True)
        (folder / "server" / "__init__.py").write_text(f"print({word!r})\n")
    account = pwd.getpwuid(os.geteuid()).pw_name
    done = run(
        checkout, "--account", account, "python", "-c", "import server", at=checkout / "elsewhere"
    )
    assert (done.returncode, done.stdout) == (0, "ours\n"), done.stderr


def test_what_cannot_be_run_is_refused_in_words(checkout: Path) -> None:
    for words, told in (
        (["nothing"], "There is no script nothing"),
        (["../show"], "There is no script"),
        (["--account", "nobody-at-all", "show"], "There is no account nobody-at-all"),
    ):
        done = run(checkout, *words)
        assert done.returncode == 2
        assert told in done.stderr
    (checkout / "zhenglian.env").unlink()
    done = run(checkout, "show")
    assert (done.returncode, "Is sudo missing?" in done.stderr) == (2, True)


def test_the_example_is_read_as_it_stands(command: ModuleType) -> None:
    found = command.settings(EXAMPLE.read_text("utf-8"))
    assert found["ZHENGLIAN_STORE_URL"] == "file:///srv/zhenglian/store"
