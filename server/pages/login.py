"""Logging in and out, and the language."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from evidence.errors import EvidenceError, LoginFailed, LoginRefused
from server.accounts.current import actor_or_none, sign_in, sign_out
from server.presentation.presenting import LANGUAGES, error_words

blp = Blueprint("login", __name__)


def _own(target: str | None) -> str:
    """Only ever a path of this server's: a link cannot send anybody elsewhere."""
    parts = urlsplit(target or "")
    safe = target and target.startswith("/") and not target.startswith(("//", "/\\"))
    if not safe or parts.netloc or parts.scheme or any(ord(c) < 0x21 for c in target or ""):
        return url_for("workbench.home")
    return _shown(target or "/")


def _shown(target: str) -> str:
    """`target`; of an address that only takes acts, and answered one with a page, what is above."""
    path = urlsplit(target).path
    if _rule(path, "POST") in (None, _rule(path, "GET")):
        return target
    while not _rule(path := path.rpartition("/")[0] or "/", "GET"):
        pass
    return path


def _rule(path: str, method: str) -> str | None:
    try:
        found, _ = current_app.url_map.bind("").match(unquote(path), method, return_rule=True)
    except HTTPException:
        return None
    return found.rule


@blp.get("/login")
def form() -> str | Response:
    if actor_or_none() is not None:
        return redirect(url_for("workbench.home"))
    return render_template("login.html", next=request.args.get("next", ""))


@blp.post("/login")
def log_in() -> tuple[str, int] | Response:
    username = request.form.get("username", "")
    try:
        sign_in(username, request.form.get("password", ""))
    except (LoginFailed, LoginRefused) as error:
        return _again(username, error)
    return redirect(_own(request.form.get("next")))


def _again(username: str, error: EvidenceError) -> tuple[str, int]:
    page = render_template(
        "login.html",
        next=request.form.get("next", ""),
        username=username[:60],
        error=error_words(error),
        seconds=error.facts.get("seconds"),
    )
    return page, 401 if isinstance(error, LoginFailed) else 429


@blp.post("/logout")
def log_out() -> Response:
    sign_out()
    return redirect(url_for("login.form"))


@blp.get("/language/<code>")
def language(code: str) -> Response:
    response = redirect(_own(request.args.get("next")))
    if code in LANGUAGES:
        response.set_cookie(
            "language", code, max_age=365 * 86400, samesite="Lax", httponly=True,
            secure=request.is_secure,
        )  # fmt: skip
    return response
