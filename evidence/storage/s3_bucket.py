"""A bucket of an S3 service: conditional writes, and its refusals in the domain's words.

What makes a store of it safe is asked of the service: If-None-Match and If-Match are honoured
(`check` sees to it), and a part that does not have its SHA-256 is refused.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from evidence.errors import StorageFull, StorageMisconfigured, StorageUnavailable

PIECE = 1024 * 1024
_FULL = {"QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"}
_NO_ROOM = "The storage service is full. Free space there, or raise its quota, then send it again."
_ABSENT = {"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "404"}
# An object without a lock: AWS says the first, SeaweedFS the second.
_UNLOCKED = {"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"}
_CONDITION = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_CREDENTIALS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
# What trying again does not mend, and what would.
_WRONG = {
    "NoSuchBucket": "There is no such bucket. Make it, or correct ZHENGLIAN_STORE_URL.",
    "InvalidAccessKeyId": (
        f"The storage service does not know this access key. Correct {_CREDENTIALS}."
    ),
    "SignatureDoesNotMatch": (
        "The secret key is not that of this access key. Correct AWS_SECRET_ACCESS_KEY."
    ),
    "AccessDenied": (
        "The storage service does not allow it to this access key. Let it list, read, write and "
        f"delete in the bucket, or correct {_CREDENTIALS}."
    ),
    "RequestTimeTooSkewed": (
        "The clocks of this machine and of the storage service differ. Set the one that is wrong."
    ),
}
_UNREADABLE = "It is not a bucket's URL: s3://BUCKET/prefix?endpoint=https://HOST."
_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)
_TAKEN_UP = 4  # how often a download that broke off goes on


@dataclass(frozen=True, slots=True)
class Kept:
    """An object's bytes, its ETag, and for how many seconds it has stood there (their clock)."""

    content: bytes
    etag: str
    age: float


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the service or the way to it refuses into StorageFull or StorageUnavailable;
    what only a person can put right, into StorageMisconfigured.
    """
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _FULL or _status(error) == HTTPStatus.INSUFFICIENT_STORAGE:
            raise StorageFull(_NO_ROOM) from error
        if code in _WRONG:
            raise StorageMisconfigured(_WRONG[code]) from error
        raise StorageUnavailable(f"The storage service refused ({code}). Try again.") from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StorageMisconfigured(
            f"There are no credentials for the storage service. Set {_CREDENTIALS}."
        ) from error
    except (BotoCoreError, OSError) as error:
        raise StorageUnavailable("The storage service cannot be reached. Try again.") from error


@contextmanager
def _readable() -> Iterator[None]:
    """Where botocore will not have the URL that a client is made from, or its bucket."""
    try:
        yield
    except (ParamValidationError, ValueError) as error:
        raise StorageMisconfigured(_UNREADABLE) from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))


def _is_final(error: ClientError) -> bool:
    """Whether a refusal is the service's answer: not that it is busy, nor that a person erred."""
    status = _status(error)
    mistaken = _code(error) in _WRONG and _code(error) != "AccessDenied"
    return not mistaken and status not in (408, 429) and (status < 500 or status == 501)


