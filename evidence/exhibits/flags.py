"""The doubts that an exhibit may be marked with."""

from __future__ import annotations

import enum


class Flag(enum.StrEnum):
    """What a person should know about a claim; nothing is rewritten because of it."""

    NAME_UNPARSED = "name_unparsed"  # the file name follows no known recorder's pattern
    NAME_SUSPECT = "name_suspect"  # path parts, control or direction marks, over-long
    NAME_COLLISION = "name_collision"  # same recorder and name, other bytes
    TIME_MISSING = "time_missing"
    TIME_NAIVE = "time_naive"  # no offset given: taken as Asia/Shanghai
    TIME_UNREADABLE = "time_unreadable"
    CLOCK_SUSPECT = "clock_suspect"  # the device says later than we received it
    LATE_UPLOAD = "late_upload"  # more than 24 hours after recording
    RECORDER_UNKNOWN = "recorder_unknown"
    WEARER_UNKNOWN = "wearer_unknown"  # no check-out covers the recording time
    CONTENT_MISMATCH = "content_mismatch"  # not what its name or type says
    DIGEST_UNCLAIMED = "digest_unclaimed"  # the source sent no digest of its own
    CLAIMS_DIFFER = "claims_differ"  # same bytes again, other recorder or time
    SENT_FROM_ELSEWHERE = "sent_from_elsewhere"  # by an officer who is not of the exhibit's unit
    CASE_UNKNOWN = "case_unknown"  # the case named at the source was not found, or not linkable


# What a recorder that is entered later may settle; every other doubt stays.
SETTLED = frozenset({Flag.RECORDER_UNKNOWN.value, Flag.WEARER_UNKNOWN.value})
