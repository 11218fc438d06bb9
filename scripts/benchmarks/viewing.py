"""What the application takes to show custody, measured at its door: whole requests, no network.

Every view of a case is an event, committed before the answer. The originals of what is looked at
are there, as files without content of the right length.
"""

from __future__ import annotations

import gc
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.exhibits.models import Exhibit, ExhibitLink
from evidence.people.actor import SYSTEM, Role
from scripts.benchmarks.bureau import Bureau
from server import create_app
from server.accounts import tokens
from server.accounts.creation import create_account
from server.accounts.models import TokenKind
from server.extensions import db
from server.unit_of_work import unit_of_work

VIEWS = 200
_HEAVY_VIEWS = 5
_WARM_UP = 5


@dataclass(frozen=True, slots=True)
class Views:
    """Seconds of each kind of view: of cases and exhibits at random, and of the heavy case."""

    usual: dict[str, list[float]]
    of_heavy: dict[str, list[float]]
    heavy: int  # how many exhibits it has


def application(url: str, data: Path) -> tuple[Flask, FlaskClient]:
    """The application over a filled database, and a supervisor's client."""
    app = create_app(
        {
            "ZHENGLIAN_DATA": str(data),
            "ZHENGLIAN_DATABASE_URL": url,
            "ZHENGLIAN_QUEUE_URL": "memory:",
        }
    )
    with app.app_context(), unit_of_work() as session:
        account = create_account(
            session, f"bench-{os.urandom(4).hex()}", os.urandom(16).hex(), [Role.SUPERVISOR]
        )
        _, secret = tokens.issue(session, TokenKind.BEARER, account, SYSTEM)
    # As the web process does when it has loaded it.
    gc.collect()
    gc.freeze()
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    return app, client


def _put_originals(session: Session, store: Path, case: UUID) -> int:
    """How many exhibits the case has."""
    linked = select(Exhibit.sha256, Exhibit.size).join(ExhibitLink)
    rows = session.execute(linked.where(ExhibitLink.case_id == case)).all()
    for sha256, size in rows:
        path = store / "originals" / sha256[:2] / sha256[2:4] / sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.truncate(path, size)
    return len(rows)


def _ask(client: FlaskClient, path: str) -> float:
    began = time.perf_counter()
    answer = client.get(path)
    seconds = time.perf_counter() - began
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status}")
    if b"contradicted" in answer.data or b'"member"' in answer.data:
        raise RuntimeError(f"{path}: the rows contradict their events")
    return seconds


def views(url: str, data: Path, bureau: Bureau, count: int = VIEWS) -> Views:
    """Views of `count` cases, each by the API and as a page, and of as many exhibits."""
    app, client = application(url, data)
    chance = random.Random(count)  # noqa: S311  (the same cases every time)
    heavy = bureau.cases[0]
    with app.app_context():
        session = db.session()
        known = set(session.scalars(select(ExhibitLink.case_id).distinct()))
        usual = [case for case in bureau.cases[1:] if case in known]
        some = [chance.choice(usual) for _ in range(count + _WARM_UP)]
        for case in set(some):
            _put_originals(session, data / "store", case)
        size = _put_originals(session, data / "store", heavy)
        linked = select(ExhibitLink.exhibit_id).where(ExhibitLink.case_id.in_(some))
        held = session.scalars(linked.order_by(ExhibitLink.exhibit_position)).all()
        exhibits = [chance.choice(held) for _ in some]
        db.session.remove()
    found = Views(
        {
            "case, API": [_ask(client, f"/api/v1/cases/{case}/custody") for case in some],
            "case, page": [_ask(client, f"/cases/{case}") for case in some],
            "exhibit, API": [_ask(client, f"/api/v1/exhibits/{e}/custody") for e in exhibits],
        },
        {
            "case, API": [
                _ask(client, f"/api/v1/cases/{heavy}/custody") for _ in range(_HEAVY_VIEWS)
            ],
            "case, page": [_ask(client, f"/cases/{heavy}") for _ in range(_HEAVY_VIEWS)],
        },
        size,
    )
    for times in found.usual.values():
        del times[:_WARM_UP]
    with app.app_context():
        db.engine.dispose()
    return found
