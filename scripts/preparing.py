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
    stamp = VENV / f".{requirements.parent.name}-{requirements.stem}"
    # The environment's own Python decides: another account may call with another one.
    own = _version()
    if own and _read(stamp) == _stamp(requirements, own):
        return
    _require_writable(own)
    if not own:
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
    stamp.write_text(_stamp(requirements, _version()))


def _stamp(requirements: Path, version: str) -> str:
    return hashlib.sha256(requirements.read_bytes() + version.encode()).hexdigest()


def _read(stamp: Path) -> str:
    try:
        return stamp.read_text()
    except OSError:
        return ""


def _version() -> str:
    """That of the environment's Python, as `sys.version` has it; nothing where none runs."""
    if Path(sys.prefix) == VENV:
        return sys.version
    try:
        asked = [str(PYTHON), "-I", "-S", "-c", "import sys; print(sys.version, end='')"]
        done = subprocess.run(asked, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout


def _require_writable(own: str) -> None:
    """Raise NotReady where the environment is another account's to change."""
    if os.access(VENV if VENV.exists() else ROOT, os.W_OK):
        return
    why = "lacks packages of this version" if own else "has no Python that this account can run"
    raise NotReady(
        f"{VENV} {why}, and this account may not change it. "
        f"Run: sudo /usr/bin/python3 {ROOT / 'scripts' / 'run'} --prepare"
    )


def hidden_from_others() -> str:
    """Words where the environment's Python lies where other accounts cannot reach it; or nothing.

    A service has no home: the units shut /root and /home off, whatever their modes are.
    """
    real = PYTHON.resolve()
    shut = any(not folder.stat().st_mode & 0o001 for folder in real.parents)
    if not shut and not any(real.is_relative_to(home) for home in ("/root", "/home")):
        return ""
    return (
        f"Other accounts cannot run it: its Python is {real}. Remove {VENV} and run: "
        f"sudo /usr/bin/python3 {ROOT / 'scripts' / 'run'} --prepare"
    )


def _make_environment() -> None:
    if sys.version_info < OLDEST:
        raise NotReady(f"Python 3.11 or later is needed; this is {sys.version.split()[0]}.")
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