class Bucket:
    """`s3://BUCKET/prefix?endpoint=URL&region=R`; the credentials come by boto3's own ways."""

    def __init__(self, url: str, attempts: int) -> None:
        parts = urlsplit(url)
        asked = parse_qs(parts.query)
        self.name, prefix = parts.netloc, parts.path.strip("/")
        self.prefix = f"{prefix}/" if prefix else ""
        # Every part has its own digest: signing its bytes besides would digest them twice.
        with translated(), _readable():
            self.client: Any = boto3.client(
                "s3",
                endpoint_url=asked.get("endpoint", [None])[0],
                region_name=asked.get("region", ["us-east-1"])[0],
                config=Config(
                    signature_version="s3v4",
                    connect_timeout=5,
                    read_timeout=30,
                    max_pool_connections=64,
                    retries={"mode": "standard", "total_max_attempts": attempts},
                    s3={"addressing_style": "path", "payload_signing_enabled": False},
                ),
            )
        self._locks: bool | None = None

    def at(self, key: str) -> dict[str, str]:
        """Bucket and key, as every request of boto3 wants them."""
        return {"Bucket": self.name, "Key": self.prefix + key}

    @property
    def locks(self) -> bool:
        """Whether the bucket has Object Lock.

        Raises StorageUnavailable where the service does not say: nothing is filed unlocked because
        it was busy when it was asked.
        """
        if self._locks is None:
            try:
                with translated():
                    self.client.get_object_lock_configuration(Bucket=self.name)
                    self._locks = True
            except StorageUnavailable as error:
                cause = error.__cause__
                if not isinstance(cause, ClientError) or not _is_final(cause):
                    raise
                self._locks = False
        return self._locks

    def retain(self, key: str, version: str, mode: str, until: dt.datetime) -> None:
        """Lock an object until then; one that is locked for longer, or more firmly, stays so."""
        with translated():
            try:
                answer = self.client.get_object_retention(**self.at(key), **_at(version))
                held: dict[str, Any] = answer["Retention"]
            except ClientError as error:
                # Who may not ask may still lock: the service shortens nothing by itself.
                if _code(error) not in {*_UNLOCKED, "AccessDenied"}:
                    raise
                held = {}
            if held.get("RetainUntilDate", _NEVER) >= until:
                return
            firmest = "COMPLIANCE" if "COMPLIANCE" in (mode, held.get("Mode")) else mode
            self.client.put_object_retention(
                **self.at(key),
                **_at(version),
                Retention={"Mode": firmest, "RetainUntilDate": until},
            )

    def get(self, key: str) -> Kept | None:
        with translated():
            try:
                answer = self.client.get_object(**self.at(key))
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise
            now = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
            return Kept(answer["Body"].read(), answer["ETag"], _since(answer["LastModified"], now))

    def put_new(self, key: str, content: bytes, **members: Any) -> bool:
        """Put what stands nowhere yet; False where other content stands there.

        An answer that was lost on the way is found again: the same content is ours.
        """
        if self._put(key, content, IfNoneMatch="*", **members):
            return True
        kept = self.get(key)
        return kept is not None and kept.content == content

    def swap(self, key: str, content: bytes, etag: str, **members: Any) -> str | None:
        """Put `content` in place of what has `etag`; its ETag, or None where that has gone."""
        if answer := self._put(key, content, IfMatch=etag, **members):
            return str(answer["ETag"])
        kept = self.get(key)
        return kept.etag if kept is not None and kept.content == content else None

    def put(self, key: str, content: bytes) -> None:
        with translated():
            self.client.put_object(**self.at(key), Body=content)

    def _put(self, key: str, content: bytes, **members: Any) -> dict[str, Any] | None:
        with translated():
            try:
                answer: dict[str, Any] = self.client.put_object(
                    **self.at(key), Body=content, **members
                )
            except ClientError as error:
                # Of an object that is no longer there, no ETag matches.
                if _code(error) in _CONDITION | _ABSENT:
                    return None
                raise
            return answer

    def head(self, key: str, version: str = "") -> dict[str, Any] | None:
        with translated():
            try:
                answer: dict[str, Any] = self.client.head_object(**self.at(key), **_at(version))
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise
            return answer

    def pieces(self, key: str, version: str, at: int, end: int) -> Iterator[bytes]:
        """The bytes from `at` to `end` in pieces of at most 1 MiB; a broken download goes on."""
        attempts = 0
        while at < end:
            try:
                for piece in self._download(key, version, at, end):
                    yield piece
                    at, attempts = at + len(piece), 0
            except StorageUnavailable:
                attempts += 1
                if attempts >= _TAKEN_UP:
                    raise

    def _download(self, key: str, version: str, at: int, end: int) -> Iterator[bytes]:
        with translated():
            answer = self.client.get_object(
                **self.at(key), **_at(version), Range=f"bytes={at}-{end - 1}"
            )
            body = answer["Body"]
            try:
                while at < end:
                    piece = body.read(min(PIECE, end - at))
                    if not piece:
                        raise StorageUnavailable(
                            "The storage service sent fewer bytes than it has."
                        )
                    yield piece
                    at += len(piece)
            finally:
                body.close()

    def delete(self, key: str) -> None:
        with translated():
            self.client.delete_object(**self.at(key))

    def delete_all(self, prefix: str) -> None:
        """Everything below `prefix`, older versions too where the bucket keeps them."""
        with translated():
            pages = self.client.get_paginator("list_object_versions").paginate(
                Bucket=self.name, Prefix=self.prefix + prefix
            )
            for page in pages:
                for kept in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    version = kept.get("VersionId")
                    plain = version in (None, "", "null")
                    self.client.delete_object(
                        Bucket=self.name,
                        Key=kept["Key"],
                        **({} if plain else {"VersionId": version}),
                    )

    def names(self, prefix: str) -> Iterator[str]:
        """The keys below `prefix`, without it."""
        whole = self.prefix + prefix
        with translated():
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=whole
            )
            for page in pages:
                for found in page.get("Contents", ()):
                    yield found["Key"][len(whole) :]

    def answers(self) -> None:
        """Raise StorageUnavailable unless the bucket is there, and ours to read.

        Asked before anything is written: there are services that make a bucket of that.
        """
        with translated(), _readable():
            self.client.list_objects_v2(Bucket=self.name, Prefix=self.prefix, MaxKeys=1)

    def check(self) -> None:
        """Raise StorageUnavailable unless it writes, reads, and honours conditions."""
        self.answers()
        key = f"check/{os.urandom(8).hex()}"
        try:
            if not self.put_new(key, b"1") or self.put_new(key, b"2"):
                raise StorageUnavailable(_UNSAFE.format("If-None-Match"))
            kept = self.get(key)
            if kept is None or kept.content != b"1" or self.swap(key, b"3", '"0"') is not None:
                raise StorageUnavailable(_UNSAFE.format("If-Match"))
        finally:
            self.delete_all(key)


_UNSAFE = (
    "The storage service does not honour {} on writing, so that evidence could be overwritten. "
    "Use a newer version of it, or another."
)


def _at(version: str) -> dict[str, str]:
    return {"VersionId": version} if version else {}


def _since(modified: Any, now: str) -> float:
    return float((parsedate_to_datetime(now) - modified).total_seconds()) if now else 0.0
