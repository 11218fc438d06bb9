"""The facts of a recording or photograph, as ffprobe and Pillow read them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ffmpeg
import PIL
from PIL import ExifTags, Image, UnidentifiedImageError

from evidence.errors import MediaUnreadable
from evidence.media.limits import FORMATS, Source, run

# A photograph of more pixels is not opened: a few kilobytes can unpack to gigabytes. A baseline
# JPEG, which is what cameras write, is decoded at a fraction of its size; 50 million pixels of
# anything else take up to 400 MB.
_MOST_PIXELS = 50_000_000
_MOST_PIXELS_BASELINE = 200_000_000
# Pillow's own limit warns through the process's one filter of warnings, which threads share.
Image.MAX_IMAGE_PIXELS = None
PILLOW = f"Pillow {PIL.__version__}"
_LONGEST_TEXT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was read. Times and places are the device's claims, as it wrote them."""

    duration_ms: int | None = None
    width: int | None = None
    height: int | None = None
    details: dict[str, Any] = field(default_factory=dict)
    # Set where it could be read only in part: what the tool complained of.
    problem: str | None = None


def recording(source: Source) -> Facts:
    """Facts of a video or sound recording. Raises MediaUnreadable, MediaToolFailed."""
    command = [
        "ffprobe", "-v", "error", "-hide_banner", "-protocol_whitelist", source.protocols,
        "-format_whitelist", FORMATS, "-show_format", "-show_streams", "-of", "json",
        source.address,
    ]  # fmt: skip
    ran = run(command)
    try:
        said = json.loads(ran.output)
    except ValueError:
        raise MediaUnreadable("ffprobe's answer cannot be read.") from None
    streams = [s for s in said.get("streams", []) if isinstance(s, dict)]
    if not streams:
        raise MediaUnreadable("There is no picture and no sound in it.")
    video = next((s for s in streams if s.get("codec_type") == "video"), {})
    shape = said.get("format", {})
    tags = shape.get("tags", {})
    return Facts(
        duration_ms=_milliseconds(shape.get("duration")),
        width=video.get("width"),
        height=video.get("height"),
        details=_said(
            container=shape.get("format_name"),
            bit_rate=shape.get("bit_rate"),
            creation_time=tags.get("creation_time"),
            location=tags.get("location") or tags.get("com.apple.quicktime.location.ISO6709"),
            frame_rate=video.get("avg_frame_rate"),
            streams=[_stream(s) for s in streams[:20]],
        ),
        problem=_last_line(ran.complaints),
    )


def _stream(stream: dict[str, Any]) -> dict[str, Any]:
    return _said(
        type=stream.get("codec_type"),
        codec=stream.get("codec_name") or stream.get("codec_tag_string"),
        width=stream.get("width"),
        height=stream.get("height"),
        channels=stream.get("channels"),
        sample_rate=stream.get("sample_rate"),
    )


def _said(**members: Any) -> dict[str, Any]:
    """Only what is there, and no text longer than a page can bear."""
    return {
        name: value[:_LONGEST_TEXT] if isinstance(value, str) else value
        for name, value in members.items()
        if value not in (None, "", [], {})
    }


def _milliseconds(text: object) -> int | None:
    try:
        return round(float(str(text)) * 1000)
    except (ValueError, OverflowError):
        return None


def _last_line(complaints: str) -> str | None:
    return complaints.splitlines()[-1][:_LONGEST_TEXT] if complaints else None


def open_photograph(path: Path) -> Image.Image:
    """A photograph, opened but not decoded. Raises MediaUnreadable."""
    try:
        image = Image.open(path, formats=("JPEG", "PNG", "WEBP"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        said = str(error).replace(repr(str(path)), "the file")
        raise MediaUnreadable(said[:_LONGEST_TEXT]) from None
    baseline = image.format == "JPEG" and not image.info.get("progressive")
    most = _MOST_PIXELS_BASELINE if baseline else _MOST_PIXELS
    if image.width * image.height > most:
        image.close()
        raise MediaUnreadable(f"{image.width} × {image.height} pixels are too many to open.")
    return image


def photograph(path: Path) -> Facts:
    """Facts of a photograph. Raises MediaUnreadable."""
    with open_photograph(path) as image:
        try:
            exif = image.getexif()
            inner = exif.get_ifd(ExifTags.IFD.Exif)
            gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
        except (OSError, SyntaxError, ValueError, KeyError):
            exif, inner, gps = Image.Exif(), {}, {}
        return Facts(
            width=image.width,
            height=image.height,
            details=_said(
                container=image.format,
                make=_text(exif.get(ExifTags.Base.Make)),
                model=_text(exif.get(ExifTags.Base.Model)),
                creation_time=_text(inner.get(ExifTags.Base.DateTimeOriginal)),
                location=_place(gps),
            ),
        )


def _text(value: object) -> str | None:
    return str(value).strip("\0 ") if value is not None else None


def _place(gps: dict[int, Any]) -> str | None:
    """Degrees, ISO 6709: +43.467448+011.885127."""
    try:
        north = _degrees(gps[ExifTags.GPS.GPSLatitude], gps[ExifTags.GPS.GPSLatitudeRef] == "S")
        east = _degrees(gps[ExifTags.GPS.GPSLongitude], gps[ExifTags.GPS.GPSLongitudeRef] == "W")
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return f"{north:+010.6f}{east:+011.6f}/"


def _degrees(parts: Any, negative: bool) -> float:
    degrees, minutes, seconds = (float(p) for p in parts)
    value = degrees + minutes / 60 + seconds / 3600
    return -value if negative else value


def input_of(source: Source, **options: object) -> Any:
    """ffmpeg-python's input node for a recording and nothing else."""
    allowed = {"protocol_whitelist": source.protocols, "format_whitelist": FORMATS}
    return ffmpeg.input(source.address, **allowed, **options)
