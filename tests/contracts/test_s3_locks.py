"""Object Lock: what is filed is locked, and locked anew for as long as it is in the register."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from evidence import clock
from evidence.storage.s3 import Lock, S3Store
from tests import s3_service
from tests.contracts.stores import sha256, staged

pytestmark = pytest.mark.grown_up
CONTENT = b"evidence" * 1000
DAY = dt.timedelta(days=1)
Locked = list[tuple[str, int]]


@pytest.fixture
def place() -> str:
    return s3_service.new_locked_bucket()


def filed(store: S3Store) -> str:
    upload_id = staged(store, CONTENT)
    store.file(upload_id, store.read_back(upload_id))
    store.remove(upload_id)
    return sha256(CONTENT)


def kept(store: S3Store) -> list[dict[str, str]]:
    """The data and its pointer, each by its version, as the service has them."""
    bucket = store.bucket
    folders = ("data/", "originals/", "quarantine/")
    keys = [below + name for below in folders for name in bucket.names(below)]
    assert len(keys) == 2
    heads = [(key, bucket.head(key)) for key in keys]
    return [{**bucket.at(key), "VersionId": head["VersionId"]} for key, head in heads if head]


def retention(store: S3Store) -> list[dict[str, Any]]:
    return [store.bucket.client.get_object_retention(**one)["Retention"] for one in kept(store)]


def locks(store: S3Store) -> Locked:
    """Mode and days from now of both."""
    now = dt.datetime.now(dt.UTC)
    return [(r["Mode"], round((r["RetainUntilDate"] - now) / DAY)) for r in retention(store)]


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_what_is_filed_is_locked_as_long_and_as_firmly_as_was_asked(
    place: str, tmp_path: Path, mode: Any
) -> None:
    store = S3Store(place, tmp_path, lock=Lock(180, mode))
    filed(store)
    assert locks(store) == [(mode, 180)] * 2
    for one in kept(store):
        with pytest.raises(ClientError, match="AccessDenied"):
            store.bucket.client.delete_object(**one)


def test_what_is_read_again_later_is_locked_from_then_on(place: str, tmp_path: Path) -> None:
    store = S3Store(place, tmp_path, lock=Lock(180))
    digest = filed(store)
    with clock.replaced_by(lambda: dt.datetime.now(dt.UTC) + 90 * DAY):
        store.lock_again(digest)
    assert locks(store) == [("GOVERNANCE", 270)] * 2


def test_so_is_what_was_set_aside(place: str, tmp_path: Path) -> None:
    store = S3Store(place, tmp_path, lock=Lock(180))
    store.set_aside(filed(store), exhibit_id := uuid4())
    with clock.replaced_by(lambda: dt.datetime.now(dt.UTC) + 90 * DAY):
        store.lock_quarantined(exhibit_id)
    assert locks(store) == [("GOVERNANCE", 270)] * 2


def test_a_lock_is_never_shortened_nor_made_less_firm(place: str, tmp_path: Path) -> None:
    longer = S3Store(place, tmp_path, lock=Lock(400, "COMPLIANCE"))
    digest = filed(longer)
    S3Store(place, tmp_path, lock=Lock(180, "COMPLIANCE")).lock_again(digest)
    assert locks(longer) == [("COMPLIANCE", 400)] * 2
    S3Store(place, tmp_path, lock=Lock(500, "GOVERNANCE")).lock_again(digest)
    assert locks(longer) == [("COMPLIANCE", 500)] * 2


def test_what_was_filed_without_a_lock_gets_one_when_it_is_read_again(
    place: str, tmp_path: Path
) -> None:
    digest = filed(S3Store(place, tmp_path))
    store = S3Store(place, tmp_path, lock=Lock(180))
    store.lock_again(digest)
    assert locks(store) == [("GOVERNANCE", 180)] * 2


def test_a_bucket_without_locks_is_left_without(tmp_path: Path) -> None:
    store = S3Store(s3_service.new_place(), tmp_path, lock=Lock(180))
    digest = filed(store)
    store.lock_again(digest)
    assert b"".join(store.read(digest)) == CONTENT
