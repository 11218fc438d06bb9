"""One file of the card, from its digest to the server's last word on it.

Correctness rests on the server's offset and on event ids that follow from the file alone: a dock
that was killed, or a second dock on the same card, asks for the same upload and goes on with it.
"""

from __future__ import annotations

import enum
import json
import mimetypes
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from uuid import NAMESPACE_URL, uuid5

from scripts.docking import claims
from scripts.docking.card import CardFile, digests, open_unchanged
from scripts.docking.client import Link, Station
from scripts.docking.receipts import prove
from scripts.docking.state import NoState, State
from scripts.docking.troubles import Delayed, Refused, Stopped, TokenRefused, Trouble, UploadGone
from scripts.docking.wipe import clear

T = TypeVar("T")

# A file whose upload was terminated, has expired or was quarantined is sent again as another one.
GENERATIONS = 20
LONGEST_PAUSE = 30.0
SEAL_SECONDS = 20


class Outcome(enum.StrEnum):
    SEALED = "sealed"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    FAILED = "failed"


@dataclass(slots=True, kw_only=True)
class Result:
    """What became of one file. `sent` counts the bytes that this run put on the wire."""

    name: str
    size: int = 0
    outcome: Outcome = Outcome.FAILED
    sha256: str = ""
    recorder: str = ""
    recorded_at: str = ""
    label: str = ""
    flags: list[str] = field(default_factory=list)  # the server's doubts about it
    earlier: bool = False  # was sealed before this run
    sent: int = 0
    wiped: bool = False
    why: Trouble | None = None
    kept: Trouble | None = None  # why it is still on the card though it should be wiped

    @property
    def good(self) -> bool:
        """Sealed, or already an original; and removed, where that was asked."""
        return self.outcome in (Outcome.SEALED, Outcome.DUPLICATE) and self.kept is None


class Teller(Protocol):
    """Whoever shows how far each file is."""

    def phase(self, file: CardFile, key: str) -> None: ...
    def reading(self, file: CardFile, done: int) -> None: ...
    def sending(self, file: CardFile, offset: int) -> None: ...
    def waiting(self, file: CardFile, why: Trouble, seconds: float) -> None: ...
    def note(self, file: CardFile, key: str, **facts: object) -> None: ...


@dataclass(slots=True, kw_only=True)
class Dock:
    """What every file of one run shares."""

    station: Station
    state: State | NoState
    tell: Teller
    keys: Sequence[str] = ()
    recorder: str = ""
    wipe: bool = False
    give_up: float = 600.0
    stop: threading.Event = field(default_factory=threading.Event)
    links: set[Link] = field(default_factory=set)
    token_refused: bool = False


