"""Where no disk can be mounted, the tests that need one say why, and fail where they count."""

from __future__ import annotations

import pytest

from tests.faults.mounting import MUST, CannotMount, no_disk


def test_whoever_can_mount_nothing_is_told_why_a_test_is_left_out() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"no disk can be mounted here.*not permitted"):
        no_disk(CannotMount("unshare: Operation not permitted"), {})


def test_where_every_test_counts_a_disk_that_cannot_be_mounted_is_a_failure() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"no disk can be mounted here.*not permitted"):
        no_disk(CannotMount("unshare: Operation not permitted"), {MUST: "1"})
