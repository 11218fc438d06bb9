"""Poster pictures: JPEG, at most 640 pixels an edge, from an early frame that shows something."""

from __future__ import annotations

import io
from pathlib import Path

import ffmpeg
from PIL import Image, ImageOps

from evidence.errors import MediaUnreadable
from evidence.media.limits import Source, run
from evidence.media.probe import input_of, open_photograph

EDGE = 640
_QUALITY = 82


def arguments(source: Source, at_seconds: float) -> list[str]:
    """ffmpeg's command for one representative frame after `at_seconds`, as PNG on its output."""
    picture = (
        input_of(source, ss=f"{at_seconds:.3f}")
        .filter("thumbnail", 24)
        .filter(
            "scale", f"min({EDGE},iw)", f"min({EDGE},ih)", force_original_aspect_ratio="decrease"
        )
    )
    node = ffmpeg.output(picture, "pipe:", vframes=1, format="image2pipe", vcodec="png", an=None)
    command: list[str] = ffmpeg.compile(
        node.global_args("-nostdin", "-v", "error", "-threads", "1")
    )
    return command


def of_recording(source: Source, duration_ms: int | None) -> bytes:
    """Raises MediaUnreadable where no frame can be decoded, MediaToolFailed."""
    # A second in, where there is one: the first frames are often black.
    starts = [1.0, 0.0] if (duration_ms or 0) > 2000 else [0.0]
    for at in starts:
        try:
            frame = run(arguments(source, at)).output
        except MediaUnreadable:
            continue
        if frame:
            with Image.open(io.BytesIO(frame), formats=("PNG",)) as image:
                return _jpeg(image)
    raise MediaUnreadable("No frame of it can be decoded.")


def of_photograph(path: Path) -> bytes:
    """Upright, as its orientation says. Raises MediaUnreadable."""
    with open_photograph(path) as image:
        try:
            image.draft("RGB", (EDGE * 2, EDGE * 2))
            # Before anything makes a copy: the whole picture is in memory once.
            image.thumbnail((EDGE, EDGE))
            return _jpeg(ImageOps.exif_transpose(image) or image)
        except (OSError, SyntaxError, ValueError) as error:
            raise MediaUnreadable(str(error)) from None


def _jpeg(image: Image.Image) -> bytes:
    picture = image.convert("RGB")
    picture.thumbnail((EDGE, EDGE))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return out.getvalue()
