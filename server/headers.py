"""What every response says to a browser: load nothing from elsewhere, run nothing inline."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from flask import Flask, Response, request

from server.extensions import settings

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # Tabler's stylesheet draws its form arrows and ticks as data: pictures.
        "img-src 'self' data:",
        "font-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "X-Frame-Options": "DENY",
}


def _policy() -> str:
    """What a page may load; from the storage service too, where that hands bytes out itself."""
    chosen = settings()
    if not chosen.signed_urls:
        return CONTENT_SECURITY_POLICY
    endpoint = parse_qs(urlsplit(chosen.store_url).query).get("endpoint", ["https:"])[0]
    return CONTENT_SECURITY_POLICY.replace("media-src 'self'", f"media-src 'self' {endpoint}")


def _harden(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", _policy())
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if request.endpoint != "static":
        # What one officer was shown stays in no shared cache.
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def init(app: Flask) -> None:
    app.after_request(_harden)
