"""C2SP signed notes (c2sp.org/signed-note), with Ed25519 keys.

A note is a text that ends in a newline, an empty line, and signature lines
`— name base64(key id || signature)`. A verifier key is `name+hex(key id)+base64(0x01 || key)`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from evidence.errors import NoteMalformed, SignatureInvalid

_ED25519 = b"\x01"
_DASH = "— "


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


class Signer:
    """A named Ed25519 key, from its seed of 32 bytes."""

    def __init__(self, name: str, seed: bytes) -> None:
        if not name or "+" in name or any(c.isspace() for c in name):
            raise NoteMalformed("A key's name has no spaces and no plus sign.")
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._id = _key_id(name, self._public)

    @property
    def verifier_key(self) -> str:
        encoded = base64.b64encode(_ED25519 + self._public).decode()
        return f"{self.name}+{self._id.hex()}+{encoded}"

    def sign(self, text: str) -> str:
        """The note of `text`, which ends in a newline. Raises NoteMalformed."""
        _check_text(text)
        signature = base64.b64encode(self._id + self._key.sign(text.encode())).decode()
        return f"{text}\n{_DASH}{self.name} {signature}\n"


@dataclass(frozen=True, slots=True)
class _Verifier:
    name: str
    key_id: bytes
    key: Ed25519PublicKey


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise NoteMalformed("A note's text ends in a newline.")
    if any(ord(c) < 0x20 and c != "\n" for c in text):
        raise NoteMalformed("A note's text holds no control characters.")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteMalformed("A signature or key is not base64.") from None


def _verifier(key: str) -> _Verifier:
    parts = key.split("+", 2)
    if len(parts) != 3:
        raise NoteMalformed("A verifier key is name+id+key.")
    name, key_id, encoded = parts
    raw = _decode(encoded)
    if len(raw) != 33 or raw[:1] != _ED25519:
        raise NoteMalformed("A verifier key holds 0x01 and the 32 bytes of an Ed25519 key.")
    if _key_id(name, raw[1:]).hex() != key_id:
        raise NoteMalformed("A verifier key's id is not that of its name and key.")
    return _Verifier(name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(raw[1:]))


def verify_note(note: str, verifier_keys: Sequence[str]) -> str:
    """The text of `note`, proven by at least one of `verifier_keys`.

    A signature by a known key that does not verify spoils the note, whatever the others say;
    signatures by unknown keys are ignored. Raises NoteMalformed, SignatureInvalid.
    """
    text, separator, block = note.rpartition("\n\n")
    if not separator or not block.endswith("\n"):
        raise NoteMalformed()
    text += "\n"
    _check_text(text)
    verifiers = [_verifier(key) for key in verifier_keys]
    proven = False
    for line in block[:-1].split("\n"):
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space or not name:
            raise NoteMalformed("A signature line is — name signature.")
        raw = _decode(encoded)
        if len(raw) < 5:
            raise NoteMalformed("A signature is too short.")
        for verifier in verifiers:
            if verifier.name == name and verifier.key_id == raw[:4]:
                try:
                    verifier.key.verify(raw[4:], text.encode())
                except InvalidSignature:
                    raise SignatureInvalid(f"The signature of {name} does not verify.") from None
                proven = True
    if not proven:
        raise SignatureInvalid()
    return text
