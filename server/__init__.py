"""The web. Importing it loads nothing: the process that only watches over others stays small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def create_app(environ: Mapping[str, str] | None = None, **overrides: object) -> Flask:
    """The application, from the environment. Raises ConfigurationError."""
    from server import application

    return application.create_app(environ, **overrides)
