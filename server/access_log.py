"""One line of JSON a request: who asked for what, when, and how it went. Never a secret.

No header, no body and no query string is written: tokens, names and search words stay out.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from uuid import uuid4

from flask import Flask, Response, g, request

from evidence import clock
from evidence.custody.append import timestamp

log = logging.getLogger("zhenglian.access")
_said = logging.getLogger("zhenglian.access.file")
HEADER = "X-Request-Id"
_FILE_BYTES = 10 * 1024 * 1024


class _File(RotatingFileHandler):
    """A line that finds no room is lost, and that is said once a minute: without the line."""

    _next = float("-inf")

    def handleError(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 60
            _said.error("requests are not written down just now: %s", sys.exc_info()[1])


def write_to(data: Path, port: int) -> None:
    """Keep the lines in DATA/logs/web-PORT.log, five files of 10 MiB.

    Each web process has its own: two that turn one file over lose each other's lines.
    """
    folder = data / "logs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = _File(
        folder / f"web-{port}.log", maxBytes=_FILE_BYTES, backupCount=4, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def _begin() -> None:
    # Always our own: one that a client chose could be made to look like another's.
    g.request_id = uuid4().hex
    g.request_began = time.perf_counter()


def _note(response: Response) -> Response:
    response.headers[HEADER] = g.request_id
    if log.isEnabledFor(logging.INFO):
        actor = g.get("actor")
        line = {
            "at": timestamp(clock.now()),
            "request": g.request_id,
            "method": request.method,
            "path": request.path[:500],
            "status": response.status_code,
            "ms": round((time.perf_counter() - g.request_began) * 1000),
            "from": request.remote_addr,
            "actor": str(actor.id) if actor else None,
        }
        log.info(json.dumps(line))
    return response


def init(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_note)
