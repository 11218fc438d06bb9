"""What web and worker write on their outputs: one line of JSON each, with the request's id.

Never a query string, a header or a body. What gunicorn quotes of a request that it could not
read is cut off: it may be the middle of somebody's password.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import sys
import threading

from flask import g, has_request_context
from gunicorn.config import Config
from gunicorn.glogging import Logger

from evidence.custody.append import timestamp

_QUOTED = re.compile(r"(Invalid request from ip=[0-9A-Fa-f.:]*).*", re.DOTALL)
_QUERY = re.compile(r"\?\S*")


class JsonLine(logging.Formatter):
    """At, how bad, by whom, what; the traceback too, in the same line."""

    def format(self, record: logging.LogRecord) -> str:
        said = record.getMessage()
        if record.name == "gunicorn.error":
            said = _QUERY.sub("", _QUOTED.sub(r"\1", said))
        line: dict[str, str] = {
            "at": timestamp(dt.datetime.fromtimestamp(record.created, dt.UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "said": said,
        }
        if has_request_context() and "request_id" in g:
            line["request"] = g.request_id
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _handler() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLine())
    return handler


def begin(level: int) -> None:
    """From now on whatever this process has to say is such a line on its error output."""
    logging.basicConfig(level=level, handlers=[_handler()], force=True)
    logging.captureWarnings(True)
    log = logging.getLogger("zhenglian")
    sys.excepthook = lambda kind, error, trace: log.critical(
        "the process ends", exc_info=(kind, error, trace)
    )
    threading.excepthook = lambda found: log.critical(
        "a thread has ended", exc_info=(found.exc_type, found.exc_value, found.exc_traceback)
    )


class WebLogger(Logger):
    """gunicorn's own lines, in the same form."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        self.error_log.handlers = [_handler()]
