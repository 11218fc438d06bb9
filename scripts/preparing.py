"""Getting ready what scripts/run and scripts/test need, with the standard library alone."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)
# Certificates are set in it, and the tests' pictures are drawn with it.
_CJK_FONT = Path("/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc")


class NotReady(Exception):
    """Something is missing that cannot be had from here; the message says what to do."""


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def environment(requirements: Path) -> None:
    """A virtual environment with exactly the pinned packages; nothing to do where it stands."""
    if sys.version_info < OLDEST:
        raise NotReady(f"Python 3.11 or later is needed; this is {sys.version.split()[0]}.")
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    stamp = VENV / f".{requirements.parent.name}-{requirements.stem}"
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    if not PYTHON.exists():
        _make_environment()
    say(f"Installing the pinned packages of {requirements.relative_to(ROOT)} …")
    # The lists are whole. Without --no-deps, pip looks for the newest of what a package asks for
    # with an extra, and refuses it for having no hash.
    done = subprocess.run(
        [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--require-hashes", "--no-deps", "--requirement", str(requirements)],
        check=False, stdout=sys.stderr,
    )  # fmt: skip
    if done.returncode:
        raise NotReady("The packages could not be installed; pip says above why.")
    stamp.write_text(wanted)


def _make_environment() -> None:
    say("Making a virtual environment in .venv …")
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=False)
    if done.returncode == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    packages(["python3-venv"])
    if subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=False).returncode:
        raise NotReady("A virtual environment cannot be made. Install the package python3-venv.")


def become(module: str) -> NoReturn:
    """Go on as `python -m module` with this process's arguments, in an environment that has all."""
    python = sys.executable
    if not all(find_spec(name) for name in ("alembic", "flask", "huey", "psycopg", "sqlalchemy")):
        try:
            environment(ROOT / "requirements.txt")
        except NotReady as problem:
            say(str(problem))
            sys.exit(1)
        python = str(PYTHON)
    os.environ["PYTHONPATH"] = str(ROOT)
    os.execv(python, [python, "-m", module, *sys.argv[1:]])


def programs(needed: dict[str, str]) -> None:
    """See that each program is there, from the Debian package named; install it where we may."""
    # Servers stand where not everybody looks.
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
    missing = sorted({p for name, p in needed.items() if not shutil.which(name, path=path)})
    if missing:
        packages(missing)


def fonts() -> None:
    """The CJK font that certificates need; installed where we may. Raises NotReady."""
    if not _CJK_FONT.exists():
        packages(["fonts-noto-cjk"])


def packages(names: Sequence[str]) -> None:
    """Install Debian packages, as root or by passwordless sudo. Raises NotReady."""
    by_hand = f"Run: sudo apt-get install {' '.join(names)}"
    if not shutil.which("apt-get"):
        raise NotReady(f"Missing: {', '.join(names)}. Install them with your package manager.")
    prefix: list[str] = []
    if os.geteuid() != 0:
        prefix = ["sudo", "-n"]
        if (
            not shutil.which("sudo")
            or subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode
        ):
            raise NotReady(f"Missing: {', '.join(names)}. {by_hand}")
    say(f"Installing {', '.join(names)} …")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *names]):
        done = subprocess.run(
            [*prefix, *command], check=False, env=quiet, stdout=subprocess.DEVNULL
        )
        if done.returncode and command[1] == "install":
            raise NotReady(f"{', '.join(names)} could not be installed. {by_hand}")
