"""File names that every system can hold: Windows too, and the Chinese stays.

Pure. The name that the source gave is kept beside it, in exhibit.json.
"""

from __future__ import annotations

import unicodedata

_FORBIDDEN = frozenset('<>:"/\\|?*%~')
_RESERVED = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
    | {f"{device}{n}" for device in ("COM", "LPT") for n in "123456789¹²³"}
)
_LONGEST = 100  # in UTF-16 units, as Windows counts; at most 4 bytes each elsewhere
_LONGEST_BYTES = 200
_LONGEST_SUFFIX = 12


def safe_name(name: str, otherwise: str) -> str:
    """`name` with what some system cannot hold replaced by `_`; `otherwise` where nothing is left.

    No control or direction characters, no trailing dot or space, no device's name, at most 100
    characters and 200 bytes of UTF-8; a short suffix is kept.
    """
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    text = "".join("_" if _unsafe(c) else c for c in text).strip(" .")
    stem, dot, suffix = text.rpartition(".")
    if not dot or len(suffix) > _LONGEST_SUFFIX or not stem:
        stem, dot, suffix = text, "", ""
    while stem and _too_long(f"{stem}{dot}{suffix}"):
        stem = stem[:-1]
    stem = stem.rstrip(" .")
    if not stem.strip("_ ."):
        stem = otherwise
    if stem.split(".")[0].strip().upper() in _RESERVED:
        stem = f"_{stem}"
    return f"{stem}{dot}{suffix}"


def _unsafe(c: str) -> bool:
    return c in _FORBIDDEN or unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _too_long(name: str) -> bool:
    return len(name.encode("utf-16-le")) > 2 * _LONGEST or len(name.encode()) > _LONGEST_BYTES
