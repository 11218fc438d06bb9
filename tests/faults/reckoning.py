"""After a storm: whether everything is as its people were told, and the log says what happened."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent, LogHead
from evidence.errors import OriginalMissing
from evidence.exhibits.models import Exhibit, ExhibitState
from evidence.sqlite import prepare
from tests.api.tus import Tus
from tests.faults.setting_back import NOTICED_SECONDS
from tests.faults.storm import Storm
from tests.live import ROOT, LiveServer


def settle(storm: Storm, seconds: float = 240) -> None:
    """Wait until everything that was acknowledged whole is sealed, and the log is signed."""
    tus = Tus(storm.server)
    until = time.monotonic() + seconds
    for told in storm.told:
        if told.acknowledged < told.size:
            continue
        while (state := tus.state(told.where, 1)["state"]) not in ("sealed", "duplicate"):
            assert time.monotonic() < until, f"{told.where} is still {state}"
            storm.done["worker began in vain"] += storm.server.start_what_has_ended()
            time.sleep(0.2)
    supervisor = Tus(storm.server, storm.server.tokens["supervisor"])
    while supervisor.ask("GET", "/readyz").status != 200:
        assert time.monotonic() < until, "not ready again"
        time.sleep(0.2)


def reckon(storm: Storm, contents: Sequence[bytes]) -> None:
    """Print the counts, and hold that nothing was lost and the log is whole."""
    found = losses(storm, contents)
    counts = {**dict(sorted(storm.done.items())), "losses": len(found)}
    print(json.dumps(counts, ensure_ascii=False))
    assert found == []
    assert audited(storm.server) == ""


def losses(storm: Storm, contents: Sequence[bytes]) -> list[str]:
    """What is not as it was told: of the uploads, and of `contents` that came by the dock."""
    found = list(storm.wrong)
    wanted = {told.sha256 for told in storm.told}
    wanted |= {hashlib.sha256(content).hexdigest() for content in contents}
    engine = prepare(create_engine(storm.server.environ["ZHENGLIAN_DATABASE_URL"]))
    with Session(engine) as session:
        rows = session.execute(select(Exhibit.sha256, Exhibit.id, Exhibit.state)).all()
        sealed = Counter(sha256 for sha256, _, state in rows if state is ExhibitState.SEALED)
        found += [f"{s} is sealed {sealed[s]} times" for s in wanted if sealed[s] != 1]
        found += [f"{i} is quarantined" for _, i, s in rows if s is ExhibitState.QUARANTINED]
        for _, exhibit_id, _ in rows:
            kinds = Counter(
                session.scalars(
                    select(CustodyEvent.kind).where(CustodyEvent.subject_id == exhibit_id)
                )
            )
            if (kinds["exhibit:acquired"], kinds["exhibit:sealed"]) != (1, 1):
                found.append(f"{exhibit_id} has the events {dict(kinds)}")
        found += _unexplained(session, storm)
        storm.done["exhibits"] = len(rows)
        storm.done["events under the checkpoint"] = session.scalars(select(LogHead.size)).one()
    engine.dispose()
    return found + [problem for sha256 in wanted if (problem := _read_again(storm, sha256))]


def _read_again(storm: Storm, sha256: str) -> str:
    digest = hashlib.sha256()
    try:
        for piece in storm.server.store.read(sha256):
            digest.update(piece)
    except OriginalMissing:
        return f"the original {sha256} is not there"
    return "" if digest.hexdigest() == sha256 else f"the original {sha256} has other bytes"


def _unexplained(session: Session, storm: Storm) -> list[str]:
    """The events far behind an earlier one's time that no log:clock_went_back accounts for.

    Such an event says by how much its clock was behind the last head; it may come after others
    of the same clock, by as long as it took to sign one.
    """
    deep, slack = dt.timedelta(seconds=60), dt.timedelta(seconds=NOTICED_SECONDS)
    rows = session.execute(
        select(CustodyEvent.at, CustodyEvent.kind, CustodyEvent.canonical).order_by(
            CustodyEvent.position
        )
    ).all()
    spans = [
        (at - slack, at + dt.timedelta(seconds=json.loads(canonical)["details"]["seconds"]))
        for at, kind, canonical in rows
        if kind == Kind.LOG_CLOCK_WENT_BACK
    ]
    latest, behind = rows[0].at, []
    for at, _, _ in rows:
        latest = max(latest, at)
        if at < latest - deep:
            behind.append(at)
    storm.done["events of a clock that was back"] = len(behind)
    storm.done["log:clock_went_back"] = len(spans)
    return [
        f"the log runs back to {at}, and does not say so"
        for at in behind
        if not any(begin <= at <= end for begin, end in spans)
    ]


def audited(server: LiveServer) -> str:
    """Empty where the whole log holds; otherwise what scripts/log-audit says."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "log-audit"), "--data", str(server.data)],
        env=server.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr
