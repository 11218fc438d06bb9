"""What tus's headers say, and what of it is refused."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.errors import (
    InvalidInput,
    MalformedUploadMetadata,
    UnsupportedChecksum,
)
from evidence.uploads import headers


def said(**values: str | bytes) -> str:
    pairs = []
    for key, value in values.items():
        content = value.encode() if isinstance(value, str) else value
        pairs.append(f"{key} {base64.b64encode(content).decode()}")
    return ",".join(pairs)


def test_every_claim_is_read() -> None:
    claims = headers.metadata(
        said(
            filename="执法记录.mp4",
            filetype="video/mp4",
            recorder="HD-012",
            recorded_at="2023-09-15T10:00:00+08:00",
            sha256="AB" * 32,
            case="〔2023〕451",
            event_id="8e0c5b5e-7f2f-4e44-9d7f-0c7ba9a6e6a1",
        )
    )
    assert claims == headers.Claims(
        filename="执法记录.mp4",
        filetype="video/mp4",
        recorder="HD-012",
        recorded_at="2023-09-15T10:00:00+08:00",
        sha256="ab" * 32,
        case="〔2023〕451",
        event_id=UUID("8e0c5b5e-7f2f-4e44-9d7f-0c7ba9a6e6a1"),
    )


def test_no_metadata_claims_nothing() -> None:
    assert headers.metadata("") == headers.Claims()


def test_a_value_may_be_empty_with_or_without_its_space() -> None:
    assert headers.metadata("filename ,filetype").filename == ""


def test_unknown_keys_are_ignored_whatever_they_hold() -> None:
    assert headers.metadata(said(gps=b"\xff\xfe\x00" * 400, filename="a")).filename == "a"


def test_other_clients_names_for_name_and_type_are_understood() -> None:
    claims = headers.metadata(said(name="a.mp4", type="video/mp4"))
    assert (claims.filename, claims.filetype) == ("a.mp4", "video/mp4")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "../../etc/passwd"),
        ("a\0b.mp4", "a␀b.mp4"),
        ("\u202egpj.exe", "\u202egpj.exe"),
        ("长" * 300, "长" * 300),
        ("=HYPERLINK(1)", "=HYPERLINK(1)"),
    ],
)
def test_a_name_is_a_claim_and_never_a_path(name: str, kept: str) -> None:
    assert headers.metadata(said(filename=name)).filename == kept


@pytest.mark.parametrize(
    "header",
    [
        "filename !!!",
        "filename YQ==,filename YQ==",
        "fïle YQ==",
        said(sha256="ab" * 31),
        said(sha256="zz" * 32),
        said(event_id="not-a-uuid"),
        said(filename=b"\xff\xfe"),
        said(filename="x" * 1025),
        said(recorder="x" * 256),
    ],
)
def test_metadata_that_cannot_be_read_is_named(header: str) -> None:
    with pytest.raises(MalformedUploadMetadata):
        headers.metadata(header)


@given(st.text(max_size=200))
def test_no_metadata_raises_anything_but_our_errors(header: str) -> None:
    with contextlib.suppress(MalformedUploadMetadata):
        headers.metadata(header)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("1073741824", 2**30), (" 7 ", 7)])
def test_a_count_of_bytes_is_read(text: str, value: int) -> None:
    assert headers.number("Upload-Length", text) == value


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1e3", "0x10", "１", "9" * 19, "1 2"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        headers.number("Upload-Length", text)


def test_a_checksum_names_its_algorithm_and_digest() -> None:
    digest = base64.b64encode(hashlib.sha1(b"body").digest()).decode()
    checksum = headers.checksum(f"sha1 {digest}")
    assert checksum.value == hashlib.sha1(b"body").digest()
    hasher = checksum.new()
    hasher.update(b"body")
    assert hasher.digest() == checksum.value


@pytest.mark.parametrize("header", ["md5 AAAA", "SHA1 AAAA", "crc32 AAAA", ""])
def test_an_algorithm_that_is_not_offered_is_refused(header: str) -> None:
    with pytest.raises(UnsupportedChecksum):
        headers.checksum(header)


@pytest.mark.parametrize("header", ["sha1", "sha1 ", "sha1 AAAA", "sha256 ???", "sha1 ä"])
def test_a_checksum_of_the_wrong_length_is_refused(header: str) -> None:
    with pytest.raises(InvalidInput):
        headers.checksum(header)


def test_a_concatenation_lists_its_parts_from_any_kind_of_url() -> None:
    one, two = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
    header = f"final;/api/v1/uploads/{one} https://proxy.example/x/{two}/"
    assert headers.concatenation(header) == [UUID(one), UUID(two)]
    assert headers.concatenation("partial") is None
    assert headers.parts(None) == headers.parts("partial") == []


@pytest.mark.parametrize(
    "header", ["", "final", "final;", "final; ", "final;/uploads/x", "partial;/x", "whole", ";"]
)
def test_a_concatenation_that_cannot_be_read_is_refused(header: str) -> None:
    with pytest.raises(InvalidInput):
        headers.concatenation(header)


def test_more_parts_than_anybody_needs_are_refused() -> None:
    part = "/u/11111111-1111-4111-8111-111111111111"
    with pytest.raises(InvalidInput):
        headers.concatenation("final;" + " ".join([part] * (headers.MOST_PARTS + 1)))
