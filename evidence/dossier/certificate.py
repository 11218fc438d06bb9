"""The certificate of integrity (电子数据完整性证明) of one exhibit, as a PDF.

Set by Typst with the CJK fonts of the system. Texts go in as data: nothing that a file is called
can become markup. The same data gives the same bytes.
"""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import segno
import typst

from evidence.clock import SHANGHAI
from evidence.custody.checkpoint import Checkpoint
from evidence.custody.note import Note
from evidence.dossier.describing import Described, Event
from evidence.errors import CertificateNotMade
from evidence.people.actor import SYSTEM

_TEMPLATE = Path(__file__).with_name("certificate.typ")
FONTS = Path("/usr/share/fonts")
FONT = "Noto Serif CJK SC"
# What happened to the bytes is always shown; of the rest, the newest.
_ESSENTIAL = frozenset(
    f"exhibit:{verb}"
    for verb in (
        "acquired", "sealed", "quarantined", "altered", "unreadable", "readable_again",
        "digested", "linked", "unlinked", "exported", "proved",
    )
)  # fmt: skip
_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who certifies, and where outsiders check: the same for a whole dossier."""

    bureau: str
    origin: str
    verifier_key: str
    checkpoint: str  # a signed note
    signed_at: dt.datetime
    public_url: str  # without a trailing slash
    label: str  # the dossier's
    made_at: dt.datetime
    words: Mapping[str, str]  # kinds of events, in Chinese


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, font_paths=[str(FONTS)])


def certificate(described: Described, issuer: Issuer) -> bytes:
    """The PDF. Raises CertificateNotMade where a font is missing, or Typst cannot set it."""
    if FONT not in _fonts().families():
        raise CertificateNotMade(f"The font {FONT} is missing: install fonts-noto-cjk.")
    data = json.dumps(_data(described, issuer), ensure_ascii=False)
    try:
        made = typst.compile(
            _TEMPLATE.read_bytes(),
            format="pdf",
            font_paths=_fonts(),
            sys_inputs={"data": data},
            timestamp=issuer.made_at.replace(microsecond=0),
        )
    except RuntimeError as error:
        raise CertificateNotMade(f"Typst: {error}") from error
    if not isinstance(made, bytes):
        raise CertificateNotMade("Typst made more than one file.")
    return made


def _beijing(moment: dt.datetime | None) -> str:
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}" if moment else "—"


def _data(described: Described, issuer: Issuer) -> dict[str, Any]:
    exhibit = described.exhibit
    head = Checkpoint.parse(Note.parse(issuer.checkpoint).text)
    url = f"{issuer.public_url}/verify/{exhibit.sha256}"
    sealed = described.first("exhibit:sealed", "exhibit:quarantined")
    shown, left_out = _summary(described)
    note = f"共 {len(described.events)} 项行为，全部在卷宗的 events 文件夹中。"
    return {
        "title": f"电子数据完整性证明 {exhibit.label}",
        "bureau": issuer.bureau,
        "origin": issuer.origin,
        "key": issuer.verifier_key,
        "label": f"{issuer.label} · {exhibit.label}",
        "made": f"{_beijing(issuer.made_at)}（北京时间）",
        "warning": _warning(described),
        "facts": _facts(described),
        "sha256": exhibit.sha256,
        "sm3": exhibit.sm3,
        "points": _points(described),
        "custody-note": note + (f"下表略去其中 {left_out} 项查看类行为。" if left_out else ""),
        "events": [_row(event, issuer.words) for event in shown],
        "index": sealed.leaf_index if sealed else None,
        "checkpoint": {
            "size": head.size,
            "root": base64.b64encode(head.root).decode(),
            "at": _beijing(issuer.signed_at),
        },
        "url": url,
        "qr": _qr(url),
    }


def _qr(url: str) -> str:
    drawn = io.BytesIO()
    segno.make(url, error="m", micro=False).save(drawn, kind="svg", border=0, dark="#1d2733")
    return drawn.getvalue().decode()


def _warning(described: Described) -> str:
    if not described.included:
        return "复读时发现原件已被改动或无法读取，本卷宗不含其字节，只含其保管记录。"
    if described.quarantined:
        return "本证据采集时摘要不一致，处于隔离状态，不得作为完整的原始数据使用。"
    return ""


def _facts(described: Described) -> list[tuple[str, str]]:
    exhibit = described.exhibit
    officer, recorder, unit = exhibit.officer, exhibit.recorder, exhibit.unit
    links = [link.target_text for link in exhibit.links if link.unlinked_at is None]
    return [
        ("证据编号", exhibit.label),
        ("文件名", exhibit.filename or "—"),
        ("大小", f"{exhibit.size:,} 字节"),
        ("类型", exhibit.media_type or "—"),
        ("记录仪", recorder.number if recorder else exhibit.recorder_claim or "—"),
        ("佩戴人员", officer.name if officer else "—"),
        ("单位", unit.name if unit else "—"),
        ("设备所示时间", exhibit.recorded_at_claim or "—"),
        ("接收 / 封存", f"{_beijing(exhibit.received_at)} / {_beijing(exhibit.sealed_at)}"),
        ("关联", "；".join(filter(None, links)) or "—"),
    ]


def _points(described: Described) -> list[tuple[str, str | None, str]]:
    exhibit = described.exhibit
    return [
        (name, value, "none" if value is None else _verdict(value == exhibit.sha256_read_back))
        for name, value in (
            ("来源计算", exhibit.sha256_claim),
            ("接收时计算", exhibit.sha256_received),
            ("存储回读", exhibit.sha256_read_back),
        )
    ]


def _verdict(same: bool) -> str:
    return "equal" if same else "differs"


def _summary(described: Described) -> tuple[list[Event], int]:
    """The events to be shown, in order, and how many are left out."""
    room = _SHOWN - sum(event.kind in _ESSENTIAL for event in described.events)
    others = [event for event in described.events if event.kind not in _ESSENTIAL]
    kept = {event.id for event in others[-room:]} if room > 0 else set()
    shown = [e for e in described.events if e.kind in _ESSENTIAL or e.id in kept]
    return shown, len(described.events) - len(shown)


def _who(event: Event, kind: str) -> str:
    if event.actor_name and event.actor_name != SYSTEM.name:
        return event.actor_name
    return {"system": "系统", "recorder": "采集站"}.get(kind, "—")


_VIAS = {"field": "移动端", "dock": "采集站", "console": "控制台", "api": "接口", "job": "自动"}


def _row(event: Event, words: Mapping[str, str]) -> list[str]:
    actor = event.said.get("actor", {})
    at = dt.datetime.fromisoformat(str(event.said.get("at")))
    return [
        _beijing(at),
        words.get(event.kind, event.kind),
        _who(event, str(actor.get("type"))),
        _VIAS.get(actor.get("via"), "—"),
        "—" if event.leaf_index is None else str(event.leaf_index),
    ]
