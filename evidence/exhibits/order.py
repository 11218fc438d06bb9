"""The order of exhibits in every list: newest received first, then by label.

`position` is milliseconds since 1970 of received_at, then 20 bits of the label's number: a signed
64-bit integer until the year 2248. Labels are numbered within a year, so two exhibits received in
one millisecond differ in those bits.
"""

from __future__ import annotations

import datetime as dt
import re

_BITS = 20
_MASK = (1 << _BITS) - 1
_MOST = (1 << (63 - _BITS)) - 1
_NUMBER = re.compile(r"(\d+)$", re.ASCII)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)


def first_position(at: dt.datetime) -> int:
    """The least position of whatever was received in the millisecond of `at`, or later.

    Of times that no position can say, the last or the first that one can.
    """
    milliseconds = (at - _EPOCH) // _MILLISECOND
    return min(max(milliseconds, -_MOST - 1), _MOST) << _BITS


def last_position(at: dt.datetime) -> int:
    """The greatest position of whatever was received in the millisecond of `at`, or before."""
    return first_position(at) | _MASK


def position_of(received_at: dt.datetime, label: str) -> int:
    """The place of the exhibit `label`, such as E2023-000451, received at that aware time."""
    number = _NUMBER.search(label)
    return first_position(received_at) | (int(number[1]) & _MASK if number else 0)
