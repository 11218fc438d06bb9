"""Figures for Prometheus."""

from __future__ import annotations

import time

from flask import Flask, Response, current_app, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy import func, select

from evidence import clock
from evidence.custody.models import Correspondence, CustodyEvent, LogHead
from evidence.exhibits import fixity
from evidence.uploads.models import Upload, UploadState
from server import troubles
from server.extensions import db, log_origin, store
from server.jobs import queue_of

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
_free = Gauge("zhenglian_store_free_bytes", "Room left in the store", registry=REGISTRY)
_fixity = Gauge("zhenglian_originals", "Originals by fixity", ("fixity",), registry=REGISTRY)
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
    _unsequenced.set(
        db.session.scalar(
            select(func.count()).select_from(CustodyEvent).where(CustodyEvent.leaf_index.is_(None))
        )
        or 0
    )
    head = db.session.get(LogHead, log_origin())
    _size.set(head.size if head else 0)
    _queued.set(queue_of(current_app).pending_count())
    _failing.set(troubles.count(db.session()))
    for state, count in fixity.counts(db.session()).items():
        _fixity.labels(state.value).set(count)
    for stands in db.session.scalars(select(Correspondence)):
        name = stands.name.partition("+")[0]
        since = stands.silent_since
        _silent.labels(name).set((clock.now() - since).total_seconds() if since else 0)
        _refused.labels(name).set(bool(stands.refused_at))
    free = store().free_bytes()
    if free is not None:
        _free.set(free)


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
