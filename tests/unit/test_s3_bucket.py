"""What a bucket is believed to have, by what the service answers when it is asked."""

from __future__ import annotations

import datetime as dt

import pytest
from botocore.stub import Stubber

from evidence.errors import StorageUnavailable
from evidence.storage.s3_bucket import Bucket


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    return Bucket("s3://evidence?endpoint=http://127.0.0.1:9", attempts=1)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InternalError", 500),
        ("SlowDown", 503),
        ("TooManyRequests", 429),
        ("NoSuchBucket", 404),
        ("SignatureDoesNotMatch", 403),
    ],
)
def test_a_service_that_does_not_say_whether_it_locks_is_asked_again(
    bucket: Bucket, code: str, status: int
) -> None:
    """Else every original that is filed until the next start would be without its lock."""
    with Stubber(bucket.client) as answers:
        answers.add_client_error("get_object_lock_configuration", code, "", status)
        with pytest.raises(StorageUnavailable):
            _ = bucket.locks
        answers.add_response(
            "get_object_lock_configuration",
            {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}},
        )
        assert bucket.locks
        assert bucket.locks  # not asked a third time
        answers.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ObjectLockConfigurationNotFoundError", 404),
        ("NotImplemented", 501),
        ("AccessDenied", 403),
    ],
)
def test_a_bucket_without_locks_is_asked_once(bucket: Bucket, code: str, status: int) -> None:
    with Stubber(bucket.client) as answers:
        answers.add_client_error("get_object_lock_configuration", code, "", status)
        assert not bucket.locks
        assert not bucket.locks


UNTIL = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
OBJECT = {"Bucket": "evidence", "Key": "data/1", "VersionId": "v"}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("NoSuchObjectLockConfiguration", 404),
        ("ObjectLockConfigurationNotFoundError", 404),
        ("AccessDenied", 403),
    ],
)
def test_what_is_not_locked_or_not_said_to_be_is_locked(
    bucket: Bucket, code: str, status: int
) -> None:
    with Stubber(bucket.client) as answers:
        answers.add_client_error("get_object_retention", code, "", status)
        lock = {"Mode": "GOVERNANCE", "RetainUntilDate": UNTIL}
        answers.add_response("put_object_retention", {}, {**OBJECT, "Retention": lock})
        bucket.retain("data/1", "v", "GOVERNANCE", UNTIL)
        answers.assert_no_pending_responses()


def test_a_lock_that_the_service_does_not_tell_of_is_left_as_it_is(bucket: Bucket) -> None:
    with Stubber(bucket.client) as answers:
        answers.add_client_error("get_object_retention", "SlowDown", "", 503)
        with pytest.raises(StorageUnavailable):
            bucket.retain("data/1", "v", "GOVERNANCE", UNTIL)
        answers.assert_no_pending_responses()
