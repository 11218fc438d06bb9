"""Read the whole custody log again and say whether it holds.

scripts/log-audit URL --key KEY    as anybody can: from the public tiles under URL/log
scripts/log-audit [--data FOLDER]  as the bureau can: the same from its own store, and every
                                   event of the database beside its published entry

--older FILE names a checkpoint that was kept earlier (printed, mailed, got from a witness): the
log must still contain it. Exit code 0 whole, 1 broken, 2 unreadable.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
from sqlalchemy import create_engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from evidence.custody.auditing import Audit, audit
from evidence.custody.keys import read_key, signer_of
from evidence.custody.models import LogHead
from evidence.errors import EvidenceError, LogForked, StorageUnavailable
from evidence.sqlite import prepare
from evidence.storage.port import TileStore
from server import config
from server.config import Settings
from server.extensions import open_store
from server.own_log import other_origin

_SECONDS = 30


_CERTIFICATE = (
    "The server's TLS certificate is not trusted ({}). Name your bureau's authority in "
    "SSL_CERT_FILE."
)


class Unreadable(Exception):
    """There is no log to be read; the message says what is missing."""


class PublicTiles:
    """The tiles that a server publishes."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def put_tile(self, path: str, content: bytes) -> None:
        raise StorageUnavailable("A published log is read, never written.")

    def tile(self, path: str) -> bytes | None:
        answer = self.get(f"log/{path}")
        return None if answer.status_code == 404 else answer.raise_for_status().content

    def get(self, path: str) -> httpx.Response:
        """Raises StorageUnavailable where the server does not answer."""
        try:
            return self._client.get(path)
        except httpx.HTTPError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise StorageUnavailable(_CERTIFICATE.format(error)) from None
            raise StorageUnavailable(f"{self._client.base_url} does not answer: {error}") from None


def from_url(url: str, keys: Sequence[str], older: Sequence[str]) -> Audit:
    """Audit the log that a server publishes. Raises Unreadable, EvidenceError."""
    with httpx.Client(base_url=f"{url.rstrip('/')}/", timeout=_SECONDS) as client:
        tiles = PublicTiles(client)
        answer = tiles.get("log/checkpoint")
        if answer.status_code != 200:
            raise Unreadable(f"{url}/log/checkpoint answers {answer.status_code}.")
        return audit(tiles, answer.text, keys, older=older)


def from_data(data: Path | None, keys: Sequence[str], older: Sequence[str]) -> Audit:
    """Audit the log of a data folder, and every event's row. Raises Unreadable, EvidenceError."""
    environ = {**os.environ, **({"ZHENGLIAN_DATA": str(data)} if data else {})}
    try:
        settings = config.read(environ)
    except config.ConfigurationError as error:
        raise Unreadable(str(error)) from None
    if not settings.log_key_file.exists():
        raise Unreadable(f"There is no log in {settings.data}: {settings.log_key_file} is missing.")
    engine = prepare(create_engine(settings.database_url))
    try:
        with Session(engine) as session:
            found = of_database(session, settings, open_store(settings), keys, older)
            if found is None:
                raise Unreadable("The log has no checkpoint yet.")
            return found
    except SQLAlchemyError as error:
        raise Unreadable(f"The database cannot be read: {getattr(error, 'orig', error)}") from None
    finally:
        engine.dispose()


def of_database(
    session: Session,
    settings: Settings,
    tiles: TileStore,
    keys: Sequence[str] = (),
    older: Sequence[str] = (),
) -> Audit | None:
    """Audit the log and every event's row; None where nothing was signed yet.

    Raises EvidenceError where the log there is of another origin than ours, or its key is not
    there, or has not signed the head.
    """
    head = session.get(LogHead, settings.log_origin)
    if head is None:
        if words := other_origin(session.scalars(select(LogHead.origin)), settings.log_origin):
            raise LogForked(words)
        return None
    known = keys or signer_of(read_key(settings.log_key_file, settings.log_origin)).verifier_keys
    return audit(tiles, head.checkpoint, known, older=older, session=session)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="log-audit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", nargs="?", help="the server, such as https://evidence.example")
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        help="the log's verifier key, better not got from the server; every one that it has had, "
        "where it was changed",
    )
    parser.add_argument("--data", type=Path, help="data folder (ZHENGLIAN_DATA, or ./data)")
    parser.add_argument("--older", type=Path, action="append", default=[], metavar="FILE")
    parser.add_argument("--json", action="store_true", help="for machines")
    chosen = parser.parse_args()
    if chosen.url and not chosen.key:
        parser.error("give the log's key with --key: the server's own word is not enough")
    return chosen


def main() -> int:
    chosen = arguments()
    began = time.perf_counter()
    try:
        older = [path.read_text("utf-8") for path in chosen.older]
        if chosen.url:
            found = from_url(chosen.url, chosen.key, older)
        else:
            found = from_data(chosen.data, chosen.key, older)
    except (OSError, UnicodeDecodeError, EvidenceError, Unreadable) as error:
        print(f"UNREADABLE: {error}", file=sys.stderr)
        return 2
    seconds = round(time.perf_counter() - began, 1)
    if chosen.json:
        said = {
            "whole": found.whole,
            "size": found.size,
            "root": found.root_hex,
            "rows": found.rows,
            "older": found.older,
            "findings": list(found.findings),
            "seconds": seconds,
        }
        print(json.dumps(said, ensure_ascii=False))
    else:
        print(f"{found.size} entries, root {found.root_hex}, in {seconds} s")
        if found.rows is not None:
            print(f"{found.rows} events of the database compared with their entries")
        if chosen.older:
            print(f"{found.older} of {len(older)} older checkpoints are heads of this log")
        for words in found.findings:
            print(f"✗ {words}")
        print("WHOLE" if found.whole else "BROKEN: see above.")
    return 0 if found.whole else 1
