"""A request that a cookie vouches for must also carry a token that only our pages know.

A bearer token is sent on purpose and never by a browser on its own, so it needs none.
"""

from __future__ import annotations

from flask import Flask, request, session
from flask_wtf.csrf import CSRFProtect

from server.accounts.current import bearer

csrf = CSRFProtect()
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def _protect() -> None:
    if request.method in _SAFE or bearer() is not None:
        return
    if request.path.startswith("/api/") and "token" not in session:
        return  # no cookie speaks for anybody: the view itself will ask for a token
    csrf.protect()


def init(app: Flask) -> None:
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    # The session's own lifetime bounds the token's.
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    csrf.init_app(app)
    app.before_request(_protect)
