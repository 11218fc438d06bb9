"""Time from others: RFC 3161 stamps of checkpoints, asked for and verified before they are kept.

Stamped is a checkpoint's text (origin, size, root), not its signatures: those may be added to.
Trusts the certificates that the bureau has named for an authority, and nothing in its answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from rfc3161_client import (
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)
from rfc3161_client.base import HashAlgorithm

from evidence.errors import TimestampInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A time-stamping authority: the certificates that its stamps must lead to."""

    roots: Sequence[x509.Certificate]
    others: Sequence[x509.Certificate]  # between a root and a stamp


def read_authority(path: Path) -> Authority:
    """From a PEM file; those that certify themselves are roots. Raises TimestampInvalid."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise TimestampInvalid(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise TimestampInvalid(f"{path} holds no PEM certificates.") from None
    roots = [certificate for certificate in found if _certifies_itself(certificate)]
    if not roots:
        raise TimestampInvalid(f"{path} holds no root certificate, one that certifies itself.")
    return Authority(roots=roots, others=[c for c in found if c not in roots])


def _certifies_itself(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class StampRequest:
    """What is sent (a TimeStampReq, DER), and the number that the answer must repeat."""

    der: bytes
    nonce: int


def stamp_request(text: str) -> StampRequest:
    """Ask for a stamp of a checkpoint's text; with SHA-256, a nonce, and the certificates."""
    request = (
        TimestampRequestBuilder()
        .data(text.encode())
        .hash_algorithm(HashAlgorithm.SHA256)
        .nonce(nonce=True)
        .cert_request(cert_request=True)
        .build()
    )
    return StampRequest(der=request.as_bytes(), nonce=request.nonce or 0)


def verify_stamp(
    response: bytes, text: str, authority: Authority, nonce: int | None = None
) -> dt.datetime:
    """The time at which the authority has seen `text`; `response` is a TimeStampResp, DER.

    Raises TimestampInvalid.
    """
    try:
        decoded: TimeStampResponse = decode_timestamp_response(response)
        builder = VerifierBuilder(
            roots=list(authority.roots), intermediates=list(authority.others), nonce=nonce
        )
        if not builder.build().verify_message(decoded, text.encode()):
            raise TimestampInvalid
        at: dt.datetime = decoded.tst_info.gen_time
    except (VerificationError, ValueError) as error:
        raise TimestampInvalid(f"The stamp does not verify: {error}") from None
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)
