"""The log's signing key on disk: made on first start, for its owner alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

from evidence.custody.note import Signer
from evidence.errors import CustodyError


def load_or_create_signer(path: Path, name: str) -> Signer:
    """The signer kept at `path` (0600), made if there is none.

    Raises CustodyError where the key was made for another origin than `name`: an origin is
    configured once and never changed, or every older checkpoint is orphaned.
    """
    try:
        if not path.exists():
            _create(path, name)
        kept = json.loads(path.read_text(encoding="utf-8"))
        kept_name, seed = kept["origin"], bytes.fromhex(kept["ed25519_seed"])
        if len(seed) != 32:
            raise ValueError("a seed of another length")
    except OSError as error:
        raise CustodyError(f"The log's key {path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise CustodyError(f"The log's key {path} is damaged. Restore it from a backup.") from None
    if kept_name != name:
        raise CustodyError(
            f"The log's key {path} belongs to the origin {kept_name}, and ZHENGLIAN_LOG_ORIGIN "
            f"says {name}. An origin is never changed: set it back."
        )
    return Signer(name, seed)


def _create(path: Path, name: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = json.dumps({"origin": name, "ed25519_seed": os.urandom(32).hex()})
    draft = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        # Two processes that start together: the first name to stand is the key of both.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
