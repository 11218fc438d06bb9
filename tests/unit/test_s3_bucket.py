"""What a bucket is believed to have, by what the service answers when it is asked."""

from __future__ import annotations

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
