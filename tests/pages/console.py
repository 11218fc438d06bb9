"""A console with real recordings behind it, and with names that attack it."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import time
import urllib.request
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.api.tus import OCTETS, UPLOADS, Tus, metadata
from tests.bureau import DUTY
from tests.live import LiveServer

MEDIA = Path(__file__).resolve().parents[1] / "golden" / "media"
CASE = "衡东市监罚字〔2023〕451号"
OTHER_CASE = "衡东市监罚字〔2023〕452号"
THIRD_CASE = "衡东市监罚字〔2023〕453号"
FILM = "ZFY_HD012@430424017_20230915_100005_0003.mp4"
PHOTO = "DSCN0010.jpg"
# What a spreadsheet would run, what a browser would, what a database would; no place to break.
HOSTILE_PARTY = (
    "=cmd|' /C calc'!A0<script>window.owned=1</script>'; DROP TABLE cases;--\u202e" + "W" * 128
)
HOSTILE_NAME = (
    "=cmd|'<script>window.owned=1</script><img src=x onerror='window.owned=1'>\u202egpj.exe"
    + "W" * 104 + "长" * 110 + ".mp4"
)  # fmt: skip


@dataclass
class Console:
    """A running server; the labels of its exhibits by the names that their files had."""

    server: LiveServer
    labels: dict[str, str] = field(default_factory=dict)
    case_id: str = ""
    unit: str = ""
    officer: str = ""

    def ask(self, who: str, path: str, body: Any = None) -> Any:
        """The JSON answer of the API to `who`."""
        request = urllib.request.Request(
            self.server.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.server.tokens[who]}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def exhibit_id(self, name: str) -> str:
        listed = self.ask("supervisor", "/api/v1/exhibits?limit=100")["items"]
        return str(next(e["id"] for e in listed if e["label"] == self.labels[name]))

    def dossier(self, reason: str) -> str:
        """One that is ready and was signed for."""
        asked = self.ask("handler", "/api/v1/dossiers", {"case_number": CASE, "reason": reason})
        path = f"/api/v1/dossiers/{asked['id']}"
        until = time.monotonic() + 60
        while self.ask("handler", path)["state"] == "preparing":
            assert time.monotonic() < until
            time.sleep(0.1)
        signed = {"recipient": "李法官", "organisation": "衡东县人民法院"}
        self.ask("handler", f"{path}/receipts", signed)
        return str(asked["id"])

    def file_case(self, number: str, party: str) -> str:
        filed = {"number": number, "party": party, "sector": "food", "filed_on": "2023-09-15"}
        return str(self.ask("handler", "/api/v1/cases", filed)["id"])

    def employ(self, unit: str, name: str) -> None:
        """A unit that hands over to the squad, and an officer of it with two certificates."""
        to = str(self.server.bureau.units["squad"])
        said = {"name": unit, "kind": "inspection", "hands_over_to": to}
        self.unit = self.ask("administrator", "/api/v1/units", said)["id"]
        held = [
            {"number": f"{name[:38]}{n}", "valid_from": "2023-01-01", "valid_to": "2023-12-31"}
            for n in range(2)
        ]
        person = {"name": name, "badge": name[-40:], "unit": self.unit, "certificates": held}
        self.officer = self.ask("administrator", "/api/v1/officers", person)["id"]

    def inspect(self, party: str, place: str) -> None:
        """A record of an inspection by two officers of the street unit and the squad."""
        officers = self.server.bureau.officers
        self.ask(
            "street_officer",
            "/api/v1/inspections",
            {
                "id": str(uuid4()),
                "party": party,
                "place": place,
                "started_at": DUTY.isoformat(),
                "ended_at": (DUTY + dt.timedelta(hours=1)).isoformat(),
                "officers": [str(officers["street_officer"]), str(officers["officer"])],
                "id_shown": True,
                "recording_told": True,
                "result": "no_finding",
            },
        )

    def dock(self, name: str, content: bytes, *, sha256: str | None = None) -> None:
        """Send a file as the dock does; sealed or quarantined when this returns."""
        said = {
            "filename": name,
            "recorder": "HD-012",
            "recorded_at": (DUTY + dt.timedelta(hours=2)).isoformat(),
            "sha256": sha256 or hashlib.sha256(content).hexdigest(),
        }
        headers = {
            "Upload-Length": str(len(content)),
            "Upload-Metadata": metadata(**said),
            "Content-Type": OCTETS,
        }
        tus = Tus(self.server)
        state = tus.state(tus.ask("POST", UPLOADS, {**headers}, content).headers["Location"])
        assert state["state"] in ("sealed", "quarantined"), state

    def link(self, number: str, *names: str, note: str = "") -> None:
        """Attach exhibits to a case, by the names that their files had."""
        found = self.ask("handler", "/api/v1/exhibits?limit=100")["items"]
        chosen = [e["id"] for e in found if e["filename"] in names]
        linked = {"exhibit_ids": chosen, "case_number": number, "note": note}
        self.ask("handler", "/api/v1/exhibits/links", linked)

    def read(self) -> None:
        """Return when the worker has read every exhibit; their labels are known then."""
        until = time.monotonic() + 30
        while True:
            found = self.ask("supervisor", "/api/v1/exhibits?limit=100")["items"]
            waiting = [
                e for e in found if e["state"] == "sealed" and e["media"]["state"] == "pending"
            ]
            if not waiting:
                break
            assert time.monotonic() < until, waiting
            time.sleep(0.1)
        self.labels = {exhibit["filename"]: exhibit["label"] for exhibit in found}


def zip_called_mp4() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("notes.txt", "not a film")
    return packed.getvalue()


def furnish(server: LiveServer) -> Console:
    """Two recordings, what is no recording, a lie, names that attack; a case for each."""
    console = Console(server)
    console.case_id = console.file_case(CASE, "王记食品店")
    console.file_case(OTHER_CASE, HOSTILE_PARTY)
    console.file_case(THIRD_CASE, "赵记烟酒行")
    console.inspect("李记茶楼", "迎宾路8号")
    console.inspect(HOSTILE_PARTY, "<b>" + "很长的地址" * 20 + "W" * 190)
    console.employ(HOSTILE_PARTY[:100], HOSTILE_PARTY[:100])
    video = (MEDIA / "max-heromode.mp4").read_bytes()
    console.dock(FILM, video)
    console.dock(PHOTO, (MEDIA / PHOTO).read_bytes())
    console.dock("archive.mp4", zip_called_mp4())
    console.dock("cut.mp4", video[: len(video) // 3])
    console.dock("lie.mp4", video[:-1], sha256="0" * 64)
    console.dock(HOSTILE_NAME, b"nothing that plays")
    console.read()
    console.link(OTHER_CASE, "cut.mp4", HOSTILE_NAME, note=HOSTILE_PARTY)
    console.link(THIRD_CASE, FILM, PHOTO)
    return console
