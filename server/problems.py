"""Errors on the wire: RFC 9457 application/problem+json, or a page for a person.

The status of each error class stands here and nowhere else; a test holds the list against
evidence.errors. A 5xx carries no detail but an id that the log has too.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import nullcontext
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from flask import Flask, current_app, jsonify, redirect, render_template, request, url_for
from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from evidence import errors as e
from server import health
from server.extensions import db
from server.presentation import presenting

log = logging.getLogger(__name__)

STATUS: dict[type[e.EvidenceError], int] = {
    e.EvidenceError: 500,
    e.InvalidInput: 422,
    e.MalformedCaseNumber: 422,
    e.MalformedUploadMetadata: 400,
    e.CertificateNotValid: 422,
    e.ExplanationNeeded: 422,
    e.TooFewOfficers: 422,
    e.NaiveTime: 422,
    e.CertificateDays: 422,
    e.HandsOver: 422,
    e.PasswordLength: 422,
    e.NotAuthenticated: 401,
    e.LoginFailed: 401,
    e.LoginRefused: 429,
    e.AccessDenied: 403,
    e.InspectionSeparatedFromPenalty: 403,
    e.NotFound: 404,
    e.CaseNotFound: 404,
    e.UploadGone: 410,
    e.Conflict: 409,
    e.ChangedMeanwhile: 409,
    e.NameTaken: 409,
    e.AdministratorNeeded: 409,
    e.CaseArchived: 409,
    e.ExhibitQuarantined: 409,
    e.IdentifierReused: 409,
    e.AlreadyCheckedOut: 409,
    e.NotCheckedOut: 409,
    e.CheckoutOverlaps: 409,
    e.OffsetMismatch: 409,
    e.UploadLeased: 409,
    e.UploadComplete: 409,
    e.UploadSealed: 403,
    e.ChecksumMismatch: 460,
    e.UnsupportedChecksum: 400,
    e.UploadTooLarge: 413,
    e.LengthExceeded: 400,
    e.StorageError: 500,
    e.StorageUnavailable: 503,
    e.StorageMisconfigured: 503,
    e.StorageFull: 507,
    e.DatabaseUnavailable: 503,
    e.WroteAtOnce: 503,
    e.OriginalMissing: 500,
    e.FixityMismatch: 500,
    e.CustodyError: 500,
    e.EventInvalid: 422,
    e.LogForked: 500,
    e.LogNotReady: 503,
    e.LogUnknown: 404,
    e.CheckpointConflict: 409,
    e.TimestampInvalid: 422,
    e.ProofBroken: 422,
    e.NoteMalformed: 422,
    e.SignatureInvalid: 422,
    e.CertificateNotMade: 500,
    e.DossierNotReady: 409,
    e.MediaUnreadable: 422,
    e.MediaToolFailed: 500,
    e.MediaToolOverran: 500,
}

_TRY_AGAIN = frozenset(
    {
        "storage_unavailable",
        "storage_misconfigured",
        "log_not_ready",
        "database_unavailable",
        "wrote_at_once",
    }
)
_SPOKEN_5XX = _TRY_AGAIN | {"storage_full"}


def problem(status: int, code: str, title: str, **members: Any) -> Response:
    """A problem document. `type` is a relative URN: the code is what clients should test."""
    body = {
        "type": f"urn:zhenglian:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        **members,
    }
    response = jsonify(body)
    response.status_code = status
    response.content_type = "application/problem+json"
    return response


def speaks_json() -> bool:
    """Whether the one who asks is a program: everything but the console's pages."""
    return request.path.startswith(("/api/", "/log/", "/healthz", "/readyz", "/metrics"))


