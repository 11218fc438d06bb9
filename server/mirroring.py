"""Copying everything that one store keeps into another, through the port alone.

Each thing is read in full and digested on the way, put at its destination by the same steps as an
upload, and read back from there before it counts. What is there already, with the right size and
digest, is left alone; what is there with another is named and left alone too. Killed at any point
this leaves at most a staging area, which the next run takes away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from evidence.errors import LogForked, OriginalMissing
from evidence.storage import names
from evidence.storage.port import ReadBack, Store

_OTHERS = "at its destination are other bytes under that name"
KINDS = ("originals", "quarantined", "derivatives", "tiles")
PENDING = (*KINDS, "uploads under way")


class Unmatched(Exception):
    """Something cannot be copied as what it is; the message names it, and what is wrong."""


@dataclass(slots=True)
class Mirrored:
    """What one run did, by kind, and what it could not do, in words."""

    copied: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    there: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    problems: list[str] = field(default_factory=list)


def mirror(source: Store, target: Store, told: Callable[[str], None] = lambda _: None) -> Mirrored:
    """Copy everything; what cannot be copied is named, and the rest is. `told` hears what is done.

    Raises StorageUnavailable, StorageFull: go on later.
    """
    done = Mirrored()
    for upload_id in target.staged():
        if names.is_mirroring(upload_id):
            target.remove(upload_id)  # of a run that was killed; it holds room
    rooms: Sequence[tuple[str, Iterable[Any], Callable[[Store, Store, Any], bool]]] = (
        ("originals", source.originals(), original),
        ("quarantined", source.quarantined(), quarantined),
        ("derivatives", source.derivatives(), derivative),
        ("tiles", source.tiles(), tile),
    )
    for kind, listing, act in rooms:
        for name in listing:
            try:
                (done.copied if act(source, target, name) else done.there)[kind] += 1
            except Unmatched as problem:
                done.problems.append(str(problem))
            told(f"{kind} {name}")
    return done


def pending(source: Store, target: Store) -> Mapping[str, int]:
    """How much of each kind `target` lacks, by its names; and uploads under way in `source`."""
    # First: one that is sealed meanwhile is then among the originals, or counted here.
    under_way = sum(not names.is_mirroring(one) for one in source.staged())
    return {
        "originals": _lacking(source.originals(), target.originals()),
        "quarantined": _lacking(source.quarantined(), target.quarantined()),
        "derivatives": _lacking(source.derivatives(), target.derivatives()),
        "tiles": _lacking(source.tiles(), target.tiles()),
        "uploads under way": under_way,
    }


def _lacking(wanted: Iterable[str | UUID], there: Iterable[str | UUID]) -> int:
    held = set(there)
    return sum(one not in held for one in wanted)


def original(source: Store, target: Store, sha256: str) -> bool:
    """Copy an original; False where it is there, whole. Raises Unmatched, StorageUnavailable."""
    named = f"original {sha256}"
    try:
        there = digest_of(target.read_again(sha256))
    except OriginalMissing:
        there = ""
    if there == sha256:
        return False
    if there:
        raise Unmatched(f"{named}: {_OTHERS}")
    try:
        length = source.size(sha256)
    except OriginalMissing:
        raise Unmatched(f"{named}: is gone from where it was") from None
    pieces = _read(named, lambda: source.read(sha256))
    upload_id, found, read_back = _stage(target, pieces, length)
    if found != sha256:
        target.remove(upload_id)
        raise Unmatched(f"{named}: where it is read from, its bytes are others ({found})")
    _require_back(target, upload_id, named, found, read_back)
    target.file(upload_id, read_back)
    target.remove(upload_id)
    if target.size(sha256) != length:
        raise Unmatched(f"{named}: {_OTHERS}")
    return True


def quarantined(source: Store, target: Store, exhibit_id: UUID) -> bool:
    """Copy what is set aside; False where it is there, whole. Raises as `original`."""
    named = f"quarantined {exhibit_id}"

    def pieces() -> Iterator[bytes]:
        return _read(named, lambda: source.read_quarantined(exhibit_id))

    try:
        there = digest_of(target.read_quarantined(exhibit_id))
    except OriginalMissing:
        there = ""
    if there:
        if digest_of(pieces()) != there:
            raise Unmatched(f"{named}: {_OTHERS}")
        return False
    upload_id, found, read_back = _stage(target, pieces(), None)
    _require_back(target, upload_id, named, found, read_back)
    target.quarantine(upload_id, exhibit_id)
    target.remove(upload_id)
    return True


def derivative(source: Store, target: Store, sha256: str) -> bool:
    """Copy a derivative; False where it is there, whole. Raises as `original`."""
    named = f"derivative {sha256}"
    try:
        there = hashlib.sha256(target.derivative(sha256)).hexdigest()
    except OriginalMissing:
        there = ""
    if there == sha256:
        return False
    if there:
        raise Unmatched(f"{named}: {_OTHERS}")
    try:
        content = source.derivative(sha256)
    except OriginalMissing:
        raise Unmatched(f"{named}: is gone from where it was") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Unmatched(f"{named}: where it is read from, its bytes are others")
    target.put_derivative(content)
    if target.derivative(sha256) != content:
        raise Unmatched(f"{named}: came back from its destination as other bytes")
    return True


def tile(source: Store, target: Store, path: str) -> bool:
    """Copy a tile or bundle of the log; False where it is there. Raises as `original`."""
    content = source.tile(path)
    if content is None:
        raise Unmatched(f"{path}: is gone from where it was")
    if target.tile(path) == content:
        return False
    try:
        target.put_tile(path, content)
    except LogForked:
        raise Unmatched(f"{path}: at its destination is a tile of another log") from None
    if target.tile(path) != content:
        raise Unmatched(f"{path}: came back from its destination as other bytes")
    return True


def digest_of(pieces: Iterable[bytes]) -> str:
    """SHA-256 in hex."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _read(named: str, read: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    try:
        yield from read()
    except OriginalMissing:
        raise Unmatched(f"{named}: is gone, or cut short, where it is read from") from None


def _stage(
    target: Store, pieces: Iterable[bytes], length: int | None
) -> tuple[UUID, str, ReadBack]:
    """Fill a new staging area; the digest of what was read, and what came back from there."""
    upload_id, digest = names.mirroring(), hashlib.sha256()
    target.create(upload_id, length)
    try:
        with target.writer(upload_id) as writer:
            for piece in pieces:
                digest.update(piece)
                writer.write(piece)
            writer.commit()
        return upload_id, digest.hexdigest(), target.read_back(upload_id)
    except BaseException:
        target.remove(upload_id)
        raise


def _require_back(
    target: Store, upload_id: UUID, named: str, sha256: str, read_back: ReadBack
) -> None:
    if read_back.sha256.hex != sha256 or read_back.differing:
        target.remove(upload_id)
        raise Unmatched(f"{named}: came back from its destination as other bytes")
