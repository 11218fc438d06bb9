"""A way down that would lose what nothing brings back is refused, and nothing has changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.config import main as alembic

from server.migrations.losses import DowngradeRefused
from tests import databases
from tests.api.stage import REVISIONS, Forms, Stage, forms, stage
from tests.faults.test_kill import until
from tests.live import ROOT
from tests.tables import form, held
from tests.worked import plain_template, whole_template

__all__ = ["forms", "plain_template", "stage", "whole_template"]

NO_RECEIPTS = "DELETE FROM dossier_receipts"
NO_DOSSIERS = (NO_RECEIPTS, "DELETE FROM dossiers")
NO_DIGESTS = ("UPDATE exhibits SET sm3 = NULL",)
NO_CLAIMS = ("UPDATE uploads SET sm3_claim = NULL",)
NO_STAMPS = ("DELETE FROM stamps",)
NO_COSIGNATURES = ("DELETE FROM cosignatures",)
NO_SM3 = (*NO_DOSSIERS, *NO_DIGESTS, *NO_CLAIMS)
NO_VOUCHERS = (*NO_SM3, *NO_STAMPS, *NO_COSIGNATURES, "DELETE FROM kept_checkpoints")
DIGESTS = r"exhibits WHERE sm3 IS NOT NULL \(4\)"
CLAIMS = r"uploads WHERE sm3_claim IS NOT NULL \(4\)"
FOUND = r"exhibits WHERE fixity IN \('ALTERED', 'UNREADABLE'\) \(1\)"
UNREADABLE = "UPDATE exhibits SET fixity = 'UNREADABLE' WHERE fixity = 'ALTERED'"


@pytest.mark.parametrize(
    ("lacking", "below", "named"),
    [
        ((), "0005", r"dossiers \(1\), dossier_receipts \(1\)"),
        ((NO_RECEIPTS,), "0005", r"dossiers \(1\)"),
        (NO_DOSSIERS, "0004", f"{DIGESTS}, {CLAIMS}"),
        ((*NO_DOSSIERS, *NO_CLAIMS), "0004", DIGESTS),
        ((*NO_DOSSIERS, *NO_DIGESTS), "0004", CLAIMS),
        (NO_SM3, "0003", r"kept_checkpoints \(3\), cosignatures \(3\), stamps \(2\)"),
        ((*NO_SM3, *NO_STAMPS), "0003", r"kept_checkpoints \(3\), cosignatures \(3\)"),
        ((*NO_SM3, *NO_COSIGNATURES), "0003", r"kept_checkpoints \(3\), stamps \(2\)"),
        (NO_VOUCHERS, "0002", FOUND),
        ((*NO_VOUCHERS, UNREADABLE), "0002", FOUND),
    ],
)
def test_from_the_head_it_is_refused_by_the_first_step_that_would_lose_something(
    stage: Stage, lacking: tuple[str, ...], below: str, named: str, forms: Forms
) -> None:
    with stage.engine.begin() as connection:
        for statement in lacking:
            connection.exec_driver_sql(statement)
    before = held(stage.engine)
    words = rf"Below revision {below} there is no room .*: {named}\. Nothing was changed\."
    for to in (REVISIONS[REVISIONS.index(below) - 1], "0001", "base"):
        if to != below:
            with pytest.raises(DowngradeRefused, match=words):
                command.downgrade(stage.config, to)
            assert stage.revision == REVISIONS[-1]
            assert held(stage.engine) == before
            assert form(stage.engine) == forms[REVISIONS[-1]]


@pytest.mark.parametrize("stage", ["plain_template"], indirect=True)
def test_below_the_first_version_there_is_no_way_for_anybody(stage: Stage, forms: Forms) -> None:
    before = held(stage.engine)
    with pytest.raises(DowngradeRefused, match="this would drop all evidence"):
        command.downgrade(stage.config, "base")
    assert held(stage.engine) == before
    assert form(stage.engine) == forms[stage.revision] == forms[REVISIONS[-1]]


def test_whoever_goes_down_by_hand_reads_one_sentence_with_what_to_do(
    stage: Stage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in stage.bureau.environ.items():
        monkeypatch.setenv(name, value)
    ini = tmp_path / "alembic.ini"
    ini.write_text(f"[alembic]\nscript_location = {ROOT / 'server' / 'migrations'}\n")
    with pytest.raises(SystemExit) as ended:
        alembic(["--config", str(ini), "downgrade", "0004"])
    assert ended.value.code not in (0, None)
    said = " ".join("".join(capsys.readouterr()).split())
    assert "FAILED: Below revision 0005 there is no room" in said
    assert "restore the backup that was made before the upgrade (scripts/restore)" in said
    assert "Traceback" not in said


@pytest.mark.skipif(not databases.grown_up(), reason="on SQLite one writes after the other")
@pytest.mark.parametrize("stage", ["plain_template"], indirect=True)
def test_what_is_being_written_is_waited_for_and_not_lost(stage: Stage) -> None:
    row = "(size, note, signed_at) VALUES (7, 'signed', '2023-09-15 02:00:00Z')"
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with ThreadPoolExecutor() as pool, stage.engine.connect() as writer:
        writer.exec_driver_sql(f"INSERT INTO kept_checkpoints {row}")
        going = pool.submit(command.downgrade, stage.config, "0002")
        with stage.engine.connect() as watching:
            until(lambda: watching.exec_driver_sql(waits).scalar())
        writer.commit()
        with pytest.raises(DowngradeRefused, match=r"kept_checkpoints \(1\)"):
            going.result()
    assert stage.revision == REVISIONS[-1]
    assert len(held(stage.engine)["kept_checkpoints"].rows) == 1
