"""The grown-up installation on one machine: three web processes and a worker behind a real nginx.

nginx runs with scripts/deploy/nginx.conf itself; only ports, paths and the certificate are put
in. `front` is shared by a whole run: leave what others have made alone. `own_front` is one
test's own, to be killed.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.tus import Tus
from tests.bureau import Bureau
from tests.live import READY_SECONDS, ROOT, LiveServer, free_port

NGINX_CONF = ROOT / "scripts" / "deploy" / "nginx.conf"
WEBS = 3
_AROUND = """
daemon off;
user {user};
worker_processes 2;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/zhenglian.conf;
}}
"""


def certificate(folder: Path) -> None:
    """A self-made one for 127.0.0.1."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.pem")],
        check=True, capture_output=True,
    )  # fmt: skip


def rendered(folder: Path, port: int, webs: list[int], originals: Path) -> str:
    """nginx.conf for these ports and folders. Whatever is put in must stand there once."""
    text = NGINX_CONF.read_text("utf-8")
    put = {
        "    listen 80;\n    listen [::]:80;\n": f"    listen 127.0.0.1:{free_port()};\n",
        "    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n": (
            f"    listen 127.0.0.1:{port} ssl http2;\n"
        ),
        "/etc/nginx/tls/zhenglian.pem": f"{folder}/tls.pem",
        "/etc/nginx/tls/zhenglian.key": f"{folder}/tls.key",
        "/var/log/nginx/zhenglian.log": f"{folder}/access.log",
        "/srv/zhenglian/store/originals/": f"{originals}/",
        **{f"127.0.0.1:{8081 + i} ": f"127.0.0.1:{web} " for i, web in enumerate(webs)},
    }
    for there, here in put.items():
        assert text.count(there) == 1, there
        text = text.replace(there, here)
    return text


class Front(LiveServer):
    """`url` is nginx's, over TLS; `web_url(i)` goes past it to one web process."""

    def __init__(self, bureau: Bureau, user: str = "root", store: Path | None = None) -> None:
        """`user` is whose nginx's processes are; `store`, where it is not in the data folder."""
        proxied = {"ZHENGLIAN_PROXIES": "1", "ZHENGLIAN_ACCEL": "/originals/"}
        super().__init__(
            bureau, proxied | ({"ZHENGLIAN_STORE_URL": store.as_uri()} if store else {})
        )
        self.user = user
        self.webs = [free_port() for _ in range(WEBS)]
        self.folder = bureau.data.parent / "nginx"
        self.folder.mkdir()
        certificate(self.folder)
        self.tls = ssl.create_default_context(cafile=self.folder / "tls.pem")
        self.originals = (store or bureau.data / "store") / "originals"

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def web_url(self, number: int) -> str:
        return f"http://127.0.0.1:{self.webs[number]}"

    def start(self) -> None:
        if "worker" not in self._running:
            self.start_brisk_worker()
        for number in range(WEBS):
            self.begin_web(number)
        for number in range(WEBS):
            self.until_web(number)
        self._until_it_answers("/readyz", self.web_url(0))
        self._start_nginx()

    def begin_web(self, number: int) -> None:
        self._start(f"web{number}", "-m", "server.serve", "--port", str(self.webs[number]))

    def until_web(self, number: int) -> None:
        self._until_it_answers("/healthz", self.web_url(number))

    def kill(self, number: int) -> None:
        """A web process, as kill -9 would."""
        self._end(f"web{number}", signal.SIGKILL)

    def _start_nginx(self) -> None:
        conf = self.folder / "nginx.conf"
        conf.write_text(_AROUND.format(folder=self.folder, user=self.user))
        (self.folder / "zhenglian.conf").write_text(
            rendered(self.folder, self.port, self.webs, self.originals)
        )
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert nginx is not None, "nginx is not installed"
        self._start_program("nginx", nginx, "-c", str(conf), "-e", "stderr")
        until = time.monotonic() + READY_SECONDS
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    return
            except OSError:
                assert time.monotonic() < until, self.said("nginx")
                assert self.runs("nginx"), self.said("nginx")
                time.sleep(0.02)

    def web_log(self) -> list[dict[str, Any]]:
        """The web processes' lines so far."""
        files = [self.data / "logs" / f"web-{port}.log" for port in self.webs]
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def log(self) -> list[dict[str, Any]]:
        """nginx's lines so far."""
        return [json.loads(line) for line in (self.folder / "access.log").read_text().splitlines()]

    def line_of(self, request: str) -> dict[str, Any]:
        """nginx's line of one request, which it writes only after the client has its answer."""
        end = time.monotonic() + 10
        while True:
            for line in self.log():
                if line["request"] == request:
                    return line
            assert time.monotonic() < end, f"nginx has no line of {request}"
            time.sleep(0.02)


class TusPast(Tus):
    """A tus client at one web process itself, past nginx."""

    def __init__(self, front: Front, number: int, token: str | None = "") -> None:
        super().__init__(front, token)
        self._port = front.webs[number]

    def connect(self, port: int | None = None) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)


@pytest.fixture(scope="session")
def front(bureau_template: Bureau, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    server = Front(bureau_template.copy_to(tmp_path_factory.mktemp("front") / "data"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def own_front(bureau: Bureau) -> Iterator[Front]:
    """Not started yet."""
    server = Front(bureau)
    try:
        yield server
    finally:
        server.stop()
