"""C2SP signed notes (c2sp.org/signed-note), with Ed25519 keys.

A note is a text that ends in a newline, an empty line, and signature lines
`— name base64(key id || signature)`. A verifier key is `name+hex(key id)+base64(type || key)`:
type 0x01 is a log's signature, 0x04 a witness's (evidence.custody.cosignature).
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

ED25519 = b"\x01"
_DASH = "— "


class NamedKey:
    """A named Ed25519 key of one type, from its seed of 32 bytes."""

    kind = b""

    def __init__(self, name: str, seed: bytes) -> None:
        if not name or "+" in name or any(c.isspace() for c in name):
            raise NoteMalformed("A key's name has no spaces and no plus sign.")
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._verifier = Verifier(name, self.kind, public)

    @property
    def verifier_key(self) -> str:
        return str(self._verifier)

    def _line(self, signature: bytes) -> str:
        encoded = base64.b64encode(self._verifier.key_id + signature).decode()
        return f"{_DASH}{self.name} {encoded}\n"


class Signer(NamedKey):
    """The key that signs notes; while keys are changed, the one before signs beside it."""

    kind = ED25519

    def __init__(self, name: str, seed: bytes, before: bytes | None = None) -> None:
        """`before` is the seed of the key that is on its way out."""
        super().__init__(name, seed)
        self._before = None if before is None else Signer(name, before)

    @property
    def verifier_keys(self) -> list[str]:
        """The newest first."""
        return [self.verifier_key, *(self._before.verifier_keys if self._before else [])]

    def sign(self, text: str) -> str:
        """The note of `text`, which ends in a newline. Raises NoteMalformed."""
        return f"{text}\n{self._signatures(text)}"

    def _signatures(self, text: str) -> str:
        _check_text(text)
        mine = self._line(self._key.sign(text.encode()))
        return mine + (self._before._signatures(text) if self._before else "")


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key, its type and the name that it signs by."""

    name: str
    kind: bytes
    public: bytes

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self.kind + self.public).digest()[:4]

    def __str__(self) -> str:
        return (
            f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self.kind + self.public).decode()}"
        )

    @classmethod
    def parse(cls, key: str, kind: bytes = ED25519) -> Verifier:
        """From `name+id+key`. Raises NoteMalformed, also where the key is of another type."""
        parts = key.split("+", 2)
        if len(parts) != 3 or not parts[0] or any(c.isspace() for c in parts[0]):
            raise NoteMalformed("A verifier key is name+id+key.")
        name, key_id, encoded = parts
        raw = _decode(encoded)
        if len(raw) != 33 or raw[:1] != kind:
            raise NoteMalformed(
                f"A verifier key of this kind holds 0x{kind.hex()} and 32 bytes of an Ed25519 key."
            )
        found = cls(name, kind, raw[1:])
        if found.key_id.hex() != key_id:
            raise NoteMalformed("A verifier key's id is not that of its name and key.")
        return found

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises SignatureInvalid."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            raise SignatureInvalid(f"The signature of {self.name} does not verify.") from None


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart: its text, and each signature as signer's name, key id and bytes."""

    text: str
    signatures: Sequence[tuple[str, bytes, bytes]]

    @classmethod
    def parse(cls, note: str) -> Note:
        """Raises NoteMalformed."""
        text, separator, block = note.rpartition("\n\n")
        if not separator or not block.endswith("\n"):
            raise NoteMalformed()
        text += "\n"
        _check_text(text)
        return cls(text, parse_signatures(block))

    def key_ids(self, name: str) -> set[bytes]:
        """Of the keys that are said to have signed by this name; nothing is proven by that."""
        return {key_id for who, key_id, _ in self.signatures if who == name}

    def by(self, verifier: Verifier) -> list[bytes]:
        """What this key is said to have signed with: any number of signatures."""
        mine = (verifier.name, verifier.key_id)
        return [signature for *who, signature in self.signatures if tuple(who) == mine]


def parse_signatures(block: str) -> list[tuple[str, bytes, bytes]]:
    """Signature lines, each with its newline. Raises NoteMalformed."""
    found = []
    for line in block.removesuffix("\n").split("\n"):
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space or not name:
            raise NoteMalformed("A signature line is — name signature.")
        raw = _decode(encoded)
        if len(raw) < 5:
            raise NoteMalformed("A signature is too short.")
        found.append((name, raw[:4], raw[4:]))
    return found


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


def verify_note(note: str, verifier_keys: Sequence[str]) -> str:
    """The text of `note`, proven by at least one of `verifier_keys`.

    A signature by a known key that does not verify spoils the note, whatever the others say;
    signatures by unknown keys are ignored. Raises NoteMalformed, SignatureInvalid.
    """
    parsed = Note.parse(note)
    verifiers = [Verifier.parse(key) for key in verifier_keys]
    proven = False
    for verifier in verifiers:
        for signature in parsed.by(verifier):
            verifier.verify(signature, parsed.text.encode())
            proven = True
    if not proven:
        raise SignatureInvalid()
    return parsed.text
