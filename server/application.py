"""Putting the rooms together: settings, database, store, every blueprint."""

from __future__ import annotations

import datetime as dt
import importlib
import pkgutil
from collections.abc import Mapping

import flask_smorest
from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface
from werkzeug.middleware.proxy_fix import ProxyFix

from server import (
    access_log,
    config,
    csrf,
    extensions,
    headers,
    jobs,
    metrics,
    plain_routes,
    problems,
)
from server.openapi import Api
from server.presentation import presenting


class SecureWhereTls(SecureCookieSessionInterface):
    """The cookie is Secure wherever the request came over TLS; loopback may do without."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def _modules(package: str) -> list[str]:
    found = importlib.import_module(package)
    return sorted(f"{package}.{m.name}" for m in pkgutil.iter_modules(found.__path__))


def create_app(environ: Mapping[str, str] | None = None, **overrides: object) -> Flask:
    """The application, from the environment. Raises ConfigurationError.

    Every module of server.api and server.pages that has a `blp` is registered: a noun's routes
    are found by its name, and there is no list to forget.
    """
    settings = config.read(environ)
    config.prepare_data(settings)
    app = Flask("server")
    app.config.update(
        SECRET_KEY=config.secret_key(settings),
        JSON_AS_ASCII=False,
        MAX_FORM_MEMORY_SIZE=1024 * 1024,
        SESSION_COOKIE_NAME="zhenglian",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        # Counted from the last request: an unattended screen logs itself out.
        PERMANENT_SESSION_LIFETIME=dt.timedelta(hours=2),
        **overrides,
    )
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    if settings.proxies:
        # Otherwise X-Forwarded-For is whatever a client likes, and counts for nothing.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=settings.proxies
        )
    extensions.init(app, settings)
    for part in (access_log, metrics, csrf, headers, problems, jobs, presenting):
        part.init(app)
    extensions.babel.init_app(app, default_locale="zh", locale_selector=presenting.select_language)
    app.session_interface = SecureWhereTls()
    api = Api(app)
    for package in ("server.accounts", "server.api", "server.pages"):
        for name in _modules(package):
            blp = getattr(importlib.import_module(name), "blp", None)
            if isinstance(blp, flask_smorest.Blueprint):
                api.register_blueprint(blp)
            elif blp is not None:
                app.register_blueprint(blp)
    plain_routes.describe(app, api)
    return app
