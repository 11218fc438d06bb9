"""Derivatives and tiles on a local disk: small, and each put in its place in one step."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from evidence.errors import LogForked, OriginalMissing
from evidence.storage import names
from evidence.storage.durable import place, translated


class SmallFiles:
    """`derivatives/ab/<sha256>` and `log/<tile path>` below `root`."""

    root: Path

    def put_derivative(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        with translated():
            place(content, self.root / "derivatives" / sha256[:2] / sha256)
        return sha256

    def derivative(self, sha256: str) -> bytes:
        names.sha256(sha256)
        with translated():
            try:
                return (self.root / "derivatives" / sha256[:2] / sha256).read_bytes()
            except FileNotFoundError:
                raise OriginalMissing() from None

    def derivatives(self) -> Iterator[str]:
        for path in (self.root / "derivatives").glob("??/*"):
            if names.is_sha256(path.name):
                yield path.name

    def _tile(self, path: str) -> Path:
        return self.root / "log" / names.tile(path)

    def put_tile(self, path: str, content: bytes) -> None:
        target = self._tile(path)
        with translated():
            if not place(content, target) and target.read_bytes() != content:
                raise LogForked(f"Other content stands at {path} already.")

    def tile(self, path: str) -> bytes | None:
        with translated():
            try:
                return self._tile(path).read_bytes()
            except FileNotFoundError:
                return None

    def tiles(self, below: str = "") -> Iterator[str]:
        top = self.root / "log"
        folder, _, start = below.rpartition("/")
        for begun in (top / folder).glob(f"{start}*"):
            for path in [begun] if begun.is_file() else begun.rglob("*"):
                name = path.relative_to(top).as_posix()
                if names.is_tile(name):
                    yield name
