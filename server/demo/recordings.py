"""Small recordings, made with ffmpeg and brought in as a dock would bring them."""

from __future__ import annotations

import datetime as dt
import hashlib
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import select

from evidence import clock
from evidence.cases.finding import find_by_number
from evidence.cases.linking import link_exhibits
from evidence.clock import SHANGHAI
from evidence.errors import EvidenceError
from evidence.exhibits.models import Exhibit
from evidence.people.actor import Actor, ActorType, Role, Via
from evidence.uploads import receiving
from evidence.uploads.headers import Claims
from evidence.uploads.models import Upload
from server import sealing
from server.accounts.models import Station
from server.extensions import db, settings, store
from server.unit_of_work import unit_of_work

SECONDS = 6
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
        "-t", str(SECONDS), "-vf", _overlay(path.name, at),
        "-c:v", "libx264", "-preset", "ultrafast", "-crf", "30", "-pix_fmt", "yuv420p",
        "-c:a", "aac", "-b:a", "32k", "-movflags", "+faststart",
        "-metadata", f"creation_time={at.astimezone(dt.UTC).isoformat()}", str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True)


def _name(recorder: str, badge: str, at: dt.datetime, sequence: int) -> str:
    return f"ZFY_{recorder}@{badge}_{at:%Y%m%d_%H%M%S}_{sequence:04d}.mp4"


def _duty(days_ago: int, hour: int, minute: int) -> dt.datetime:
    today = clock.now().astimezone(SHANGHAI)
    return today.replace(hour=hour, minute=minute, second=5, microsecond=0) - dt.timedelta(
        days=days_ago
    )


def make_card(folder: Path) -> None:
    """A recorder's card with three recordings that were not docked yet."""
    folder.mkdir(exist_ok=True)
    times = [_duty(1, 9, 30), _duty(1, 9, 52), _duty(1, 15, 10)]
    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(
                lambda i: make(
                    folder / _name("HD012", "430424017", times[i], i + 1), i + 3, times[i]
                ),
                range(3),
            )
        )


def bring_in(handler: Actor) -> None:
    """Eight recordings of the last days, sealed; two of them linked to a case."""
    station = db.session.scalars(select(Station)).first()
    if station is None:
        return
    dock = Actor(
        type=ActorType.SYSTEM,
        id=station.id,
        via=Via.DOCK,
        name=station.name,
        roles=frozenset({Role.STATION}),
    )
    times = [_duty(2 + i // 3, 9 + 2 * (i % 3), 7 * i % 60) for i in range(8)]
    recorders = ("HD012", "HD010", "HD012", "HD025", "HD012", "HD011", "HD040", "HD012")
    with TemporaryDirectory(dir=settings().data) as folder, ThreadPoolExecutor(2) as pool:
        paths = [Path(folder) / _name(recorders[i], "430424017", times[i], i + 1) for i in range(8)]
        list(pool.map(lambda i: make(paths[i], i, times[i]), range(8)))
        sealed = [_upload(dock, path, at) for path, at in zip(paths, times, strict=True)]
    with unit_of_work() as session:
        case = find_by_number(session, "衡东市监罚字〔2023〕448号", handler)
        visible = [session.get_one(Exhibit, exhibit_id) for exhibit_id in sealed[:3:2]]
        try:
            link_exhibits(session, case, visible, handler, note="现场检查视频")
        except EvidenceError as error:
            raise RuntimeError("the demonstration's own exhibits cannot be linked") from error


def _upload(dock: Actor, path: Path, at: dt.datetime) -> object:
    """One recording, the way of every other: staged, completed, sealed; the exhibit's id."""
    content = path.read_bytes()
    claims = Claims(
        filename=path.name,
        filetype="video/mp4",
        recorded_at=at.isoformat(),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    upload = receiving.new(
        dock, length=len(content), claims=claims, metadata_raw="", largest=settings().max_upload
    )
    upload_id = upload.id
    store().create(upload_id, len(content))
    with unit_of_work() as session:
        session.add(upload)
    with store().writer(upload_id) as writer:
        writer.write(content)
        writer.commit()
    with unit_of_work() as session:
        receiving.complete(session.get_one(Upload, upload_id))
    sealing.seal_upload(upload_id)
    db.session.expire_all()
    return db.session.get_one(Upload, upload_id).exhibit_id