def respond(status: int, code: str, title: str, **members: Any) -> Response:
    """The error for whoever asked: a problem document, or a page."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and code not in _SPOKEN_5XX:
        incident = uuid4().hex[:12]
        log.error("incident %s: %s %s", incident, code, request.path, exc_info=True)
        # Programs are told in English, as everything else is that the API says.
        with force_locale("en") if speaks_json() else nullcontext():
            title = _(
                "Something went wrong here. Tell your administrator this number: %(n)s", n=incident
            )
        code, members = "internal_error", {"incident": incident}
    if speaks_json():
        return problem(status, code, title, **members)
    sentence = presenting.problem_words(code, title)
    page = render_template("problem.html", status=status, code=code, sentence=sentence)
    return current_app.make_response((page, status))


def from_evidence(error: e.EvidenceError) -> Response:
    if isinstance(error, e.NotAuthenticated) and not speaks_json() and request.method == "GET":
        return redirect(url_for("login.form", next=request.full_path.rstrip("?")))
    facts = {k: v for k, v in error.facts.items() if isinstance(v, str | int | list | None)}
    db.session.rollback()
    response = respond(STATUS[type(error)], error.code, str(error), **facts)
    if error.code in _TRY_AGAIN:
        response.headers["Retry-After"] = "2"
    if isinstance(error, e.LoginRefused):
        response.headers["Retry-After"] = str(error.facts["seconds"])
    if isinstance(error, e.NotAuthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def from_http(error: HTTPException) -> Response:
    status = error.code or 500
    data: dict[str, Any] = getattr(error, "data", None) or {}
    members: dict[str, Any] = {}
    messages = data.get("messages") or data.get("errors")
    if messages:
        members["errors"] = messages
    code = {
        400: "bad_request",
        401: "not_authenticated",
        403: "access_denied",
        404: "not_found",
        405: "method_not_allowed",
        413: "upload_too_large",
        422: "invalid_input",
        429: "too_many_requests",
    }.get(status, f"http_{status}")
    title = data.get("message") or error.description or error.name
    if messages:
        title = e.InvalidInput.__doc__ or title
    response = respond(status, code, title, **members)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    for name, value in (data.get("headers") or {}).items():
        response.headers[name] = value
    return response


_NO_ROOM = "The disk of the database is full. Free space there, then send it again."
# PostgreSQL's words (SQLSTATE) for two who were in each other's way: unique_violation,
# serialization_failure, deadlock_detected, lock_not_available.
_AT_ONCE = frozenset({"23505", "40001", "40P01", "55P03"})
# And where it takes nothing: read_only_sql_transaction (a standby), and insufficient_privilege,
# which it also says of a file system that has become read-only.
_READ_ONLY = frozenset({"25006", "42501"})


def from_database(error: DBAPIError) -> Response:
    """What the database refused, or that it is away. Whoever asks again finds it as it was."""
    refusal = getattr(error.orig, "sqlstate", None)
    if isinstance(error, DataError):
        # A text with a NUL, which PostgreSQL does not take.
        return from_evidence(e.InvalidInput("A text holds a character that cannot be kept."))
    if refusal in _AT_ONCE:
        log.warning("two wrote at once: %s", request.path, exc_info=True)
        return from_evidence(e.WroteAtOnce())
    if refusal == "53100" or getattr(error.orig, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
        log.error("the database has no room: %s", request.path, exc_info=True)
        health.had_no_room()
        return from_evidence(e.StorageFull(_NO_ROOM))
    away = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    if away or refusal in _READ_ONLY:
        log.error("the database refused: %s", request.path, exc_info=True)
        return from_evidence(e.DatabaseUnavailable())
    return from_anything(error)


def from_pool(error: PoolTimeout) -> Response:
    """Every connection was taken for too long."""
    log.error("no connection to the database was free: %s", request.path)
    return from_evidence(e.DatabaseUnavailable())


def from_depth(error: RecursionError) -> Response:
    """JSON of which each bracket opens in another, until Python's reader gives up."""
    if not request.is_json:
        return from_anything(error)
    log.warning("nested too deeply: %s", request.path, exc_info=True)
    return from_evidence(e.InvalidInput("What was sent is nested too deeply."))


def from_anything(error: Exception) -> Response:
    db.session.rollback()
    return respond(500, "internal_error", "")


def init(app: Flask) -> None:
    app.register_error_handler(e.EvidenceError, from_evidence)
    app.register_error_handler(HTTPException, from_http)
    app.register_error_handler(DBAPIError, from_database)
    app.register_error_handler(PoolTimeout, from_pool)
    app.register_error_handler(RecursionError, from_depth)
    app.register_error_handler(Exception, from_anything)
