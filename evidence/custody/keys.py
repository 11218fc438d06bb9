"""Signing keys on disk: made on first start, for their owner alone; and how the log's is changed.

While a key is changed both sign, so whoever knows either goes on reading the log. What has to be
done in the log for that is the sequencer's (evidence.custody.sequencer); here is only the file.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evidence.custody.note import Signer
from evidence.errors import CustodyError, EvidenceError
from evidence.storage.durable import place, replace_file

_SEED = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A name, the seed of its key, and the seed of the key before it while both sign.

    `lost` is the verifier key of one that is gone: the log may be carried on from its last head.
    """

    name: str
    seed: bytes
    before: bytes | None = None
    lost: str = ""

    @property
    def known(self) -> list[str]:
        """The verifier keys whose head it may carry on, its own and newest first."""
        return [*signer_of(self).verifier_keys, *([self.lost] if self.lost else [])]

    def content(self) -> bytes:
        kept: dict[str, Any] = {"origin": self.name, "ed25519_seed": self.seed.hex()}
        if self.before is not None:
            kept["ed25519_seed_before"] = self.before.hex()
        if self.lost:
            kept["lost"] = self.lost
        return json.dumps(kept).encode()


def read_key(path: Path, name: str) -> KeyFile:
    """What stands at `path`. Raises CustodyError, also where it was made for another name.

    An origin is configured once and never changed, or every older checkpoint is orphaned.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        found = KeyFile(
            name=kept["origin"],
            seed=_seed(kept["ed25519_seed"]),
            before=_seed(kept["ed25519_seed_before"]) if "ed25519_seed_before" in kept else None,
            lost=str(kept.get("lost", "")),
        )
    except OSError as error:
        raise CustodyError(f"The key {path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise CustodyError(f"The key {path} is damaged. Restore it from a backup.") from None
    if found.name != name:
        raise CustodyError(
            f"The key {path} belongs to {found.name}, and the configuration says {name}. "
            "A name, or ZHENGLIAN_LOG_ORIGIN, is never changed: set it back."
        )
    return found


def _seed(text: str) -> bytes:
    seed = bytes.fromhex(text)
    if len(seed) != _SEED:
        raise ValueError("a seed of another length")
    return seed


def load_or_create(path: Path, name: str) -> KeyFile:
    """The key kept at `path` (0600), made if there is none. Raises CustodyError."""
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Two processes that start together: the first name to stand is the key of both.
            place(KeyFile(name=name, seed=os.urandom(_SEED)).content(), path, 0o600)
    except OSError as error:
        raise CustodyError(f"The key {path} cannot be made: {error.strerror}.") from None
    return read_key(path, name)


def signer_of(key: KeyFile) -> Signer:
    return Signer(key.name, key.seed, key.before)


def load_or_create_signer(path: Path, name: str) -> Signer:
    """The log's signer. Raises CustodyError."""
    return signer_of(load_or_create(path, name))


def begin_change(path: Path, name: str) -> Signer:
    """Put a new key beside the one at `path`; both sign from the next start.

    Raises CustodyError where two sign already.
    """
    key = read_key(path, name)
    if key.before is not None:
        raise CustodyError("Two keys sign already: finish that change first.")
    return _replace(path, KeyFile(name=name, seed=os.urandom(_SEED), before=key.seed))


def finish_change(path: Path, name: str) -> Signer:
    """Let the older of two keys go. Raises CustodyError where only one signs."""
    key = read_key(path, name)
    if key.before is None:
        raise CustodyError("Only one key signs: there is no change to finish.")
    return _replace(path, KeyFile(name=name, seed=key.seed))


def replace_lost(path: Path, name: str, lost: str) -> Signer:
    """Make a new key in place of one that is gone; `lost` is the verifier key it had.

    Raises CustodyError where a key stands at `path`: what is there is not lost.
    """
    if path.exists():
        raise CustodyError(
            f"{path} is there, so it is not lost. If a start made it after the loss, move it away."
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _replace(path, KeyFile(name=name, seed=os.urandom(_SEED), lost=lost))


def _replace(path: Path, key: KeyFile) -> Signer:
    try:
        replace_file(path, key.content())
    except EvidenceError as error:
        raise CustodyError(f"The key {path} cannot be written: {error}") from None
    return signer_of(key)
