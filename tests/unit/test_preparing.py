"""The virtual environment: whose Python decides, and who may change it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

from scripts import preparing
from scripts.preparing import NotReady, environment, hidden_from_others
from tests.live import ROOT


@pytest.fixture
def requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with an environment that has all of it."""
    root = tmp_path / "zhenglian"
    venv = root / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    monkeypatch.setattr(preparing, "ROOT", root)
    monkeypatch.setattr(preparing, "VENV", venv)
    monkeypatch.setattr(preparing, "PYTHON", venv / "bin" / "python")
    found = root / "requirements.txt"
    found.write_text("")
    (venv / ".zhenglian-requirements").write_text(preparing._stamp(found, sys.version))
    return found


def test_another_python_that_calls_changes_nothing(
    requirements: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version", "another")
    environment(requirements)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("broken", "why"),
    [("packages", "lacks packages of this version"), ("python", "has no Python that this account")],
)
def test_an_environment_that_may_not_be_changed_says_who_may(
    requirements: Path, monkeypatch: pytest.MonkeyPatch, broken: str, why: str
) -> None:
    # Root may write everywhere, and runs the tests.
    monkeypatch.setattr(os, "access", lambda *_: False)
    environment(requirements)
    if broken == "packages":
        requirements.write_text("# another version")
    else:
        preparing.PYTHON.unlink()
    with pytest.raises(NotReady) as refusal:
        environment(requirements)
    assert f"{preparing.VENV} {why}" in str(refusal.value)
    command = f"sudo /usr/bin/python3 {preparing.ROOT}/scripts/run --prepare"
    assert str(refusal.value).endswith(command)


def test_a_python_that_others_cannot_reach_is_told(
    requirements: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o700)
    (shut / "python3").touch()
    preparing.PYTHON.unlink()
    preparing.PYTHON.symlink_to(shut / "python3")
    assert f"its Python is {shut}/python3. Remove" in hidden_from_others()
    monkeypatch.setattr(preparing, "PYTHON", Path("/usr/bin/python3"))
    assert hidden_from_others() == ""


def test_to_prepare_says_that_it_is_ready_and_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loader = SourceFileLoader("run", str(ROOT / "scripts" / "run"))
    spec = spec_from_loader("run", loader)
    assert spec is not None
    run = module_from_spec(spec)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(run)
    monkeypatch.setattr(run, "prepare", lambda: None)
    monkeypatch.setattr(run, "hidden_from_others", lambda: "Others cannot run it.")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "argv", ["run", "--prepare"])
    assert run.main() == 0
    said = capsys.readouterr().err.splitlines()
    assert said == [f"Ready: {ROOT} runs with {preparing.PYTHON}.", "Others cannot run it."]