class Patience:
    """How long to wait after a failure, and when to give up on one file: `give_up` seconds after
    the first failure since the server last had more of it."""

    def __init__(self, dock: Dock, file: CardFile) -> None:
        self._dock = dock
        self._file = file
        self.progressed()

    def progressed(self) -> None:
        self._failures = 0
        self._failing_since: float | None = None

    def wait(self, why: Delayed) -> None:
        """Exponential back-off with jitter. Raises Trouble when it is enough, and Stopped."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        left = self._dock.give_up - (now - self._failing_since)
        if left <= 0:
            raise Trouble("gave_up", seconds=round(self._dock.give_up), last=why)
        pause = min(LONGEST_PAUSE, 0.25 * 2**self._failures) * random.uniform(0.5, 1)  # noqa: S311
        pause = min(left, max(pause, why.after or 0))
        self._failures += 1
        self._dock.tell.waiting(self._file, why, pause)
        if self._dock.stop.wait(pause):
            raise Stopped

    def call(self, ask: Callable[..., T], *arguments: Any) -> T:
        """`ask(*arguments)`, again and again while the answer is Delayed."""
        while True:
            try:
                return ask(*arguments)
            except Delayed as why:
                self.wait(why)


def deliver(file: CardFile, dock: Dock) -> Result:
    """See one file through. Raises nothing but Stopped: every trouble is in the result."""
    result = Result(name=file.relative, size=file.size)
    link = Link(dock.station, dock.stop)
    dock.links.add(link)
    try:
        if dock.token_refused:
            raise TokenRefused("token_refused")
        _Delivery(file, dock, link, result).run()
    except TokenRefused as why:
        dock.token_refused = True
        result.why = why
    except Trouble as why:
        result.why = why
    finally:
        dock.links.discard(link)
        link.close()
    return result


class _Delivery:
    def __init__(self, file: CardFile, dock: Dock, link: Link, result: Result) -> None:
        self.file = file
        self.dock = dock
        self.link = link
        self.result = result
        self.patience = Patience(dock, file)
        self._sm3: str | None = None

    def run(self) -> None:
        file, result, tell = self.file, self.result, self.dock.tell
        tell.phase(file, "phase_digest")
        result.sha256, self._sm3 = digests(file, self._reading)
        claim = claims.of(file, self.dock.recorder)
        result.recorder, result.recorded_at = claim.recorder, claim.recorded_at
        tell.phase(file, "phase_ask")
        said = self.patience.call(self.link.find_sealed, result.sha256)
        if said is not None:
            result.earlier = True
            tell.sending(file, file.size)
            self._close({"state": "sealed", **said})
            return
        for generation in range(GENERATIONS):
            said = self._one_upload(self._metadata(claim, generation))
            if said is not None:
                self._close(said)
                return
        raise Refused("never_closes")

    def _reading(self, done: int) -> None:
        if self.dock.stop.is_set():
            raise Stopped
        self.dock.tell.reading(self.file, done)

    def _metadata(self, claim: claims.Claim, generation: int) -> dict[str, str]:
        metadata = {
            "filename": self.file.name,
            "filetype": mimetypes.guess_type(self.file.name)[0] or "application/octet-stream",
            "recorder": claim.recorder,
            "recorded_at": claim.recorded_at,
            "sha256": self.result.sha256,
            **({"sm3": self._sm3} if self._sm3 else {}),
        }
        # The relative path tells two equal files of one card apart, wherever it is mounted. An
        # event id may never come with other content, so all of the content is in it.
        text = json.dumps(
            [self.dock.station.url, self.file.relative, self.file.size, metadata, generation],
            sort_keys=True,
        )
        return {**metadata, "event_id": str(uuid5(NAMESPACE_URL, f"zhenglian-dock:{text}"))}

    def _one_upload(self, metadata: Mapping[str, str]) -> dict[str, Any] | None:
        """Bring one upload to its end: what became of it, or None where another must be made."""
        event_id = metadata["event_id"]
        try:
            location, offset = self._found(event_id, metadata)
            at_first = offset
            while offset < self.file.size:
                self._send(location, offset)
                offset = self._offset(location, offset)
            said = self._closed(location)
        except UploadGone:
            self.dock.state.forget(event_id)
            return None
        self.dock.state.forget(event_id)
        if said["state"] == "quarantined" and 0 < self.file.size == at_first:
            self.dock.tell.note(self.file, "quarantined_before", why=differed(said))
            return None
        return said if said["state"] in list(Outcome) else None

    def _found(self, event_id: str, metadata: Mapping[str, str]) -> tuple[str, int]:
        """Where the upload is, noted before the first byte is sent, and its offset."""
        state = self.dock.state
        location = state.location(event_id)
        if location is not None:
            try:
                return location, self._offset(location, 0)
            except UploadGone:  # noted long ago; the server may still know the event id
                state.forget(event_id)
        location = self.patience.call(self.link.create, self.file.size, metadata)
        state.note(event_id, location)
        self.patience.progressed()
        return location, self._offset(location, 0)

    def _offset(self, location: str, before: int) -> int:
        offset = self.patience.call(self.link.offset, location)
        if offset > before:
            self.patience.progressed()
        self.dock.tell.sending(self.file, offset)
        return offset

    def _send(self, location: str, offset: int) -> None:
        self.dock.tell.phase(self.file, "phase_send")
        reached = offset

        def sending(now_at: int) -> None:
            nonlocal reached
            self.result.sent += now_at - reached
            reached = now_at
            self.dock.tell.sending(self.file, now_at)

        try:
            with open_unchanged(self.file) as source:
                self.link.send(location, self.file, source, offset, sending)
        except Delayed as why:
            self.patience.wait(why)

    def _closed(self, location: str) -> dict[str, Any]:
        """Wait until the upload is neither receiving nor sealing."""
        self.dock.tell.phase(self.file, "phase_seal")
        self.patience.progressed()
        until = time.monotonic() + max(self.dock.give_up, SEAL_SECONDS)
        wait = 0
        while True:
            asked = time.monotonic()
            said = self.patience.call(self.link.look, location, wait)
            if said.get("state") not in ("receiving", "sealing"):
                return {**said, "state": str(said.get("state"))}
            if asked > until:
                raise Trouble("still_sealing")
            if said["state"] == "receiving":
                # The server died between the last byte and the end of the upload: an empty
                # PATCH at the end makes it look again.
                self._send(location, self.file.size)
            # A server that does not know Prefer answers at once.
            if wait and time.monotonic() - asked < 1 and self.dock.stop.wait(0.3):
                raise Stopped
            wait = SEAL_SECONDS

    def _close(self, said: dict[str, Any]) -> None:
        """Believe the server as far as it is proven, and clear the card on proof alone."""
        result, keys = self.result, self.dock.keys
        result.label = str(said.get("label") or "")
        result.flags = [str(flag) for flag in said.get("flags") or ()]
        if said["state"] == "quarantined":
            result.outcome = Outcome.QUARANTINED
            result.why = Trouble("quarantined", differed=differed(said))
            return
        if keys:
            receipt = prove(str(said.get("receipt") or ""), keys, result.sha256, result.size)
            result.label = receipt.label
        result.outcome = Outcome(said["state"])
        if self.dock.wipe:
            self.dock.tell.phase(self.file, "phase_wipe")
            try:
                clear(self.file, result.sha256, keys, str(said.get("receipt") or ""), self._reading)
                result.wiped = True
            except Trouble as why:
                result.kept = why


def differed(said: Mapping[str, Any]) -> list[Trouble]:
    """Which of length and digests were not equal, as the server says of a quarantine."""
    outcome = said.get("outcome")
    named = outcome.get("differed") if isinstance(outcome, dict) else None
    known = [d for d in ("length", "received", "claimed") if isinstance(named, list) and d in named]
    return [Trouble(f"differed_{d}") for d in known or ["unknown"]]
