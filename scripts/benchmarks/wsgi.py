"""The application for web servers that server/serve.py does not start, loaded as it loads it.

`scripts.benchmarks.wsgi:application` makes it for those that import it. `python -m
scripts.benchmarks.wsgi N` is server/serve.py's gunicorn with N processes.
"""

from __future__ import annotations

import logging
import os
import sys

from scripts.benchmarks.server import PORT_TOLD
from server import config, logs
from server.serve import Web, options


def _web(**others: object) -> Web:
    """As server/serve.py has it, on the port that the measurement tells."""
    port = int(os.environ[PORT_TOLD])
    os.umask(config.UMASK)
    logs.begin(logging.WARNING)
    return Web({**options("127.0.0.1", port), **others}, port)


def application() -> object:
    return _web().load()


if __name__ == "__main__":
    _web(workers=int(sys.argv.pop())).run()
