"""Every store that the contract suite is run over, and bytes to put into it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from evidence.sm3 import SM3, new_sm3
from evidence.storage.falling_through import FallingThrough
from evidence.storage.filesystem import FilesystemStore
from evidence.storage.memory import MemoryStore
from evidence.storage.port import Store
from evidence.storage.s3 import S3Store
from tests import s3_service

# A store that is moved is two: what is new, over what it was.
MOVING = ("filesystem over filesystem", "s3 over filesystem", "filesystem over s3")
BACKENDS = ("memory", "filesystem", "s3", *MOVING)


def open_store(backend: str, folder: Path) -> Store:
    if backend in MOVING:
        return FallingThrough(*open_pair(backend, folder))
    if backend == "memory":
        return MemoryStore()
    return store_at(new_url(backend, folder), folder)


def new_url(backend: str, folder: Path) -> str:
    """As ZHENGLIAN_STORE_URL names it: a place that nobody has used, on a disk or a service."""
    return s3_service.new_place() if backend == "s3" else (folder / "store").as_uri()


def store_at(url: str, folder: Path) -> Store:
    """The store that a URL names, as another process sees it."""
    if url.startswith("s3:"):
        return S3Store(url, folder / "tmp")
    return FilesystemStore(Path(unquote(urlsplit(url).path)))


def open_pair(backend: str, folder: Path) -> tuple[Store, Store]:
    """The newer and the older of one that is moved."""
    new, _, old = backend.partition(" over ")
    return open_store(new, folder / "new"), open_store(old, folder / "old")


def close(*stores: Store) -> None:
    for store in stores:
        if isinstance(store, FallingThrough):
            close(store._new, store._old)
        if isinstance(store, S3Store):
            store.close()


def staged(store: Store, content: bytes, *, pieces: int = 1000) -> UUID:
    """An upload with `content`, all of it durable."""
    upload_id = uuid4()
    store.create(upload_id, len(content))
    with store.writer(upload_id) as writer:
        for piece in cut(content, pieces):
            writer.write(piece)
        writer.commit()
    return upload_id


def filed(store: Store, content: bytes) -> str:
    """The SHA-256 of an original with `content`."""
    upload_id = staged(store, content, pieces=len(content) or 1)
    store.file(upload_id, store.read_back(upload_id))
    store.remove(upload_id)
    return sha256(content)


def cut(content: bytes, length: int) -> Iterator[bytes]:
    for at in range(0, len(content), length):
        yield content[at : at + length]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sm3(content: bytes) -> str | None:
    """None where this system has none."""
    if not SM3:
        return None
    digest = new_sm3()
    digest.update(content)
    return digest.digest().hex()
