"""A log with one exhibit in it, and its proof file: what the tests of proofs share."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.orm import Session, sessionmaker

from evidence.custody import exhibit_proof
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent
from evidence.custody.note import Signer
from evidence.custody.sequencer import Sequencer
from evidence.digests import Segment, segments_digest
from evidence.people.actor import SYSTEM
from evidence.sqlite import begin_write
from evidence.storage.memory import MemoryStore

SIGNER = Signer("evidence.example/log", bytes(range(32)))
VERIFY = Path(__file__).resolve().parents[2] / "scripts" / "verify"
ORIGINAL = bytes(range(256)) * 40
SEGMENT = 4096
FILENAME = "执法现场.mp4"


def segments_of(original: bytes) -> list[Segment]:
    pieces = [original[at : at + SEGMENT] for at in range(0, len(original), SEGMENT)]
    return [Segment(len(piece), hashlib.sha256(piece).digest()) for piece in pieces]


def acquire(session: Session, exhibit_id: UUID, original: bytes, *, sealed: bool = True) -> None:
    """The events of an exhibit's first minutes."""
    sha256, segments = hashlib.sha256(original).hexdigest(), segments_of(original)
    append(
        session,
        Kind.EXHIBIT_ACQUIRED,
        exhibit_id,
        SYSTEM,
        label="E2026-000001",
        upload=str(uuid4()),
        filename=FILENAME,
        size=len(original),
        recorded_at_claim="2023-09-15T10:00:00+08:00",
        recorder_claim="HD-001",
        recorder=None,
        wearer=None,
        unit=None,
        received_at="2023-09-15T02:00:00.000000Z",
        sha256_claim=sha256,
        flags=[],
    )
    common: dict[str, Any] = {
        "size": len(original),
        "sha256_claim": sha256 if sealed else "0" * 64,
        "sha256_received": sha256,
        "segments_sha256": segments_digest(segments),
        "segments": len(segments),
    }
    if sealed:
        append(session, Kind.EXHIBIT_SEALED, exhibit_id, SYSTEM, sha256=sha256, **common)
    else:
        append(
            session,
            Kind.EXHIBIT_QUARANTINED,
            exhibit_id,
            SYSTEM,
            sha256_read_back=sha256,
            differed=["claim"],
            **common,
        )


class ProvenLog:
    """Other people's events around those of one exhibit, sequenced."""

    def __init__(self, sessions: sessionmaker[Session], store: MemoryStore) -> None:
        self.sessions, self.store = sessions, store
        self.sequencer = Sequencer(sessions, store, SIGNER, "test")
        self.exhibit_id = uuid4()
        self.sha256 = hashlib.sha256(ORIGINAL).hexdigest()

    def others(self, count: int) -> None:
        with self.sessions() as session:
            begin_write(session)
            for _ in range(count):
                append(session, Kind.EXHIBIT_VIEWED, uuid4(), SYSTEM)
            session.commit()

    def sequence(self) -> None:
        while self.sequencer.run_once():
            pass

    def fill(self, *, sealed: bool = True) -> CustodyEvent:
        """Up to exhibit:proved, with every event in another place of the tree."""
        self.others(3)
        with self.sessions() as session:
            begin_write(session)
            acquire(session, self.exhibit_id, ORIGINAL, sealed=sealed)
            session.commit()
        self.sequence()
        self.others(270)
        with self.sessions() as session:
            begin_write(session)
            append(session, Kind.EXHIBIT_VIEWED, self.exhibit_id, SYSTEM)
            session.commit()
        return self.prove()

    def prove(self) -> CustodyEvent:
        with self.sessions() as session:
            begin_write(session)
            proved = exhibit_proof.prove(
                session, self.exhibit_id, self.sha256, len(ORIGINAL), SYSTEM
            )
            session.commit()
        return proved

    def proof(self, up_to: CustodyEvent) -> dict[str, Any]:
        with self.sessions() as session:
            return exhibit_proof.make_proof(
                session,
                self.store,
                verifier_key=SIGNER.verifier_key,
                exhibit={
                    "id": self.exhibit_id,
                    "label": "E2026-000001",
                    "filename": FILENAME,
                    "size": len(ORIGINAL),
                    "sha256": self.sha256,
                },
                segments=segments_of(ORIGINAL),
                up_to=up_to,
            )


def write(folder: Path, proof: dict[str, Any], original: bytes | None = ORIGINAL) -> Path:
    """The proof file, with the original beside it."""
    path = folder / "proof.json"
    path.write_text(json.dumps(proof, ensure_ascii=False), encoding="utf-8")
    if original is not None:
        (folder / FILENAME).write_bytes(original)
    return path


def verify(*arguments: object) -> tuple[int, str]:
    """Exit code and output of scripts/verify, run as a stranger would: bare Python, isolated."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(VERIFY), *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        env={"LANG": "C.UTF-8", "PATH": os.environ["PATH"]},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr
