"""A small bureau in a migrated database on disk, made once a run and copied for each test.

An inspection unit hands over to a handling unit; a third unit does both, for itself. One account
a role, called by its role; `street_officer` and `other_handler` are of other units.
"""

from __future__ import annotations

import datetime as dt
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from evidence.people.actor import SYSTEM, Actor, ActorType, Role, Via
from evidence.people.models import Certificate, Officer, Unit, UnitKind
from evidence.recorders import ledger
from evidence.recorders.models import Recorder
from evidence.recorders.names import recorder_key
from server import create_app
from server.accounts import tokens
from server.accounts.creation import create_account, create_station, token_file
from server.accounts.current import account_actor
from server.accounts.models import TokenKind
from server.extensions import db, signer
from server.migrate import upgrade
from server.unit_of_work import unit_of_work
from tests import databases

PASSWORD = "correct horse battery"
UNITS = {"squad": "执法大队", "street": "城关所", "other": "价监股"}
PEOPLE = {
    "officer": (Role.OFFICER, "squad"),
    "handler": (Role.HANDLER, "squad"),
    "supervisor": (Role.SUPERVISOR, "other"),
    "reviewer": (Role.REVIEWER, "other"),
    "leader": (Role.LEADER, "squad"),
    "archivist": (Role.ARCHIVIST, "other"),
    "auditor": (Role.AUDITOR, "other"),
    "street_officer": (Role.OFFICER, "street"),
    "other_handler": (Role.HANDLER, "other"),
}
# HD-012 is the street unit's, and was with its officer on this day.
DUTY = dt.datetime(2023, 9, 15, 0, 0, tzinfo=dt.UTC)
RECORDERS = {"HD-011": "squad", "HD-012": "street", "HD-013": "other"}


@dataclass
class Bureau:
    """Its ids and secrets, and the folder with its database and keys. The password is PASSWORD."""

    data: Path
    units: dict[str, UUID] = field(default_factory=dict)
    officers: dict[str, UUID] = field(default_factory=dict)
    recorders: dict[str, UUID] = field(default_factory=dict)
    accounts: dict[str, UUID] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)  # bearer, by user name; and `station`
    station_id: UUID = field(default_factory=lambda: UUID(int=0))
    one_box: bool = False  # on every set-up

    @property
    def station_token_file(self) -> Path:
        """The dock's: token and verifier key, 0600."""
        return self.data / "station-token"

    @property
    def environ(self) -> dict[str, str]:
        file = f"sqlite:///{self.database}"
        return {
            "ZHENGLIAN_DATA": str(self.data),
            "ZHENGLIAN_DATABASE_URL": file
            if self.one_box
            else databases.database_url(self.database),
            "ZHENGLIAN_QUEUE_URL": "memory:",
        }

    @property
    def database(self) -> Path:
        return self.data / "zhenglian.db"

    def copy_to(self, data: Path) -> Bureau:
        """The same bureau in another folder."""
        if self.one_box:
            shutil.copytree(self.data, data)
        else:
            databases.copy_folder(self.data, data)
        return replace(self, data=data)


@pytest.fixture(scope="session")
def bureau_template(tmp_path_factory: pytest.TempPathFactory) -> Bureau:
    return founded(Bureau(tmp_path_factory.mktemp("bureau") / "data"))


def founded(bureau: Bureau) -> Bureau:
    """The same, with everybody and everything in it."""
    app = create_app(bureau.environ)
    with app.app_context():
        upgrade(db.engine)
        with unit_of_work() as session:
            _settle(session, bureau)
            _employ(session, bureau)
        bureau.station_token_file.touch(0o600)
        bureau.station_token_file.write_text(
            token_file(bureau.tokens["station"], signer().verifier_key)
        )
        db.engine.dispose()
    # Everything into the one file, so that a copy of the folder is a copy of the database.
    if bureau.one_box or not databases.grown_up():
        with closing(sqlite3.connect(bureau.database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return bureau


def _settle(session: Session, bureau: Bureau) -> None:
    """Units and recorders."""
    kinds = {"squad": UnitKind.HANDLING, "street": UnitKind.INSPECTION, "other": UnitKind.BOTH}
    for key, name in UNITS.items():
        unit = Unit(name=name, kind=kinds[key])
        if key == "street":
            unit.hands_over_to_id = bureau.units["squad"]
        session.add(unit)
        session.flush()
        bureau.units[key] = unit.id
    for number, key in RECORDERS.items():
        recorder = Recorder(number=number, key=recorder_key(number), unit_id=bureau.units[key])
        session.add(recorder)
        session.flush()
        bureau.recorders[number] = recorder.id


def _employ(session: Session, bureau: Bureau) -> None:
    """Officers, their accounts and tokens; an administrator without an officer; a dock."""
    for place, (who, (role, unit)) in enumerate(PEOPLE.items(), 1):
        officer = Officer(
            name=f"张{place:02d}", badge=f"4304{place:03d}", unit_id=bureau.units[unit]
        )
        officer.certificates = [
            Certificate(
                number=f"湘D{place:05d}",
                valid_from=dt.date(2021, 1, 1),
                valid_to=dt.date(2099, 12, 31),
            )
        ]
        session.add(officer)
        session.flush()
        bureau.officers[who] = officer.id
        _open_account(session, bureau, who, role, officer.id)
    _open_account(session, bureau, "administrator", Role.ADMINISTRATOR, None)
    recorder = session.get_one(Recorder, bureau.recorders["HD-012"])
    wearer = session.get_one(Officer, bureau.officers["street_officer"])
    by = Actor(
        type=ActorType.OFFICER,
        id=wearer.id,
        via=Via.CONSOLE,
        name=wearer.name,
        roles=frozenset({Role.OFFICER}),
        unit_id=wearer.unit_id,
    )
    ledger.check_out(session, recorder, wearer, by, at=DUTY)
    ledger.check_in(session, recorder, by, at=DUTY + dt.timedelta(hours=10))
    station = create_station(session, "采集站", None, SYSTEM)
    bureau.station_id = station.id
    bureau.tokens["station"] = tokens.issue(session, TokenKind.STATION, station, SYSTEM)[1]


def _open_account(
    session: Session, bureau: Bureau, who: str, role: Role, officer_id: UUID | None
) -> None:
    account = create_account(session, who, PASSWORD, {role}, officer_id=officer_id)
    bureau.accounts[who] = account.id
    _, bureau.tokens[who] = tokens.issue(
        session, TokenKind.BEARER, account, account_actor(account, Via.API)
    )


@pytest.fixture
def bureau(bureau_template: Bureau, tmp_path: Path) -> Bureau:
    return bureau_template.copy_to(tmp_path / "data")


@pytest.fixture
def app(bureau: Bureau) -> Iterator[Flask]:
    """The application over a bureau of its own: SQLite and files on disk, a queue in memory."""
    app = create_app(bureau.environ, TESTING=True)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Logged in as nobody."""
    return app.test_client()


class Clients:
    """`as_role("handler")` is a client with that account's token, `as_role("station")` a dock."""

    def __init__(self, app: Flask, bureau: Bureau) -> None:
        self._app = app
        self._bureau = bureau

    def __call__(self, who: str) -> FlaskClient:
        client = self._app.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self._bureau.tokens[who]}"
        return client


@pytest.fixture
def as_role(app: Flask, bureau: Bureau) -> Clients:
    return Clients(app, bureau)
