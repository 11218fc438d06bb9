"""Reading an exhibit with the media tools. Whatever they meet, the exhibit keeps its bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from evidence.errors import MediaToolFailed, MediaToolOverran, MediaUnreadable
from evidence.exhibits.models import MediaState
from evidence.media import poster, probe, sniff
from evidence.media.limits import run
from evidence.storage.port import DerivativeStore


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


def read(
    path: Path, filename: str, derivatives: DerivativeStore, *, give_up: bool = False
) -> MediaReading:
    """Read the bytes at `path`. Never raises for what they contain.

    Raises MediaToolFailed where the tool itself failed (missing, out of time or memory): that is
    worth another attempt, and says nothing of the recording. With `give_up`, a tool that ran out
    of time or memory is what is told of the recording.
    """
    unreadable = (MediaUnreadable, MediaToolOverran) if give_up else (MediaUnreadable,)
    with path.open("rb") as file:
        head = file.read(sniff.HEAD_BYTES)
    found = sniff.media_type(head)
    contradicts = sniff.contradicts(filename, found)
    if not sniff.is_media(found):
        return MediaReading(
            state=MediaState.NOT_MEDIA if head else MediaState.UNREADABLE,
            media_type=found,
            tool="zhenglian",
            problem=None if head else "The file is empty.",
            contradicts_name=contradicts,
        )
    photograph = found.startswith("image/")
    tool = probe.PILLOW if photograph else _version()
    try:
        facts = probe.photograph(path) if photograph else probe.recording(path)
    except unreadable as error:
        return MediaReading(
            state=MediaState.UNREADABLE,
            media_type=found,
            tool=tool,
            problem=str(error),
            contradicts_name=contradicts,
        )
    poster_sha256: str | None = None
    how, problem = "", facts.problem
    try:
        poster_sha256, how = _poster(path, photograph, facts, derivatives)
    except unreadable as error:
        problem = str(error)
    return MediaReading(
        state=MediaState.PARTIAL if problem else MediaState.READ,
        media_type=found,
        tool=tool,
        details=facts.details,
        duration_ms=facts.duration_ms,
        width=facts.width,
        height=facts.height,
        poster_sha256=poster_sha256,
        poster_arguments=how,
        problem=problem,
        contradicts_name=contradicts,
    )


def _poster(
    path: Path, photograph: bool, facts: probe.Facts, derivatives: DerivativeStore
) -> tuple[str | None, str]:
    """The poster's digest and how it was made. Raises MediaUnreadable, MediaToolFailed."""
    if photograph:
        content, how = poster.of_photograph(path), "Pillow exif_transpose thumbnail 640"
    elif facts.width is None:
        return None, ""  # sound alone
    else:
        content = poster.of_recording(path, facts.duration_ms)
        how = "ffmpeg thumbnail=24 scale<=640; Pillow JPEG 82"
    return derivatives.put_derivative(content), how
