"""A real time-stamping authority on a loopback port: `openssl ts` behind a small HTTP server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

_CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[stamping]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = tsa_config
[tsa_config]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
ess_cert_id_chain = no
"""


def openssl(folder: Path, *arguments: str) -> str:
    """Output of openssl, run in `folder`."""
    done = subprocess.run(
        ["openssl", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


class Authority:
    """Keys and certificates in `folder`; `url` answers while it is up."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, 0
        self.spoil = False
        folder.mkdir()
        (folder / "tsa.cnf").write_text(_CONFIG.format(name="Example Root"))
        (folder / "serial").write_text("01")
        new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        openssl(folder, *new, "-x509", "-days", "3650", "-config", "tsa.cnf",
                "-extensions", "root", "-keyout", "root.key", "-out", "root.pem")  # fmt: skip
        (folder / "leaf.cnf").write_text(_CONFIG.format(name="Example Authority"))
        openssl(folder, *new, "-config", "leaf.cnf", "-keyout", "tsa.key", "-out", "tsa.csr")
        openssl(folder, "x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key",
                "-CAcreateserial", "-days", "3650", "-extfile", "tsa.cnf",
                "-extensions", "stamping", "-out", "tsa.pem")  # fmt: skip

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"

    def reply(self, query: bytes) -> bytes:
        self.asked += 1
        (self.folder / "query.tsq").write_bytes(query)
        openssl(self.folder, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq",
                "-out", "reply.tsr")  # fmt: skip
        reply = bytearray((self.folder / "reply.tsr").read_bytes())
        if self.spoil:
            reply[len(reply) // 2] ^= 1
        return bytes(reply)

    def verifies(self, text: str, response: bytes) -> bool:
        """What `openssl ts -verify` says of a stamp."""
        (self.folder / "data").write_text(text)
        (self.folder / "stamp.tsr").write_bytes(response)
        said = openssl(self.folder, "ts", "-verify", "-data", "data", "-in", "stamp.tsr",
                       "-CAfile", "root.pem")  # fmt: skip
        return "Verification: OK" in said


@contextmanager
def listening(authority: Authority, port: int = 0) -> Iterator[str]:
    """The authority's address, while it answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            reply = authority.reply(query)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
