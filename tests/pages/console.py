"""A console with real recordings behind it, and eyes that see what a page does wrong."""

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

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response

from tests.api.tus import OCTETS, UPLOADS, Tus, metadata
from tests.bureau import DUTY, PASSWORD
from tests.live import LiveServer

MEDIA = Path(__file__).resolve().parents[1] / "golden" / "media"
CASE = "衡东市监罚字〔2023〕451号"
OTHER_CASE = "衡东市监罚字〔2023〕452号"
HOSTILE_PARTY = "=cmd|' /C calc'!A0<script>window.owned=1</script>'; DROP TABLE cases;--"
HOSTILE_NAME = "<img src=x onerror='window.owned=1'>\u202egpj.exe " + "长" * 240 + ".mp4"
WIDTHS = {"desk": (1440, 900), "phone": (390, 844)}
LOCALES = {"zh": "zh-CN", "en": "en-US"}


@dataclass
class Console:
    """A running server; the labels of its exhibits by the names that their files had."""

    server: LiveServer
    labels: dict[str, str] = field(default_factory=dict)
    case_id: str = ""

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

    def file_case(self, number: str, party: str) -> str:
        filed = {"number": number, "party": party, "sector": "food", "filed_on": "2023-09-15"}
        return str(self.ask("handler", "/api/v1/cases", filed)["id"])

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
    console.inspect("李记茶楼", "迎宾路8号")
    console.inspect(HOSTILE_PARTY, "<b>" + "很长的地址" * 50)
    video = (MEDIA / "max-heromode.mp4").read_bytes()
    console.dock("ZFY_HD012@430424017_20230915_100005_0003.mp4", video)
    console.dock("DSCN0010.jpg", (MEDIA / "DSCN0010.jpg").read_bytes())
    console.dock("archive.mp4", zip_called_mp4())
    console.dock("cut.mp4", video[: len(video) // 3])
    console.dock("lie.mp4", video[:-1], sha256="0" * 64)
    console.dock(HOSTILE_NAME, b"nothing that plays")
    console.read()
    found = console.ask("handler", "/api/v1/exhibits?limit=100")["items"]
    chosen = [e["id"] for e in found if e["filename"] in ("cut.mp4", HOSTILE_NAME)]
    linked = {"exhibit_ids": chosen, "case_number": OTHER_CASE, "note": HOSTILE_PARTY}
    console.ask("handler", "/api/v1/exhibits/links", linked)
    return console


class Eyes:
    """What goes wrong on the pages of one context: the console, the network, the policy."""

    def __init__(self, page: Page) -> None:
        self.seen: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.seen.append(f"error: {error}"))
        page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        # A refusal is seen as the answer that it is, once.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.seen.append(f"{message.type}: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.seen.append(f"{response.status} {response.url}")

    def expect(self, status: int, path: str) -> None:
        """That this was refused was right: it is not held against the page."""
        found = [s for s in self.seen if s.startswith(f"{status} ") and path in s]
        assert found, self.seen
        self.seen = [s for s in self.seen if s not in found]


@dataclass(frozen=True, slots=True)
class Visit:
    """One reader at one console, in one language and width."""

    page: Page
    eyes: Eyes
    console: Console

    def go(self, path: str) -> None:
        self.page.goto(self.console.server.url + path)

    def log_in(self, who: str) -> None:
        self.go("/login")
        self.page.fill("#username", who)
        self.page.fill("#password", PASSWORD)
        self.page.click("main button[type=submit]")
        self.page.wait_for_url("**/")

    def open_exhibit(self, filename: str) -> None:
        self.go(f"/exhibits/{self.console.labels[filename]}")


def open_context(browser: Browser, language: str, width: str) -> BrowserContext:
    wide, high = WIDTHS[width]
    return browser.new_context(
        viewport={"width": wide, "height": high},
        locale=LOCALES[language],
        timezone_id="Asia/Shanghai",
        accept_downloads=True,
    )
