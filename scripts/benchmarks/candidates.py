"""The web servers that are measured beside each other, and the worker that all of them have.

The first is the product's. Peers are no dependencies: they are installed into a folder of the
measurement's own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scripts.benchmarks.server import ROOT
from server.serve import THREADS

# What they need besides, the product's environment has.
_PEERS = ("granian==2.8.7", "waitress==3.0.2")
_APPLICATION = "scripts.benchmarks.wsgi:application"
_LARGEST = 64 * 1024**3  # bytes of a body, ZHENGLIAN_MAX_UPLOAD's default


@dataclass(frozen=True)
class Candidate:
    """A web server: the module that starts it with its arguments, and where that is found."""

    name: str
    web: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)


OURS = (
    Candidate("gunicorn", ("server.serve", "--port", "{port}")),
    Candidate("gunicorn, 2 processes", ("scripts.benchmarks.wsgi", "2")),
)


def peers(folder: Path) -> tuple[Candidate, ...]:
    """Installed into `folder`, each with as many threads a process as ours."""
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--target", str(folder), *_PEERS],
        check=True,
    )  # fmt: skip
    found = {"PYTHONPATH": str(folder)}
    granian = (
        "granian", "--interface", "wsgi", "--port", "{port}", "--no-log", "--factory",
        "--blocking-threads", str(THREADS), _APPLICATION, "--workers",
    )  # fmt: skip
    waitress = (
        "waitress", "--listen", "127.0.0.1:{port}", "--threads", str(THREADS),
        "--max-request-body-size", str(_LARGEST), "--call", _APPLICATION,
    )  # fmt: skip
    return (
        Candidate("granian", (*granian, "1"), found),
        Candidate("granian, 2 processes", (*granian, "2"), found),
        Candidate("waitress", waitress, found),
    )


@contextmanager
def worker(data: Path) -> Iterator[None]:
    """The product's worker over a data folder, whatever web server is beside it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server.worker"],
        cwd=ROOT,
        env={**os.environ, "ZHENGLIAN_DATA": str(data)},
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
