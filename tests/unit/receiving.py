"""Uploads that have come in whole, to be sealed by the domain alone."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.custody.models import CustodyEvent
from evidence.custody.note import Signer
from evidence.exhibits.acquisition import seal
from evidence.exhibits.models import Exhibit
from evidence.storage.memory import MemoryStore
from evidence.uploads.models import Upload, UploadState
from tests.conftest import SteppingClock

SIGNER = Signer("zhenglian.test/log", b"\1" * 32)
STATION = uuid4()


class Receiving:
    """Uploads that have come in whole, and their sealing."""

    def __init__(self, session: Session, store: MemoryStore, clock: SteppingClock) -> None:
        self.session, self.store, self.clock = session, store, clock

    def upload(self, content: bytes, *, length: int | None = None, **claims: Any) -> Upload:
        claims.setdefault("sha256_claim", hashlib.sha256(content).hexdigest())
        upload = Upload(
            state=UploadState.SEALING,
            length=len(content) if length is None else length,
            actor_type="system",
            actor_id=STATION,
            actor_via="dock",
            actor_name="采集站",
            created_at=self.clock.now,
            completed_at=self.clock.now,
            expires_at=self.clock.now + dt.timedelta(days=1),
            **claims,
        )
        self.session.add(upload)
        self.session.flush()
        self.store.create(upload.id, len(content))
        with self.store.writer(upload.id) as writer:
            writer.write(content)
            writer.commit()
        return upload

    def seal(self, upload: Upload, differing: Sequence[int] = ()) -> Exhibit:
        read_back = replace(self.store.read_back(upload.id), differing=differing)
        exhibit = seal(self.session, self.store, SIGNER, upload, read_back)
        self.session.flush()
        return exhibit

    def events(self, exhibit: Exhibit) -> list[tuple[str, dict[str, Any]]]:
        found = self.session.scalars(
            select(CustodyEvent)
            .where(CustodyEvent.subject_id == exhibit.id)
            .order_by(CustodyEvent.position)
        )
        return [(e.kind, json.loads(e.canonical)["details"]) for e in found]
