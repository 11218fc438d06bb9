"""The routes that flask-smorest does not see, in the API's description: tus, the log, health.

tus speaks in headers and streams, the log in C2SP's own text: neither has a JSON schema to be
generated from, except what an upload looks like when it is asked about.
"""

from __future__ import annotations

from typing import Any

from flask import Flask

from schemas.uploads import UploadResponse
from server.openapi import Api

_METADATA = (
    "pairs of a key and base64: filename, filetype, recorder, recorded_at (RFC 3339), "
    "sha256 (hex), case, event_id (UUID; the same again is the same upload)"
)
_PROBLEMS: dict[str, Any] = {
    "default": {
        "description": "a problem with a permanent code",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
}


_PUBLIC = {
    "/log/checkpoint": ("log", "The signed head of the custody log (C2SP tlog-checkpoint)."),
    "/log/checkpoint/cosigned": ("log", "The newest head that a witness has cosigned."),
    "/log/tile/<path:path>": ("log", "Tiles and entry bundles (C2SP tlog-tiles)."),
    "/log/key": ("log", "The verifier key of the log (C2SP signed-note)."),
    "/healthz": ("health", "Whether this process answers."),
    "/readyz": ("health", "Whether everything is ready; 503 says in words what is not."),
    "/metrics": ("health", "Figures for Prometheus."),
}


def _header(name: str, words: str, *, required: bool = False) -> dict[str, Any]:
    return {
        "in": "header",
        "name": name,
        "description": words,
        "required": required,
        "schema": {"type": "string"},
    }


def _operation(
    tag: str, summary: str, answers: dict[str, str], *parameters: dict[str, Any], **more: Any
) -> dict[str, Any]:
    responses = {status: {"description": words} for status, words in answers.items()}
    told = {"tags": [tag], "summary": summary, "responses": {**responses, **_PROBLEMS}, **more}
    return {**told, "parameters": list(parameters)} if parameters else told


_BYTES_IN = {"content": {"application/offset+octet-stream": {"schema": {"type": "string"}}}}
_VERSION = _header("Tus-Resumable", "1.0.0", required=True)
_CHECKSUM = _header("Upload-Checksum", "sha1 or sha256, a space, base64")


def describe(app: Flask, api: Api) -> None:
    """Add these routes of `app` to the description that `api` serves."""
    rules = {rule.rule: rule for rule in app.url_map.iter_rules()}
    api.spec.components.schema("Upload", schema=UploadResponse)
    api.spec.path(rule=rules["/api/v1/uploads"], operations=_of_uploads())
    api.spec.path(rule=rules["/api/v1/uploads/<uuid:upload_id>"], operations=_of_an_upload())
    for path, (tag, summary) in _PUBLIC.items():
        operation = _operation(tag, summary, {"200": "as text or bytes"}, security=[])
        api.spec.path(rule=rules[path], operations={"get": operation})


def _of_uploads() -> dict[str, Any]:
    return {
        "options": _operation(
            "upload", "What this server offers (tus 1.0.0).", {"204": "in headers"}, security=[]
        ),
        "get": _operation(
            "upload",
            "Whether you have brought bytes of this SHA-256 yourself that were sealed.",
            {"200": "sealed, and if so where"},
            {"in": "query", "name": "sha256", "required": True, "schema": {"type": "string"}},
        ),
        "post": _operation(
            "upload",
            "Create an upload, with its first bytes where they come along.",
            {"201": "its address in Location", "413": "too large", "507": "no room for it"},
            _VERSION,
            _header("Upload-Length", "bytes"),
            _header("Upload-Defer-Length", "1 where the length is not known yet"),
            _header("Upload-Metadata", _METADATA),
            _header("Upload-Concat", "partial, or final; and the addresses of the parts"),
            _CHECKSUM,
            requestBody=_BYTES_IN,
        ),
    }


def _of_an_upload() -> dict[str, Any]:
    get = _operation(
        "upload",
        "Where it stands. `Prefer: wait=N` waits up to N seconds (30) for the sealing.",
        {},
        _header("Prefer", "wait=20"),
    )
    get["responses"]["200"] = {
        "description": "its state, its exhibit and the signed receipt",
        "content": {"application/json": {"schema": UploadResponse}},
    }
    taken_in = {
        "204": "the new Upload-Offset",
        "409": "another offset, or another writer",
        "410": "it has expired",
        "460": "the checksum differs: the offset stays",
    }
    return {
        "head": _operation("upload", "Where to go on.", {"200": "Upload-Offset"}, _VERSION),
        "patch": _operation(
            "upload",
            "Take in bytes at the offset; answered when they are durable.",
            taken_in,
            _VERSION,
            _header("Upload-Offset", "bytes", required=True),
            _CHECKSUM,
            requestBody=_BYTES_IN,
        ),
        "get": get,
        "delete": _operation(
            "upload",
            "Give an upload up.",
            {"204": "it is gone", "403": "it is sealed, and stays"},
            _VERSION,
        ),
    }
