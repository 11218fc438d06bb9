"""A witness for custody logs: run by another body, on its own machine, with its own key.

scripts/witness --name NAME --log KEY [--log KEY …] [--data FOLDER] [--host H] [--port P]

It answers POST /add-checkpoint (c2sp.org/tlog-witness): it cosigns a log's checkpoint if that
continues the last one it saw, and never two that contradict each other. It keeps one checkpoint a
log and its own key, and needs neither database nor internet. GET / shows its key.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from flask import Flask, Response, request

from evidence.custody.cosignature import Cosigner
from evidence.custody.keys import load_or_create
from evidence.custody.witness import Witness, trusted_logs
from evidence.errors import (
    CheckpointConflict,
    CustodyError,
    EvidenceError,
    LogUnknown,
    NoteMalformed,
    ProofBroken,
    SignatureInvalid,
    StorageError,
)
from server.serve import Web, options

_TEXT = "text/plain; charset=utf-8"
_LARGEST = 64 * 1024  # bytes of a request
_STATUS: dict[type[EvidenceError], int] = {
    NoteMalformed: 400,
    SignatureInvalid: 403,
    LogUnknown: 404,
    ProofBroken: 422,
    StorageError: 503,
}


def create_app(witness: Witness) -> Flask:
    app = Flask("witness", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST

    @app.post("/add-checkpoint")
    def add_checkpoint() -> Response:
        try:
            body = request.get_data().decode("utf-8")
        except UnicodeDecodeError:
            return Response("The request is not UTF-8.\n", 400, content_type=_TEXT)
        try:
            return Response(witness.add_checkpoint(body), content_type=_TEXT)
        except CheckpointConflict as conflict:
            return Response(f"{conflict.facts['size']}\n", 409, content_type="text/x.tlog.size")
        except EvidenceError as error:
            status = next((s for kind, s in _STATUS.items() if isinstance(error, kind)), 500)
            return Response(f"{error}\n", status, content_type=_TEXT)

    @app.get("/")
    def key() -> Response:
        return Response(f"{witness.verifier_key}\n", content_type=_TEXT)

    return app


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="witness", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--name", required=True, help="such as witness.sifa.example.gov.cn")
    parser.add_argument("--log", action="append", required=True, help="a log's verifier key")
    parser.add_argument("--data", type=Path, default=Path("witness"), help="folder (%(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8090, help="port (%(default)s)")
    return parser.parse_args()


class WitnessWeb(Web):
    """The same server, with another application."""

    def __init__(self, options: dict[str, object], port: int, app: Flask) -> None:
        self._app = app
        super().__init__(options, port)

    def load(self) -> object:
        return self._app


def main() -> int:
    chosen = arguments()
    sys.argv[1:] = []
    os.umask(0o077)
    folder = chosen.data.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        key = load_or_create(folder / "witness.key", chosen.name)
        witness = Witness(folder, Cosigner(key.name, key.seed), trusted_logs(chosen.log))
    except (CustodyError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Witness of {len(chosen.log)} log(s) at http://{chosen.host}:{chosen.port}")
    print(f"Its key, for the log's operator and for whoever verifies:\n{witness.verifier_key}")
    sys.stdout.flush()
    told = {**options(chosen.host, chosen.port), "threads": 4}
    WitnessWeb(told, chosen.port, create_app(witness)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
