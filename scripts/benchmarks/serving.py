"""A sealed original taken out: from the web process, behind nginx, and by nginx alone; and seeking.

nginx has the same file twice: behind us it sends what we told it to (X-Accel-Redirect), alone it
serves the folder. All are taken over loopback without TLS by the same reader, which keeps nothing,
in the same rounds; the file is in the system's memory. For seeking, 4 GB are asked for at random
places, after the system was made to forget them, and the time to the first byte is taken.
"""

from __future__ import annotations

import http.client
import os
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from scripts.benchmarks.export import forget, log_in
from scripts.benchmarks.ingest import GIB, PIECE, change, original, send
from scripts.benchmarks.server import Server, free_port

ROUNDS = 5
SEEKS = 60
LONG = 4 * 10**9
_CONF = """
daemon off; user root; worker_processes 2; pid {folder}/pid; error_log stderr error;
events {{ worker_connections 256; }}
http {{
    access_log off; sendfile on; tcp_nopush on;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream web {{ server 127.0.0.1:{web}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Accel-Originals "/originals/"; proxy_max_temp_file_size 0;
        }}
        location /originals/ {{ internal; alias {originals}/; }}
        location /alone/ {{ alias {originals}/; }}
    }}
}}
"""


@contextmanager
def _nginx(folder: Path, server: Server) -> Iterator[int]:
    """Its port, once it listens."""
    folder.mkdir()
    port, originals = free_port(), server.data / "store" / "originals"
    conf = folder / "nginx.conf"
    conf.write_text(_CONF.format(folder=folder, web=server.port, port=port, originals=originals))
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise RuntimeError("nginx is not installed.")
    process = subprocess.Popen([program, "-c", str(conf), "-e", "stderr"])
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(100):
            try:
                connection.request("HEAD", "/healthz")
                connection.getresponse().read()
            except OSError:
                connection.close()
                time.sleep(0.1)
            else:
                break
        yield port
    finally:
        process.terminate()
        process.wait(20)


def take(port: int, path: str, cookie: str) -> float:
    """MB/s until the last byte is here."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    piece = memoryview(bytearray(PIECE))
    began, taken = time.perf_counter(), 0
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    if answer.status != http.client.OK:
        raise RuntimeError(f"{path} was not served: {answer.status}")
    while count := answer.readinto(piece):
        taken += count
    connection.close()
    return taken / 1e6 / (time.perf_counter() - began)


def seek(port: int, path: str, cookie: str, size: int) -> list[float]:
    """Milliseconds to the first byte from random places, each on a connection of its own."""
    chance, took = random.Random(4), []  # noqa: S311  (any places will do)
    for _ in range(SEEKS):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        start = chance.randrange(size - 1)
        began = time.perf_counter()
        connection.request(
            "GET", path, headers={"Cookie": cookie, "Range": f"bytes={start}-{size - 1}"}
        )
        answer = connection.getresponse()
        answer.read(1)
        took.append((time.perf_counter() - began) * 1000)
        if answer.status != http.client.PARTIAL_CONTENT:
            raise RuntimeError(f"{path} was not served: {answer.status}")
        connection.close()
    return sorted(took)


def recording(path: Path, size: int) -> None:
    """A short clip, and behind it a box of that size which players skip."""
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:duration=4",
         "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-y", str(path)],
        check=True,
    )  # fmt: skip
    block = os.urandom(PIECE)
    with path.open("ab") as file:
        file.write((1).to_bytes(4, "big") + b"free" + (size + 16).to_bytes(8, "big"))
        for _ in range(size // PIECE):
            file.write(block)
        file.write(block[: size % PIECE])
        # Nothing is left to be written back while it is measured.
        file.flush()
        os.fsync(file.fileno())


def _sealed(server: Server, client: httpx.Client, source: Path) -> tuple[str, Path]:
    """Send it in; where it is served, and where it lies."""
    sha256 = change(source) if source.suffix == ".bin" else change(source, at=-32)
    send(server, source, sha256)
    found = client.get("/api/v1/exhibits", params={"limit": 1}).json()["items"]
    while client.get(f"/api/v1/exhibits/{found[0]['id']}").json()["media"]["state"] == "pending":
        time.sleep(0.2)
    stored = server.data / "store" / "originals" / sha256[:2] / sha256[2:4] / sha256
    return f"/api/v1/exhibits/{found[0]['id']}/original", stored


def run(folder: Path, size: int = GIB, long: int = LONG) -> dict[str, object]:
    """Medians, MB/s (10^6 bytes), ratios of each round; milliseconds of seeking."""
    os.environ.update(ZHENGLIAN_PROXIES="1", ZHENGLIAN_ACCEL="/originals/")
    source = folder / "recording.bin"
    original(source, size)
    with Server(folder / "data") as server, _nginx(folder / "nginx", server) as port:
        client = log_in(server, "supervisor")
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        path, stored = _sealed(server, client, source)
        alone = f"/alone/{stored.relative_to(server.data / 'store' / 'originals')}"
        take(port, alone, cookie)
        direct, behind, nginx = [], [], []
        for _ in range(ROUNDS):
            nginx.append(take(port, alone, cookie))
            behind.append(take(port, path, cookie))
            direct.append(take(server.port, path, cookie))
        source.unlink()
        clip = folder / "long.mp4"
        recording(clip, long)
        path, stored = _sealed(server, client, clip)
        seeks = {}
        for name, at in (("behind_nginx", port), ("direct", server.port)):
            forget(stored)
            took = seek(at, f"{path}?play=1", cookie, stored.stat().st_size)
            seeks[name] = {
                "median": round(statistics.median(took), 1),
                "p95": round(took[int(len(took) * 0.95)], 1),
                "slowest": round(took[-1], 1),
            }
        client.close()
    return {
        "bytes": size,
        "rounds": ROUNDS,
        "nginx_alone_mb_s": round(statistics.median(nginx)),
        "behind_nginx_mb_s": round(statistics.median(behind)),
        "direct_mb_s": round(statistics.median(direct)),
        "ratio_behind_nginx": round(
            statistics.median(b / n for b, n in zip(behind, nginx, strict=True)), 2
        ),
        "ratio_direct": round(
            statistics.median(d / n for d, n in zip(direct, nginx, strict=True)), 2
        ),
        "seek_bytes": long,
        "seeks": SEEKS,
        "first_byte_ms": seeks,
    }
