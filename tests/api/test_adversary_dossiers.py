"""Whoever would have another's evidence doubted by way of a dossier."""

from __future__ import annotations

from pathlib import Path

import pytest

from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.people.actor import SYSTEM
from tests.api.handed_out import ask, make, signing, take_in
from tests.api.office import Office
from tests.api.test_dossiers import verify
from tests.conftest import SteppingClock


def test_a_dossier_whose_id_was_chosen_spoils_nobodys_history(
    office: Office, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its events would stand among those of the exhibit whose id somebody has sent."""
    victim = take_in(office, clock, b"what I want to be doubted", "a.mp4")
    other = take_in(office, clock, b"another", "b.mp4")
    said = {"id": str(victim), "exhibit": str(other), "reason": "court"}
    asked = office.client("handler").post("/api/v1/dossiers", json=said).json
    assert asked["id"] != str(victim)
    # An inspection's id is the phone's own, and may be anything.
    with office.writing() as session:
        append(
            session,
            Kind.INSPECTION_RECORDED,
            victim,
            SYSTEM,
            content_sha256="0" * 64,
            unit=str(office.units["squad"]),
            officers=[],
        )
    told = ask(office, exhibit=str(victim))
    with signing(monkeypatch):
        make(office, asked["id"])
        make(office, told["id"])
    packed = tmp_path / "dossier.zip"
    packed.write_bytes(office.client("handler").get(f"/api/v1/dossiers/{told['id']}/bag").data)
    assert verify(packed)[0] == 0
