"""What a witness says of a checkpoint (c2sp.org/tlog-cosignature), with Ed25519 keys of type 0x04.

A cosignature says: at this time, this was the newest checkpoint that I have seen of this log, and
it continues every one that I saw before. Signed are `cosignature/v1`, `time N`, and the note's
text; the signature is the time as a 64-bit big-endian number, and 64 bytes of Ed25519.
"""

from __future__ import annotations

import datetime as dt
import struct

from evidence.custody.note import NamedKey, Note, Verifier
from evidence.errors import NoteMalformed, SignatureInvalid

COSIGNATURE = b"\x04"
_TIME = struct.Struct(">Q")
_LATEST = int(dt.datetime(9999, 12, 31, tzinfo=dt.UTC).timestamp())


def _message(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


class Cosigner(NamedKey):
    """The key of a witness."""

    kind = COSIGNATURE

    def cosign(self, text: str, at: dt.datetime) -> str:
        """The signature line over a note's text."""
        seconds = int(at.timestamp())
        return self._line(_TIME.pack(seconds) + self._key.sign(_message(text, seconds)))


def verify_cosignature(note: str, verifier_key: str) -> dt.datetime:
    """When the witness of `verifier_key` cosigned `note`; the latest time, if it did so twice.

    A cosignature of that key which does not verify spoils the note. Raises NoteMalformed,
    SignatureInvalid.
    """
    parsed, verifier = Note.parse(note), Verifier.parse(verifier_key, COSIGNATURE)
    times = []
    for signature in parsed.by(verifier):
        if len(signature) != _TIME.size + 64:
            raise NoteMalformed("A cosignature is a time and 64 bytes.")
        (seconds,) = _TIME.unpack_from(signature)
        if seconds > _LATEST:
            raise NoteMalformed("A cosignature is from after the year 9999.")
        verifier.verify(signature[_TIME.size :], _message(parsed.text, seconds))
        times.append(seconds)
    if not times:
        raise SignatureInvalid(f"{verifier.name} has not cosigned this.")
    return dt.datetime.fromtimestamp(max(times), dt.UTC)
