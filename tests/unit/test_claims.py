"""What a source claims: kept, read as far as it can be, flagged where it is doubtful."""

from __future__ import annotations

import datetime as dt

import pytest

from evidence.exhibits import claims
from evidence.exhibits.flags import Flag

RECEIVED = dt.datetime(2023, 9, 15, 9, 0, tzinfo=dt.UTC)
NAMED = "ZFY_HD012@430424017_20230915_160005_0003.mp4"  # 08:00:05 UTC


def read(
    recorded_at: str = "",
    filename: str = NAMED,
    recorder: str = "",
    received: dt.datetime = RECEIVED,
) -> claims.Reading:
    return claims.read(
        filename=filename,
        recorder_claim=recorder,
        recorded_at_claim=recorded_at,
        received_at=received,
    )


@pytest.mark.parametrize(
    "claim", ["2023-09-15T16:30:00+08:00", "2023-09-15T08:30:00Z", " 2023-09-15 08:30:00+00:00 "]
)
def test_a_time_with_its_offset_is_taken_as_it_stands(claim: str) -> None:
    reading = read(claim)
    assert reading.recorded_at == dt.datetime(2023, 9, 15, 8, 30, tzinfo=dt.UTC)
    assert reading.flags == frozenset()


def test_a_naive_time_is_the_countrys_and_flagged() -> None:
    reading = read("2023-09-15T16:30:00")
    assert reading.recorded_at == dt.datetime(2023, 9, 15, 8, 30, tzinfo=dt.UTC)
    assert reading.flags == {Flag.TIME_NAIVE}


def test_a_clock_ahead_of_ours_is_suspect_beyond_three_seconds() -> None:
    assert Flag.CLOCK_SUSPECT not in read("2023-09-15T09:00:03Z").flags
    late = read("2023-09-15T11:00:00Z")
    assert Flag.CLOCK_SUSPECT in late.flags
    assert late.recorded_at == dt.datetime(2023, 9, 15, 11, 0, tzinfo=dt.UTC)


def test_a_recording_is_late_after_a_day() -> None:
    assert Flag.LATE_UPLOAD not in read("2023-09-14T09:00:00Z").flags
    assert Flag.LATE_UPLOAD in read("2023-09-14T08:59:59Z").flags


@pytest.mark.parametrize(
    "claim",
    ["yesterday", "2023-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
     "1969-12-31T23:59:59Z", "=NOW()", "2023-09-15T25:00:00Z"],
)  # fmt: skip
def test_a_time_that_cannot_be_read_is_flagged_and_the_name_is_asked(claim: str) -> None:
    assert Flag.TIME_UNREADABLE in read(claim).flags
    assert read(claim).recorded_at == dt.datetime(2023, 9, 15, 8, 0, 5, tzinfo=dt.UTC)
    assert read(claim, filename="a.mp4").recorded_at is None


def test_without_any_time_there_is_none() -> None:
    reading = read(filename="a.mp4")
    assert reading.recorded_at is None
    assert reading.flags == {Flag.TIME_MISSING, Flag.NAME_UNPARSED}


def test_a_name_with_a_year_beyond_the_calendar_says_nothing() -> None:
    reading = read(filename="ZFY_HD012@430424017_99991231_235959_0003.mp4")
    assert reading.recorded_at is None
    assert Flag.TIME_UNREADABLE in reading.flags


def test_the_recorder_that_is_claimed_goes_before_the_one_in_the_name() -> None:
    assert read().recorder == "HD012"
    assert read(recorder=" HD-040 ").recorder == "HD-040"
    assert read(filename="a.mp4").recorder == ""
