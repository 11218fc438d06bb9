"""For everybody, without a login: whether a digest is in the log, and whether a file has it.

A file is digested in the browser. Nothing of it is sent.
"""

from __future__ import annotations

import re

from flask import Blueprint, render_template

from evidence.custody.models import LogHead
from evidence.digests import Digest
from evidence.errors import NotFound
from evidence.exhibits.standing import standing
from server.extensions import db, log_origin, signer

blp = Blueprint("verification", __name__, url_prefix="/verify")

_DIGEST = re.compile("[0-9a-f]{64}", re.ASCII)


@blp.get("")
def ask() -> str:
    return render_template("verification.html", digest="", found=None, head=_head(), key=_key())


@blp.get("/<digest>")
def one(digest: str) -> str:
    """Raises NotFound for what is not a digest."""
    wanted = digest.lower()
    if not _DIGEST.fullmatch(wanted):
        raise NotFound("A SHA-256 digest is written as 64 hexadecimal digits.")
    found = standing(db.session(), Digest.sha256(wanted))
    return render_template(
        "verification.html", digest=wanted, found=found, head=_head(), key=_key()
    )


def _head() -> LogHead | None:
    return db.session.get(LogHead, log_origin())


def _key() -> str:
    return signer().verifier_key
