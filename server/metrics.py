"""Figures for Prometheus."""

from __future__ import annotations

import time
from collections import Counter as Counted

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy import func, select

from evidence import clock
from evidence.custody.models import Correspondence, CustodyEvent, LogHead
from evidence.exhibits.models import Exhibit, ExhibitState, Fixity
from evidence.uploads.models import Upload, UploadState
from server import alarms, jobs, mirroring, moving, troubles
from server.alarms import AlarmKind
from server.extensions import db, log_origin, settings

REGISTRY = CollectorRegistry()
_requests = Counter(
    "zhenglian_requests", "Requests answered", ("route", "method", "status"), registry=REGISTRY
)
_seconds = Histogram("zhenglian_request_seconds", "Time to answer", ("route",), registry=REGISTRY)
_uploads = Gauge("zhenglian_uploads", "Uploads by state", ("state",), registry=REGISTRY)
_unsequenced = Gauge(
    "zhenglian_events_unsequenced", "Events not in a checkpoint yet", registry=REGISTRY
)
_size = Gauge("zhenglian_log_size", "Leaves under the signed checkpoint", registry=REGISTRY)
_queued = Gauge("zhenglian_jobs_queued", "Jobs that wait for the worker", registry=REGISTRY)
_failing = Gauge(
    "zhenglian_jobs_failing", "Jobs that failed and are tried again", registry=REGISTRY
)
_free = Gauge("zhenglian_room_free_bytes", "Room left on a disk", ("place",), registry=REGISTRY)
_total = Gauge("zhenglian_room_bytes", "Size of a disk", ("place",), registry=REGISTRY)
_awaited = Gauge(
    "zhenglian_uploads_awaited_bytes", "Declared sizes of the uploads under way", registry=REGISTRY
)
_delay = Gauge(
    "zhenglian_log_delay_seconds",
    "How long the oldest event has waited for a signed checkpoint",
    registry=REGISTRY,
)
_oldest = Gauge(
    "zhenglian_fixity_oldest_seconds",
    "Since when the original read longest ago was not read again",
    registry=REGISTRY,
)
_alarms = Gauge("zhenglian_alarms", "Alarms that stand", ("kind",), registry=REGISTRY)
_fixity = Gauge("zhenglian_originals", "Originals by fixity", ("fixity",), registry=REGISTRY)
_pending = Gauge(
    "zhenglian_store_pending",
    "What was in the former store alone when scripts/move-store counted it last",
    ("kind",),
    registry=REGISTRY,
)
_silent = Gauge(
    "zhenglian_vouching_silent_seconds",
    "Since when a witness or time-stamping authority has not answered",
    ("name",),
    registry=REGISTRY,
)
_refused = Gauge(
    "zhenglian_log_refused", "Whether a witness contradicts the log", ("name",), registry=REGISTRY
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def refresh() -> None:
    """Read the gauges that are counted in the database or the store."""
    counted = dict(
        db.session.execute(select(Upload.state, func.count()).group_by(Upload.state)).all()
    )
    for state in UploadState:
        _uploads.labels(state.value).set(counted.get(state, 0))
    awaited = select(func.sum(Upload.length)).where(Upload.state == UploadState.RECEIVING)
    _awaited.set(db.session.scalar(awaited) or 0)
    _unsequenced.set(
        db.session.scalar(
            select(func.count()).select_from(CustodyEvent).where(CustodyEvent.leaf_index.is_(None))
        )
        or 0
    )
    head = db.session.get(LogHead, log_origin())
    _size.set(head.size if head else 0)
    waiting = jobs.waiting()
    _queued.set(float("nan") if waiting is None else waiting)
    _failing.set(troubles.count(db.session()))
    for fixity in (Fixity.ALTERED, Fixity.UNREADABLE):
        found = select(func.count()).where(Exhibit.fixity == fixity)
        _fixity.labels(fixity.value).set(db.session.scalar(found) or 0)
    longest = db.session.scalar(
        select(func.min(Exhibit.last_read_at)).where(Exhibit.state == ExhibitState.SEALED)
    )
    _oldest.set((clock.now() - longest).total_seconds() if longest else 0)
    for stands in db.session.scalars(select(Correspondence)):
        name = stands.name.partition("+")[0]
        since = stands.silent_since
        _silent.labels(name).set((clock.now() - since).total_seconds() if since else 0)
        _refused.labels(name).set(bool(stands.refused_at))
    for place, room in alarms.rooms().items():
        _free.labels(place).set(room.free)
        _total.labels(place).set(room.total)
    _pending.clear()
    if settings().store_old_url:
        counted = moving.last(settings())
        for kind in mirroring.PENDING:
            left = counted.pending.get(kind) if counted else None
            _pending.labels(kind).set(float("nan") if left is None else left)
    _delay.set(alarms.log_delay().total_seconds())
    standing = Counted(alarm.kind for alarm in alarms.alarms())
    for kind in AlarmKind:
        _alarms.labels(kind.value).set(standing[kind])


def _begin() -> None:
    g.began = time.perf_counter()


def _count(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "(none)"
    # Whatever word a stranger sends as a method, it makes no series of its own.
    method = request.method if request.method in _METHODS else "(other)"
    _requests.labels(route, method, response.status_code).inc()
    if "began" in g:
        _seconds.labels(route).observe(time.perf_counter() - g.began)
    return response


def init(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_count)
