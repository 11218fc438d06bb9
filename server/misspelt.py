"""Variables that look like settings and are none: most likely a name that was typed wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

_OURS = "ZHENGLIAN_"
# What the tests and the measurements tell each other.
_NOT_SETTINGS = (f"{_OURS}TEST_", f"{_OURS}BENCHPORT_")
KNOWN = (
    "ZHENGLIAN_ACCEL",
    "ZHENGLIAN_BUREAU",
    "ZHENGLIAN_DATA",
    "ZHENGLIAN_DATABASE_URL",
    "ZHENGLIAN_DEMO_PASSWORD",
    "ZHENGLIAN_DISK_ALARM",
    "ZHENGLIAN_FIXITY_DAYS",
    "ZHENGLIAN_FIXITY_RATE",
    "ZHENGLIAN_LOG_ORIGIN",
    "ZHENGLIAN_MAX_UPLOAD",
    "ZHENGLIAN_PROXIES",
    "ZHENGLIAN_PUBLIC_URL",
    "ZHENGLIAN_QUEUE_URL",
    "ZHENGLIAN_SECRET_KEY_FILE",
    "ZHENGLIAN_SIGNED_URLS",
    "ZHENGLIAN_SM3",
    "ZHENGLIAN_STORE_LOCK_DAYS",
    "ZHENGLIAN_STORE_LOCK_MODE",
    "ZHENGLIAN_STORE_OLD_URL",
    "ZHENGLIAN_STORE_URL",
    "ZHENGLIAN_TIMESTAMPS",
    "ZHENGLIAN_TIMESTAMP_MINUTES",
    "ZHENGLIAN_WITNESSES",
)


def warnings(environ: Mapping[str, str]) -> Iterator[str]:
    """A line for each, with the nearest name that there is. Its value may be a secret."""
    for name in sorted(environ):
        if not name.startswith(_OURS) or name in KNOWN or name.startswith(_NOT_SETTINGS):
            continue
        nearest = difflib.get_close_matches(name, KNOWN, n=1, cutoff=0.8)
        meant = f" Is {nearest[0]} meant?" if nearest else ""
        yield f"{name} is no setting, and is ignored.{meant}"
