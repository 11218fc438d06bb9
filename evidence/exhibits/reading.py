"""Reading an exhibit with the media tools. Whatever they meet, the exhibit keeps its bytes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from evidence.errors import MediaToolFailed, MediaToolOverran, MediaUnreadable
from evidence.exhibits.models import MediaState
from evidence.media import poster, probe, sniff
from evidence.media.lending import lent
from evidence.media.limits import Source, local, run
from evidence.storage.port import DerivativeStore, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaReading:
    """What could be read, and in words what could not."""

    state: MediaState
    media_type: str
    tool: str
    details: dict[str, Any] = field(default_factory=dict)
    duration_ms: int | None = None
    width: int | None = None
    height: int | None = None
    poster_sha256: str | None = None
    poster_arguments: str = ""
    problem: str | None = None
    contradicts_name: bool = False


@cache
def _version() -> str:
    try:
        first = run(["ffmpeg", "-version"], seconds=10).output.decode().splitlines()[0]
    except (MediaToolFailed, MediaUnreadable):
        return "ffmpeg missing"
    return " ".join(first.split()[:3])


def read(store: Store, sha256: str, filename: str, *, give_up: bool = False) -> MediaReading:
    """Read an original with the media tools. Never raises for what it contains.

    Raises MediaToolFailed where the tool itself failed (missing, out of time or memory): that is
    worth another attempt, and says nothing of the recording. With `give_up`, a tool that ran out
    of time or memory is what is told of the recording. Raises OriginalMissing, StorageError.
    """
    head = b"".join(store.read(sha256, 0, sniff.HEAD_BYTES))
    found = sniff.media_type(head)
    told = _Told(found, sniff.contradicts(filename, found), give_up)
    if not sniff.is_media(found):
        return MediaReading(
            state=MediaState.NOT_MEDIA if head else MediaState.UNREADABLE,
            media_type=found,
            tool="zhenglian",
            problem=None if head else "The file is empty.",
            contradicts_name=told.contradicts_name,
        )
    photograph = found.startswith("image/")
    if not photograph and store.local_name(sha256) is None:
        # Of what a tool complains here, a copy decides: the way to the bytes may be to blame.
        with (
            suppress(MediaToolOverran),
            lent(store.size(sha256), partial(store.read, sha256)) as loan,
        ):
            reading = _reading(loan.source, replace(told, give_up=False), store)
            if reading.state is MediaState.READ and not loan.broken:
                return reading
    with store.local_path(sha256) as path:
        return _reading(path if photograph else local(path), told, store)


@dataclass(frozen=True, slots=True)
class _Told:
    """What is known before a tool looks, and whether a tool that overran is told of too."""

    media_type: str
    contradicts_name: bool
    give_up: bool = False


def _reading(at: Path | Source, told: _Told, derivatives: DerivativeStore) -> MediaReading:
    """What the tools say of a photograph (at a path) or of a recording.

    Raises MediaToolFailed.
    """
    unreadable = (MediaUnreadable, MediaToolOverran) if told.give_up else (MediaUnreadable,)
    tool = probe.PILLOW if isinstance(at, Path) else _version()
    try:
        facts = probe.photograph(at) if isinstance(at, Path) else probe.recording(at)
    except unreadable as error:
        return MediaReading(
            state=MediaState.UNREADABLE,
            media_type=told.media_type,
            tool=tool,
            problem=str(error),
            contradicts_name=told.contradicts_name,
        )
    poster_sha256: str | None = None
    how, problem = "", facts.problem
    try:
        poster_sha256, how = _poster(at, facts, derivatives)
    except unreadable as error:
        problem = str(error)
    return MediaReading(
        state=MediaState.PARTIAL if problem else MediaState.READ,
        media_type=told.media_type,
        tool=tool,
        details=facts.details,
        duration_ms=facts.duration_ms,
        width=facts.width,
        height=facts.height,
        poster_sha256=poster_sha256,
        poster_arguments=how,
        problem=problem,
        contradicts_name=told.contradicts_name,
    )


def _poster(
    at: Path | Source, facts: probe.Facts, derivatives: DerivativeStore
) -> tuple[str | None, str]:
    """The poster's digest and how it was made. Raises MediaUnreadable, MediaToolFailed."""
    if isinstance(at, Path):
        content, how = poster.of_photograph(at), "Pillow exif_transpose thumbnail 640"
    elif facts.width is None:
        return None, ""  # sound alone
    else:
        content = poster.of_recording(at, facts.duration_ms)
        how = "ffmpeg thumbnail=24 scale<=640; Pillow JPEG 82"
    return derivatives.put_derivative(content), how
