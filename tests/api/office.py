"""A small bureau behind the API: two handling units, an inspection unit that hands over to one.

Its exhibits are rows with real bytes in the store; how bytes become exhibits is tested elsewhere.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.base import next_number
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent
from evidence.digests import Segment, pack_segments, segments_digest
from evidence.exhibits.models import Exhibit, ExhibitSegments, ExhibitState
from evidence.people.actor import SYSTEM, Role
from evidence.people.models import Certificate, Officer, Unit, UnitKind
from evidence.recorders.models import Recorder
from evidence.storage.memory import MemoryStore
from server.accounts import tokens
from server.accounts.current import account_actor
from server.accounts.models import Account, Station, TokenKind
from server.extensions import store
from server.unit_of_work import unit_of_work

CASE = "衡东市监罚字〔2023〕451号"


@dataclass
class Office:
    """Ids of what there is, and clients that are logged in."""

    app: Flask
    units: dict[str, UUID] = field(default_factory=dict)
    officers: dict[str, UUID] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    recorder_id: UUID = field(default_factory=uuid4)

    def client(self, who: str | None = None) -> FlaskClient:
        """A client that acts as `who`, or as nobody."""
        client = self.app.test_client()
        if who:
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.secrets[who]}"
        return client

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with self.app.app_context(), unit_of_work() as session:
            yield session

    def exhibit(self, content: bytes | None = None, *, unit: str = "squad", **members: Any) -> UUID:
        """A sealed exhibit of a unit, its bytes in the store."""
        content = uuid4().bytes if content is None else content
        sha256 = hashlib.sha256(content).hexdigest()
        with self.writing() as session:
            exhibit = Exhibit(**self._members(session, content, sha256, unit, members))
            session.add(exhibit)
            session.flush()
            segments = [Segment(len(content), hashlib.sha256(content).digest())]
            session.add(ExhibitSegments(exhibit_id=exhibit.id, packed=pack_segments(segments)))
            self._file(exhibit, content)
            append(
                session,
                Kind.EXHIBIT_SEALED,
                exhibit.id,
                SYSTEM,
                size=len(content),
                sha256=sha256,
                sha256_claim=sha256,
                sha256_received=sha256,
                segments_sha256=segments_digest(segments),
                segments=1,
            )
            return exhibit.id

    def _members(
        self, session: Session, content: bytes, sha256: str, unit: str, more: dict[str, Any]
    ) -> dict[str, Any]:
        now = clock.now()
        return {
            "id": uuid4(),
            "label": f"E{now.year}-{next_number(session, f'exhibit:{now.year}'):06d}",
            "state": ExhibitState.SEALED,
            "sha256": sha256,
            "size": len(content),
            "sha256_claim": sha256,
            "sha256_received": sha256,
            "sha256_read_back": sha256,
            "segments_digest": sha256,
            "filename": "DCAM_HD012_000001_20230915_100000.mp4",
            "media_type": "video/mp4",
            "flags": [],
            "recorded_at": now - dt.timedelta(hours=1),
            "recorder_id": self.recorder_id,
            "officer_id": self.officers["officer"],
            "unit_id": self.units[unit],
            "received_at": now,
            "sealed_at": now,
            "last_read_at": now - dt.timedelta(days=1),
            **more,
        }

    def _file(self, exhibit: Exhibit, content: bytes) -> None:
        held = store()
        assert isinstance(held, MemoryStore)
        upload_id = uuid4()
        held.create(upload_id, len(content))
        with held.writer(upload_id) as writer:
            writer.write(content)
            writer.commit()
        if exhibit.state is ExhibitState.QUARANTINED:
            held.quarantine(upload_id, exhibit.id)
        else:
            held.file(upload_id, held.read_back(upload_id))
            held.remove(upload_id)

    def kinds(self, subject_id: UUID | str) -> list[str]:
        """The kinds of a subject's events, in order."""
        with self.app.app_context(), self.writing() as session:
            query = select(CustodyEvent.kind).where(
                CustodyEvent.subject_id == UUID(str(subject_id))
            )
            return list(session.scalars(query.order_by(CustodyEvent.position)))

    def file_case(
        self, number: str = CASE, *, who: str = "handler", **members: Any
    ) -> dict[str, Any]:
        said = {"number": number, "party": "王记食品店", "sector": "food", "filed_on": "2023-09-15"}
        answer = self.client(who).post("/api/v1/cases", json={**said, **members})
        assert answer.status_code == 201, answer.text
        filed: dict[str, Any] = answer.json
        return filed


def open_office(app: Flask) -> Office:
    """Fill an empty database."""
    office = Office(app)
    with office.writing() as session:
        squad = Unit(id=uuid4(), name="执法大队", kind=UnitKind.HANDLING)
        street = Unit(
            id=uuid4(), name="城关所", kind=UnitKind.INSPECTION, hands_over_to_id=squad.id
        )
        other = Unit(id=uuid4(), name="价监股", kind=UnitKind.BOTH)
        legal = Unit(id=uuid4(), name="法规股", kind=UnitKind.LEGAL)
        session.add_all([squad, other, legal])
        session.flush()
        session.add(street)
        session.flush()
        office.units = {
            "squad": squad.id,
            "street": street.id,
            "other": other.id,
            "legal": legal.id,
        }
        session.add(Recorder(id=office.recorder_id, number="HD-012", key="HD012", unit_id=squad.id))
        people = {
            **{role.value: (role, "squad") for role in Role if role is not Role.STATION},
            "reviewer": (Role.REVIEWER, "legal"),
            "supervisor": (Role.SUPERVISOR, "legal"),
            "street_officer": (Role.OFFICER, "street"),
            "street_handler": (Role.HANDLER, "street"),
            "other_officer": (Role.OFFICER, "other"),
            "other_handler": (Role.HANDLER, "other"),
        }
        for place, (who, (role, unit)) in enumerate(people.items()):
            _employ(session, office, place, who, role, office.units[unit])
        station = Station(name="采集站", unit_id=None, created_at=clock.now())
        session.add(station)
        session.flush()
        office.secrets["station"] = tokens.issue(session, TokenKind.STATION, station, SYSTEM)[1]
    return office


def _employ(
    session: Session, office: Office, place: int, who: str, role: Role, unit_id: UUID
) -> None:
    officer = Officer(id=uuid4(), name=f"张{place:02d}", badge=f"4304{place:03d}", unit_id=unit_id)
    session.add(officer)
    session.flush()
    session.add(
        Certificate(
            officer_id=officer.id,
            number=f"湘D{place:05d}",
            valid_from=dt.date(2021, 1, 1),
            valid_to=dt.date(2023, 9, 20),
        )
    )
    account = Account(
        username=who,
        password_hash="-",
        roles=[role.value],
        officer_id=officer.id,
        created_at=clock.now(),
    )
    session.add(account)
    session.flush()
    actor = account_actor(account, SYSTEM.via)
    office.officers[who] = officer.id
    office.secrets[who] = tokens.issue(session, TokenKind.BEARER, account, actor)[1]
