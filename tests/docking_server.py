"""A small tus server that fails on demand, for what a healthy one never does."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from evidence.custody.note import Signer

UPLOADS = "/api/v1/uploads"
ORIGIN = "evidence.example/log"


@dataclass
class Kept:
    """One upload: what arrived, and what was said of it."""

    id: str
    length: int
    metadata: dict[str, str]
    data: bytearray = field(default_factory=bytearray)
    state: str = "receiving"
    label: str = ""
    busy: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Faults:
    """What goes wrong next. `answers` are (method, status, document) given instead of the work."""

    answers: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    drop_after: list[int] = field(default_factory=list)  # bytes of each PATCH to come
    hold_after: int | None = None  # stop reading after so many bytes, until released
    released: threading.Event = field(default_factory=threading.Event)
    quarantine: set[str] = field(default_factory=set)  # file names
    end_lost: bool = False  # dies between the last byte and the end of the upload
    receipt: str = "good"  # or forged, other, none
    seals: bool = True


class TusServer:
    """Listens on a loopback port of its own between __enter__ and __exit__."""

    def __init__(self) -> None:
        self.signer = Signer("receipts.example", b"\1" * 32)
        self.faults = Faults()
        self.uploads: dict[str, Kept] = {}
        self.stored = 0  # bytes of bodies taken in, over all requests
        self.patches: list[int] = []  # the offsets asked for
        self.lock = threading.Lock()
        self._open(0)

    def _open(self, port: int) -> None:
        self._http = _Http(("127.0.0.1", port), _Handler, self)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.faults.released.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def come_back(self) -> None:
        """Listen on the same port again, with all that was kept."""
        self._open(self.port)
        self._thread.start()

    def only(self) -> Kept:
        (kept,) = self.uploads.values()
        return kept

    def finish(self, kept: Kept) -> None:
        sha256 = hashlib.sha256(kept.data).hexdigest()
        if not self.faults.seals:
            kept.state = "sealing"
        elif kept.metadata["filename"] in self.faults.quarantine:
            kept.state = "quarantined"
        else:
            twin = self.sealed(sha256)
            kept.state = "duplicate" if twin else "sealed"
            kept.label = twin.label if twin else f"E2026-{1 + list(self.uploads).index(kept.id):06}"

    def sealed(self, sha256: str) -> Kept | None:
        return next(
            (
                k
                for k in self.uploads.values()
                if k.state == "sealed" and hashlib.sha256(k.data).hexdigest() == sha256
            ),
            None,
        )

    def receipt(self, kept: Kept) -> str | None:
        if self.faults.receipt == "none":
            return None
        data = bytes(kept.data) + (b"!" if self.faults.receipt == "other" else b"")
        signer = self.signer
        if self.faults.receipt == "forged":
            signer = Signer(self.signer.name, b"\2" * 32)
        return signer.sign(
            "zhenglian-receipt/v1\n"
            f"{ORIGIN}\n"
            f"upload {kept.id}\n"
            f"exhibit {kept.id}\n"
            f"label {kept.label}\n"
            f"sha256 {hashlib.sha256(data).hexdigest()}\n"
            f"size {len(data)}\n"
            "sealed 2026-09-15T02:00:00.000000Z\n"
        )

    def document(self, kept: Kept) -> dict[str, Any]:
        closed = kept.state in ("sealed", "duplicate")
        return {
            "state": kept.state,
            "label": kept.label or None,
            "receipt": self.receipt(kept) if closed else None,
            "outcome": {"differed": ["claimed"]} if kept.state == "quarantined" else None,
        }


class _Http(ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], handler: Any, tus: TusServer) -> None:
        self.tus = tus
        super().__init__(address, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A dock that was killed is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, status: int, document: Any = None, **headers: str) -> None:
        body = json.dumps(document).encode() if document is not None else b""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status >= 400:
            self.send_header("Connection", "close")
            self.close_connection = True
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _faulty(self) -> bool:
        answers = self.server.tus.faults.answers
        with self.server.tus.lock:
            if not answers or answers[0][0] != self.command:
                return False
            _, status, document = answers.pop(0)
        self._answer(status, document)
        return True

    def _kept(self) -> Kept | None:
        kept = self.server.tus.uploads.get(self.path.rsplit("/", 1)[-1])
        if kept is None:
            self._answer(404, {"code": "not_found"})
        return kept

    def do_GET(self) -> None:
        if self._faulty():
            return
        tus = self.server.tus
        query = parse_qs(urlsplit(self.path).query)
        if "sha256" in query:
            found = tus.sealed(query["sha256"][0])
            self._answer(
                200, {"sealed": True, **tus.document(found)} if found else {"sealed": False}
            )
        elif kept := self._kept():
            self._answer(200, tus.document(kept))

    def do_POST(self) -> None:
        if self._faulty():
            return
        tus = self.server.tus
        pairs = [p.split(" ") for p in self.headers["Upload-Metadata"].split(",")]
        metadata = {key: base64.b64decode(value).decode() for key, value in pairs}
        with tus.lock:
            kept = tus.uploads.setdefault(
                metadata["event_id"],
                Kept(metadata["event_id"], int(self.headers["Upload-Length"]), metadata),
            )
            if kept.length == 0 and kept.state == "receiving":
                tus.finish(kept)
        self._answer(201, Location=f"http://elsewhere.example{UPLOADS}/{kept.id}")

    def do_HEAD(self) -> None:
        if not self._faulty() and (kept := self._kept()):
            self._answer(200, Upload_Offset=str(len(kept.data)), Upload_Length=str(kept.length))

    def do_PATCH(self) -> None:
        if self._faulty() or not (kept := self._kept()):
            return
        if not kept.busy.acquire(blocking=False):
            self._answer(409, {"code": "upload_leased"})
            return
        try:
            self._receive(kept)
        finally:
            kept.busy.release()

    def _receive(self, kept: Kept) -> None:
        tus, faults = self.server.tus, self.server.tus.faults
        offset, count = int(self.headers["Upload-Offset"]), int(self.headers["Content-Length"])
        if offset != len(kept.data):
            self._answer(409, {"code": "offset_mismatch"})
            return
        with tus.lock:
            tus.patches.append(offset)
        limit = faults.drop_after.pop(0) if faults.drop_after else None
        taken = 0
        while taken < count:
            if faults.hold_after is not None and taken >= faults.hold_after:
                faults.released.wait()
            step = min(65536, count - taken, (limit or count) - taken)
            piece = self.rfile.read1(step) if step else b""
            if not piece:
                self.close_connection = True
                return
            kept.data += piece
            taken += len(piece)
            with tus.lock:
                tus.stored += len(piece)
        if len(kept.data) == kept.length:
            if faults.end_lost:
                faults.end_lost = False
                self.close_connection = True
                return
            with tus.lock:
                tus.finish(kept)
        self._answer(204, Upload_Offset=str(len(kept.data)))
