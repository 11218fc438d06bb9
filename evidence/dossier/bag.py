"""The bag around a dossier's files (BagIt, RFC 8493): its declaration, manifests and bag-info.

Pure. manifest-sha256.txt names every file below data/, and the custody log commits to it; what
stands beside data/ proves that, and is named by tagmanifest-sha256.txt.
"""

from __future__ import annotations

from collections.abc import Sequence

from evidence.dossier.parts import Part

DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST, TAG_MANIFEST, INFO = "manifest-sha256.txt", "tagmanifest-sha256.txt", "bag-info.txt"


def manifest(parts: Sequence[Part]) -> str:
    """One line a file, in the order of the paths."""
    return "".join(f"{p.sha256}  {p.path}\n" for p in sorted(parts, key=lambda p: p.path))


def info(parts: Sequence[Part], *, label: str, description: str, day: str, origin: str) -> str:
    """bag-info.txt; `day` is an ISO date."""
    octets = sum(part.size for part in parts)
    return (
        f"Source-Organization: {origin}\n"
        f"Bagging-Date: {day}\n"
        f"External-Identifier: {label}\n"
        f"External-Description: {description}\n"
        f"Payload-Oxum: {octets}.{len(parts)}\n"
        "Bag-Software-Agent: Zhenglian\n"
    )
