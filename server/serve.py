"""The web process: `python -m server.serve --host H --port P`.

gunicorn with threads. One process is the default: its threads spend their time in the kernel
and in SHA-256, where Python's lock is free, and memory stays that of one process.
"""

from __future__ import annotations

import argparse
import gc
import logging
import multiprocessing
import os
import socket
import sys

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from server import config, logs
from server.config import ConfigurationError

THREADS = 48
# Who takes nothing of an answer for so long gives its thread back, also where its machine still
# says that it is there. A player that stands still asks again for what it wants.
UNREAD_SECONDS = 60


class Web(BaseApplication):
    """gunicorn, configured from here."""

    def __init__(self, options: dict[str, object], port: int) -> None:
        self._chosen, self._port = options, port
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._chosen.items():
            self.cfg.set(name, value)

    def load(self) -> object:
        # Only the process that answers loads the application; the one that watches stays small.
        from server import access_log, create_app

        access_log.write_to(config.read().data, self._port)
        app = create_app()
        # What stands now stays: without this, every full collection walks through it, 30 ms that
        # some request waits for.
        gc.collect()
        gc.freeze()
        return app


def give_up_who_reads_nothing(arbiter: Arbiter) -> None:
    """Connections have it from the socket that accepts them."""
    for listener in arbiter.LISTENERS:
        listener.sock.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_SECONDS * 1000)
        )


def options(host: str, port: int) -> dict[str, object]:
    """What gunicorn is told. An IPv6 host is put into brackets."""
    return {
        "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "workers": 1,
        "worker_class": "gthread",
        "threads": THREADS,
        # A stream of hours is no stuck worker: the heart-beat is the main thread's.
        "timeout": 60,
        "graceful_timeout": 5,
        "keepalive": 30,
        "worker_tmp_dir": "/dev/shm",  # noqa: S108  (its heart-beat must not touch the disk)
        "umask": config.UMASK,
        "proc_name": "zhenglian-web",
        "loglevel": "warning",
        "accesslog": None,
        "logger_class": logs.WebLogger,
        "when_ready": give_up_who_reads_nothing,
        "limit_request_field_size": 16380,
        "control_socket_disable": True,
        # Who speaks for a client is ZHENGLIAN_PROXIES' business, not gunicorn's.
        "forwarded_allow_ips": "",
    }


def require(settings: config.Settings) -> int:
    """See that the web can begin: 0, or the status to end with. What is wrong has been said.

    Asked in a process of its own: the one that watches loads neither database nor store.
    """
    asked = multiprocessing.get_context("fork").Process(target=_ask, args=(settings,))
    asked.start()
    asked.join()
    return asked.exitcode if asked.exitcode in (0, 2) else 1


def _ask(settings: config.Settings) -> None:
    from server import starting

    with starting.told():
        starting.require(settings)


def main() -> int:
    parser = argparse.ArgumentParser(description="The web process of Zhenglian.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    chosen = parser.parse_args()
    sys.argv[1:] = []
    os.umask(config.UMASK)
    try:
        settings = config.read()
        config.prepare_data(settings)
        config.secret_key(settings)
        logs.begin(logging.WARNING)
        if status := require(settings):
            return status
        Web(options(chosen.host, chosen.port), chosen.port).run()
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
