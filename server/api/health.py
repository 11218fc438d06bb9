"""Is it alive, is it ready, and how is it doing."""

from __future__ import annotations

import ipaddress

from flask import Blueprint, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from evidence.errors import EvidenceError
from evidence.people.access import Act, require
from server import health, metrics
from server.accounts.current import current_actor

blp = Blueprint("health", __name__)


@blp.get("/healthz")
def alive() -> Response:
    return jsonify({"status": "alive"})


@blp.get("/readyz")
def ready() -> tuple[Response, int]:
    """200 when every item is ready; otherwise 503, and words for each that isn't."""
    items = {name: _asked(check) for name, check in health.CHECKS.items()}
    unready = {name: words for name, words in items.items() if words}
    status = {name: words or "ready" for name, words in items.items()}
    return jsonify({"ready": not unready, "items": status}), 503 if unready else 200


def _asked(check: health.Check) -> str:
    try:
        return check()
    except EvidenceError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  (whatever it is, it is not ready)
        return f"cannot be asked: {type(error).__name__}"


@blp.get("/metrics")
def figures() -> Response:
    """For Prometheus: from this machine itself, or with an administrator's token."""
    if not _is_this_machine():
        require(current_actor(), Act.ACCOUNT_MANAGE)
    metrics.refresh()
    return Response(generate_latest(metrics.REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _is_this_machine() -> bool:
    """Loopback, and not a proxy on loopback that speaks for somebody else."""
    forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback and not forwarded
    except ValueError:
        return False
