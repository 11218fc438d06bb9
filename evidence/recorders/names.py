"""What a recorder's file name says. Parsed leniently; never the source of truth. Pure."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass

from evidence.clock import SHANGHAI

# prefix_device@officer_date_time[_sequence][_IMP key file][_enc]; seen in recorders and third-party
# camera software. The official rule (GA/T 947) is not public.
_NAME = re.compile(
    r"(?P<prefix>[A-Z]{2,8})[_-](?P<device>[A-Za-z0-9][A-Za-z0-9-]{2,19})[_@](?P<officer>[A-Za-z0-9]{3,18})"
    r"_(?P<date>\d{8})_?(?P<time>\d{6})(?:_(?P<sequence>\d{1,6}))?(?P<key>_IMP)?(?:_enc)?"
    r"\.(?:mp4|mov|avi|ts|jpe?g|png|aac|m4a|wav|mp3)",
    re.IGNORECASE | re.ASCII,
)
_LONGEST = 255
# Marks that reorder or hide what a reader sees.
_DECEIVING = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderName:
    """A name that follows the pattern. `recorded_at` is the device's clock, Asia/Shanghai."""

    device: str
    officer: str
    recorded_at: dt.datetime
    sequence: int | None
    key_file: bool


def parse(name: str) -> RecorderName | None:
    """What `name` says, or None where it follows no known pattern."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        claimed = dt.datetime.fromisoformat(f"{found['date']}T{found['time']}")
    except ValueError:
        return None
    return RecorderName(
        device=found["device"],
        officer=found["officer"],
        recorded_at=claimed.replace(tzinfo=SHANGHAI),
        sequence=int(found["sequence"]) if found["sequence"] else None,
        key_file=found["key"] is not None,
    )


def suspect(name: str) -> bool:
    """Whether a name tries to be more than a name: path parts, control or direction marks."""
    return (
        name.strip() in ("", ".", "..")
        or len(name) > _LONGEST
        or "/" in name
        or "\\" in name
        or "\N{SYMBOL FOR NULL}" in name
        or any(unicodedata.category(c) in _DECEIVING for c in name)
    )


def recorder_key(text: str) -> str:
    """A recorder's number as it is compared: HD-012, hd_012 and HD012 are one."""
    return re.sub(r"[^0-9A-Z]", "", unicodedata.normalize("NFKC", text).upper())
