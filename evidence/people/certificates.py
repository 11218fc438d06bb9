"""Who held a valid enforcement certificate (执法证) on a day, counted in the bureau's own time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from evidence.clock import SHANGHAI
from evidence.errors import CertificateNotValid
from evidence.people.models import Certificate, Officer


def day_of(at: dt.datetime) -> dt.date:
    """The calendar day of an aware time in Asia/Shanghai."""
    return at.astimezone(SHANGHAI).date()


def certificate_on(officer: Officer, day: dt.date) -> Certificate | None:
    """The certificate that covers `day`, both its ends included; the one valid longest."""
    valid = [c for c in officer.certificates if c.valid_from <= day <= c.valid_to]
    return max(valid, key=lambda c: c.valid_to, default=None)


def require_certificates(officers: Sequence[Officer], days: Sequence[dt.date]) -> list[str]:
    """The certificate number of each officer. Raises CertificateNotValid, naming who and when."""
    numbers = []
    for officer in officers:
        for day in days:
            held = certificate_on(officer, day)
            if held is None:
                raise CertificateNotValid(
                    f"{officer.name} ({officer.badge}) held no valid certificate on "
                    f"{day.isoformat()}.",
                    officer=officer.name,
                    badge=officer.badge,
                    day=day.isoformat(),
                )
        first = certificate_on(officer, days[0])
        numbers.append(first.number if first else "")
    return numbers
