"""Filters and values that every template has."""

from __future__ import annotations

import datetime as dt
import unicodedata
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from flask import Flask, g, request, url_for
from flask_babel import get_locale
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape

from evidence.clock import SHANGHAI
from evidence.errors import EvidenceError
from evidence.people import access
from evidence.people.access import Act
from evidence.people.actor import Actor
from server.accounts.current import actor_or_none
from server.presentation import words
from server.presentation.portion import portion

_COPY = _l("Copy the whole digest")
LANGUAGES = {"zh": "中文", "en": "English"}


def beijing_plain(moment: dt.datetime, seconds: bool = True) -> str:
    """Beijing time where no markup can stand."""
    local = moment.astimezone(SHANGHAI).replace(tzinfo=None)
    return local.isoformat(" ", "seconds" if seconds else "minutes")


def beijing(moment: dt.datetime | None, seconds: bool = True) -> Markup:
    """Beijing time, with the raw UTC value on hover."""
    if moment is None:
        return Markup('<span class="text-secondary">—</span>')
    shown = beijing_plain(moment, seconds)
    raw = moment.astimezone(dt.UTC).isoformat()
    # Nothing of it comes from outside, and lists have hundreds.
    return Markup(f'<time datetime="{raw}" title="{raw}">{shown}</time>')  # noqa: S704


def size(count: int | None) -> str:
    """Bytes for people, powers of ten."""
    if count is None:
        return "—"
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def duration(milliseconds: int | None) -> str:
    if milliseconds is None:
        return ""
    total = round(milliseconds / 1000)
    minutes, seconds = divmod(total, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def visible(name: str) -> str:
    """A claimed name with hidden characters shown, so that it deceives nobody."""
    return "".join(
        f"⟨U+{ord(c):04X}⟩" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c
        for c in name
    )


def said(word: Any) -> str:
    """A word in the reader's language, looked up once a request: a long list says few, often."""
    known: dict[int, tuple[Any, str]] = g.setdefault("said", {})
    # With the word itself, so that no other has its id meanwhile.
    if id(word) not in known:
        known[id(word)] = word, str(word)
    return known[id(word)][1]


def kind_named(kind: str) -> tuple[Any, str]:
    """The words of an event's kind, and its icon; of one that we do not know, itself."""
    return words.KINDS.get(kind) or (kind, "circle-dashed")  # type: ignore[call-overload]


def exhibit_address(label: str) -> str:
    """The path of an exhibit's page, made once a request: a case's events name few, often."""
    known: dict[str, str] = g.setdefault("exhibit_addresses", {})
    if label not in known:
        known[label] = url_for("exhibits.one", name=label)
    return known[label]


def icon(name: str, label: str = "") -> Markup:
    """A picture beside a word; with a label where it stands alone."""
    return _icon(name, str(label))


@lru_cache(maxsize=1024)
def _icon(name: str, label: str) -> Markup:
    spoken = (
        Markup(' role="img" aria-label="{}"').format(label)
        if label
        else Markup(' aria-hidden="true"')
    )
    return Markup(
        '<svg class="icon"{}><use href="/static/vendor/icons/sprite.svg#{}"></use></svg>'
    ).format(spoken, name)


def status(named: tuple[Any, str, str]) -> Markup:
    """A status as a word and a shape."""
    word, shape, tone = named
    return _status(said(word), shape, tone)


@lru_cache(maxsize=1024)
def _status(word: str, shape: str, tone: str) -> Markup:
    return Markup('<span class="status status-{}">{}{}</span>').format(tone, icon(shape), word)


def digest(value: str | None) -> Markup:
    """A digest in short, with a button that copies the whole."""
    if not value:
        return Markup('<span class="text-secondary">—</span>')
    # Escaped part by part: Markup's own format() takes five times as long, and pages have dozens.
    whole, first, last = escape(value), escape(value[:8]), escape(value[-6:])
    return Markup(  # noqa: S704
        f'<span class="digest"><code title="{whole}">{first}…{last}</code>'
        f'<button type="button" class="copy" data-copy="{whole}"'
        f' aria-label="{escape(said(_COPY))}">{icon("copy")}</button></span>'
    )


def problem_words(code: str, fallback: str) -> str:
    """An error in the reader's language, with what to do next."""
    return str(words.PROBLEMS.get(code, fallback))


def error_words(error: EvidenceError) -> str:
    """The same for an error in hand; where the reader is English, its own sentence says more."""
    own = str(error)
    if str(get_locale()) == "en" and own:
        return own
    return problem_words(error.code, own)


def with_arguments(**changed: object) -> str:
    """This page's address with some query arguments changed; None takes one away."""
    kept = {k: v for k, v in request.args.items() if k not in changed and k != "cursor"}
    kept.update({k: str(v) for k, v in changed.items() if v is not None})
    return request.path + ("?" + urlencode(kept) if kept else "")


def select_language() -> str:
    chosen = request.cookies.get("language")
    if chosen in LANGUAGES:
        return chosen
    return request.accept_languages.best_match(list(LANGUAGES), default="zh") or "zh"


def _context() -> dict[str, object]:
    actor: Actor | None = actor_or_none()

    def may(act: str) -> bool:
        return actor is not None and access.allows(actor, Act(act))

    return {
        "actor": actor,
        "may": may,
        "words": words,
        "language": str(get_locale()),
        "languages": LANGUAGES,
        "with_arguments": with_arguments,
        "icon": icon,
        "portion": portion,
    }


def init(app: Flask) -> None:
    app.context_processor(_context)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    for name, made in {
        "beijing": beijing,
        "beijing_plain": beijing_plain,
        "exhibit_address": exhibit_address,
        "kind_named": kind_named,
        "size": size,
        "duration": duration,
        "visible": visible,
        "status": status,
        "digest": digest,
        "said": said,
    }.items():
        app.jinja_env.filters[name] = made
