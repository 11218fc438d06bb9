"""A witness (c2sp.org/tlog-witness): cosigns a checkpoint that continues the last one it saw.

It keeps one checkpoint a log, and compares and replaces it in one step that is durable before the
cosignature leaves: so it never cosigns two heads that contradict each other, whatever crashes.
Trusts its own folder, the keys of the logs that it was told, and nothing that is sent to it.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from evidence import clock
from evidence.custody import merkle
from evidence.custody.checkpoint import Checkpoint
from evidence.custody.cosignature import Cosigner
from evidence.custody.note import Note, Verifier, verify_note
from evidence.errors import (
    CheckpointConflict,
    CustodyError,
    LogUnknown,
    NoteMalformed,
    ProofBroken,
    StorageUnavailable,
)
from evidence.storage.durable import replace_file

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
_LONGEST_PROOF = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """What a log sends: the size it believes the witness has, the way from there, and its note."""

    old: int
    path: Sequence[bytes]
    note: str

    def __str__(self) -> str:
        lines = [f"old {self.old}", *(base64.b64encode(node).decode() for node in self.path)]
        return "\n".join([*lines, "", self.note])

    @classmethod
    def parse(cls, body: str) -> Self:
        """Raises NoteMalformed."""
        head, blank, note = body.partition("\n\n")
        first, *lines = head.split("\n")
        old = _OLD.fullmatch(first)
        if not blank or not old or len(lines) > _LONGEST_PROOF:
            raise NoteMalformed("A request is `old SIZE`, a consistency proof, and a checkpoint.")
        return cls(old=int(old[1]), path=[_node(line) for line in lines], note=note)


def _node(line: str) -> bytes:
    try:
        node = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        raise NoteMalformed("A line of the consistency proof is not base64.") from None
    if len(node) != 32 or base64.b64encode(node).decode() != line:
        raise NoteMalformed("A line of the consistency proof is not 32 bytes.")
    return node


class Witness:
    """Cosigns checkpoints of `logs`: verifier keys by origin, several while a key is changed."""

    def __init__(self, folder: Path, cosigner: Cosigner, logs: Mapping[str, Sequence[str]]) -> None:
        self._folder, self._cosigner, self._logs = folder, cosigner, logs
        self._turn = threading.Lock()

    @property
    def verifier_key(self) -> str:
        return self._cosigner.verifier_key

    def add_checkpoint(self, body: str) -> str:
        """The cosignature line of a checkpoint that continues the one kept, now kept in its place.

        Raises, by the protocol's codes: NoteMalformed (400), LogUnknown (404), SignatureInvalid
        (403), CheckpointConflict (409; `size` is the kept one), ProofBroken (422),
        StorageUnavailable.
        """
        # (1) what is asked, and whether the log itself has signed it
        asked = AddCheckpoint.parse(body)
        origin = asked.note.partition("\n")[0]
        if origin not in self._logs:
            raise LogUnknown(origin=origin)
        text = verify_note(asked.note, self._logs[origin])
        new = Checkpoint.parse(text)
        if asked.old > new.size:
            raise NoteMalformed("The old size is greater than the checkpoint's.")
        with self._alone(origin):
            # (2) whether it goes on from what we have
            kept = self.kept(origin)
            self._require_continues(kept, asked, new)
            # (3) ours is durable before anybody learns of it
            if kept is None or new.size > kept.size:
                replace_file(self._path(origin), asked.note.encode())
            return self._cosigner.cosign(text, clock.now())

    def _require_continues(
        self, kept: Checkpoint | None, asked: AddCheckpoint, new: Checkpoint
    ) -> None:
        size = kept.size if kept else 0
        if asked.old != size:
            raise CheckpointConflict(size=size)
        if size == new.size:
            if new.root != (kept.root if kept else merkle.EMPTY_ROOT):
                raise CheckpointConflict(size=size)
            if asked.path:
                raise ProofBroken("There is nothing to prove between two trees of one size.")
        elif kept is None or not size:
            if asked.path:
                raise ProofBroken("Every tree continues the empty one; there is nothing to prove.")
        else:
            merkle.verify_consistency(size, new.size, kept.root, new.root, asked.path)

    def kept(self, origin: str) -> Checkpoint | None:
        """The newest checkpoint that was cosigned. Raises StorageUnavailable where it is damaged.

        A damaged one is never taken for none: that would let the log begin anew.
        """
        try:
            note = self._path(origin).read_text("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StorageUnavailable(f"The checkpoint kept cannot be read: {error}") from None
        try:
            # Not by its signature: the log's key may have been changed since.
            return Checkpoint.parse(Note.parse(note).text)
        except NoteMalformed as error:
            raise StorageUnavailable(f"The checkpoint kept is damaged: {error}") from None

    def _path(self, origin: str) -> Path:
        return self._folder / f"{hashlib.sha256(origin.encode()).hexdigest()[:32]}.checkpoint"

    def _alone(self, origin: str) -> AbstractContextManager[None]:
        return _Alone(self._turn, self._path(origin).with_suffix(".lock"))


class _Alone:
    """One request of a log at a time, in this process and in others on the same folder."""

    def __init__(self, turn: threading.Lock, path: Path) -> None:
        self._turn, self._path = turn, path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> None:
        self._turn.acquire()
        try:
            self._file = self._path.open("ab")
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError as error:
            self.__exit__()
            raise StorageUnavailable(f"The witness's folder cannot be written: {error}") from None

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._turn.release()


def trusted_logs(keys: Sequence[str]) -> dict[str, list[str]]:
    """Verifier keys by the origin that each is named after. Raises CustodyError."""
    logs: dict[str, list[str]] = {}
    for key in keys:
        logs.setdefault(Verifier.parse(key).name, []).append(key)
    if not logs:
        raise CustodyError("A witness needs the verifier key of at least one log.")
    return logs
