"""Alive, ready and how it is doing: for the operator, the load balancer and Prometheus."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from flask.testing import FlaskClient

from tests.live import LiveServer


def test_alive_asks_for_nothing(client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "alive"})


def test_a_running_server_is_ready_in_every_item(live_server: LiveServer) -> None:
    with urllib.request.urlopen(f"{live_server.url}/readyz") as answer:
        items = json.load(answer)["items"]
    assert set(items) == {"database", "storage", "worker", "custody_log"}
    assert set(items.values()) == {"ready"}
