"""What somebody must see to: decided here alone, shown on the workbench, counted in /metrics."""

from __future__ import annotations

import datetime as dt
import enum
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from evidence import clock
from evidence.custody.models import Lease
from evidence.custody.waiting import oldest_unsigned
from evidence.errors import StorageUnavailable
from evidence.storage.port import Room
from server import jobs
from server.extensions import db, settings, store
from server.vouchers import vouchers

# An event is signed within a second; a checkpoint this late has stopped coming.
LOG_LATE = dt.timedelta(minutes=1)
# The sequencer renews its lease every few seconds; another takes it over after ten.
WORKER_SILENT = dt.timedelta(minutes=1)
# Another body's server may be down for a restart.
VOUCHER_SILENT = dt.timedelta(minutes=30)


class AlarmKind(enum.StrEnum):
    DISK = "disk"
    WORKER_SILENT = "worker_silent"
    QUEUE = "queue"
    LOG_LATE = "log_late"
    LOG_REFUSED = "log_refused"
    WITNESS_SILENT = "witness_silent"
    AUTHORITY_SILENT = "authority_silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """`about` is the place or the other body's name; the rest is there where the kind has it."""

    kind: AlarmKind
    about: str = ""
    since: dt.datetime | None = None
    room: Room | None = None


def alarms() -> list[Alarm]:
    """All that there are now, the most urgent kind first."""
    return [*_disks(), *_worker(), *_queue(), *_log(), *_vouchers()]


def rooms() -> dict[str, Room]:
    """The room at each place that has an end, a file system once only; by the place's name."""
    usage = shutil.disk_usage(settings().data)
    device = settings().data.stat().st_dev
    found = {"data": Room(free=usage.free, total=usage.total, device=device)}
    try:
        room = store().room()
    except StorageUnavailable:
        room = None
    if room is not None and room.device != device:
        found["store"] = room
    return found


def log_delay() -> dt.timedelta:
    """How long the oldest event has waited for a signed checkpoint."""
    oldest = oldest_unsigned(db.session())
    return max(clock.now() - oldest, dt.timedelta()) if oldest else dt.timedelta()


def _disks() -> Iterator[Alarm]:
    for about, room in rooms().items():
        if room.free * 100 < settings().disk_alarm * room.total:
            yield Alarm(kind=AlarmKind.DISK, about=about, room=room)


def _worker() -> Iterator[Alarm]:
    lease = db.session.get(Lease, "sequencer")
    if lease is not None and clock.now() - lease.until > WORKER_SILENT:
        yield Alarm(kind=AlarmKind.WORKER_SILENT, since=lease.until)


def _queue() -> Iterator[Alarm]:
    if jobs.waiting() is None:
        yield Alarm(kind=AlarmKind.QUEUE)


def _log() -> Iterator[Alarm]:
    oldest = oldest_unsigned(db.session())
    if oldest is not None and clock.now() - oldest > LOG_LATE:
        yield Alarm(kind=AlarmKind.LOG_LATE, since=oldest)


def _vouchers() -> Iterator[Alarm]:
    for voucher in vouchers():
        stands = voucher.stands
        if stands is None:
            continue
        if stands.refused_at:
            yield Alarm(kind=AlarmKind.LOG_REFUSED, about=voucher.name, since=stands.refused_at)
        elif stands.silent_since and clock.now() - stands.silent_since > VOUCHER_SILENT:
            kind = AlarmKind.WITNESS_SILENT if voucher.witness else AlarmKind.AUTHORITY_SILENT
            yield Alarm(kind=kind, about=voucher.name, since=stands.silent_since)
