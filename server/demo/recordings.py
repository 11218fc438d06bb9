"""Small recordings, made with ffmpeg and brought in as a dock would bring them."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from sqlalchemy import select

from evidence.cases.finding import find_by_number
from evidence.cases.linking import link_exhibits
from evidence.clock import SHANGHAI
from evidence.exhibits.models import Exhibit, ExhibitLink
from evidence.media.limits import local, run
from evidence.people.actor import Actor, ActorType, Role, Via
from evidence.uploads import receiving
from evidence.uploads.headers import Claims
from evidence.uploads.models import Upload
from server import intake, sealing
from server.accounts.models import Station
from server.extensions import db, settings
from server.unit_of_work import unit_of_work

SECONDS = 6
# The badge that the names carry: whoever set the recorders up, not who wore them that day.
_BADGE = "430424017"
_CASE = "衡东市监罚字〔2023〕448号"
# Recorders, and the hours before the bureau was made. The last two were docked late, as happens.
_BROUGHT = (
    ("HD012", 4.0),
    ("HD010", 6.3),
    ("HD012", 8.6),
    ("HD025", 10.9),
    ("HD012", 13.2),
    ("HD011", 15.5),
    ("HD040", 74.5),
    ("HD012", 75.2),
)
_ON_THE_CARD = (("HD012", 6.4), ("HD012", 5.9), ("HD012", 3.2))
# Sources of ffmpeg's own that look like something, and differ.
_SCENES = (
    "gradients=s=640x360:c0=0x1f3a5f:c1=0xe8a33d:c2=0x7a9e7e:c3=0x22313f:n=4:speed=0.02",
    "mandelbrot=s=640x360:start_scale=0.4:end_scale=0.05",
    "gradients=s=640x360:c0=0x8c2f39:c1=0xf2d0a4:c2=0x545e75:n=3:speed=0.03",
    "testsrc2=s=640x360",
    "gradients=s=640x360:c0=0x0b3c49:c1=0x731963:c2=0xfffdfd:n=3:type=radial",
    "smptehdbars=s=640x360",
)
_FONTS = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
)


def _overlay(name: str, at: dt.datetime) -> str:
    """The recorder's stamp burned in, where a font is there."""
    font = next((f for f in _FONTS if Path(f).exists()), None)
    if font is None:
        return "null"
    text = f"{name.split('_')[1].split('@', maxsplit=1)[0]}  {at:%Y-%m-%d %H.%M.%S}"
    look = "x=16:y=16:fontsize=20:fontcolor=white:box=1:boxcolor=black@0.5"
    return f"drawtext=fontfile={font}:text='{text}':{look}"


def make(path: Path, scene: int, at: dt.datetime) -> None:
    """A recording of a few seconds with a tone; `at` is the time that it shows."""
    command = [
        "ffmpeg", "-v", "error", "-nostdin", "-y",
        "-f", "lavfi", "-i", f"{_SCENES[scene % len(_SCENES)]}:r=12",
        "-f", "lavfi", "-i", f"sine=frequency={300 + 40 * scene}:sample_rate=22050",
        "-t", str(SECONDS), "-vf", _overlay(path.name, at), "-threads", "1",
        "-c:v", "libx264", "-preset", "ultrafast", "-crf", "30", "-pix_fmt", "yuv420p",
        "-c:a", "aac", "-b:a", "32k", "-movflags", "+faststart",
        "-metadata", f"creation_time={at.astimezone(dt.UTC).isoformat()}", local(path).address,
    ]  # fmt: skip
    run(command)
    os.utime(path, (at.timestamp(), at.timestamp()))


def make_card(folder: Path, made: dt.datetime) -> None:
    """A recorder's card with three recordings that were not docked yet, if it is not there."""
    if folder.exists():
        return
    with TemporaryDirectory(dir=folder.parent) as draft:
        card = Path(draft) / folder.name
        card.mkdir()
        _make_all(card, _ON_THE_CARD, made, len(_BROUGHT))
        card.rename(folder)


def bring_in(station: Station, handler: Actor) -> None:
    """Eight recordings of the last days, sealed; two of them linked to a case."""
    if db.session.scalar(select(ExhibitLink.id).limit(1)) is not None:
        return
    dock = Actor(
        type=ActorType.SYSTEM,
        id=station.id,
        via=Via.DOCK,
        name=station.name,
        roles=frozenset({Role.STATION}),
    )
    with TemporaryDirectory(dir=settings().data) as folder:
        paths = _make_all(Path(folder), _BROUGHT, station.created_at, 0)
        sealed = [_upload(dock, path) for path in paths]
    # The links come last: where they are, everything is.
    with unit_of_work() as session:
        case = find_by_number(session, _CASE, handler)
        exhibits = [session.get_one(Exhibit, exhibit_id) for exhibit_id in sealed[:3:2]]
        link_exhibits(session, case, exhibits, handler, note="现场检查视频")


def _make_all(
    folder: Path, plan: Sequence[tuple[str, float]], made: dt.datetime, first: int
) -> list[Path]:
    """The recordings of `plan`, numbered on from `first`; `made` is when the bureau was."""
    wanted = []
    for scene, (recorder, hours) in enumerate(plan, first):
        at = (made - dt.timedelta(hours=hours)).astimezone(SHANGHAI).replace(microsecond=0)
        name = f"ZFY_{recorder}@{_BADGE}_{at:%Y%m%d_%H%M%S}_{scene + 1:04d}.mp4"
        wanted.append((folder / name, scene, at))
    with ThreadPoolExecutor(2) as pool:
        for finished in [pool.submit(make, *each) for each in wanted]:
            finished.result()
    return [path for path, _, _ in wanted]


def _upload(dock: Actor, path: Path) -> UUID:
    """One recording, the way of every other: staged, completed, sealed; the exhibit's id.

    ffmpeg writes the same bytes again, so that one that an earlier start has sealed is known.
    """
    content = path.read_bytes()
    at = dt.datetime.fromtimestamp(path.stat().st_mtime, SHANGHAI)
    claims = Claims(
        filename=path.name,
        filetype="video/mp4",
        recorded_at=at.isoformat(),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    upload = intake.open_upload(
        receiving.new(
            dock, length=len(content), claims=claims, metadata_raw="", largest=settings().max_upload
        )
    )
    intake.settle(upload, intake.receive(upload, 0, [content], len(content), None))
    sealing.seal_upload(upload.id)
    db.session.expire_all()
    exhibit_id = db.session.get_one(Upload, upload.id).exhibit_id
    if exhibit_id is None:
        raise RuntimeError(f"the demonstration's own {path.name} could not be sealed")
    return exhibit_id
