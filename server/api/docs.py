"""The API's documentation for people: one plain page, made from openapi.json, without a script."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, render_template

from server.openapi import Api

blp = Blueprint("docs", __name__, url_prefix="/api/docs")


@blp.get("")
def page() -> str:
    """Every operation by noun, with what it takes and gives, and every schema."""
    spec = described()
    return render_template("api_docs.html", spec=spec, nouns=_by_noun(spec))


def described() -> dict[str, Any]:
    """The OpenAPI document, as served at /api/openapi.json."""
    api = next(a for a in current_app.extensions["flask-smorest"]["apis"].values())["ext_obj"]
    assert isinstance(api, Api)  # noqa: S101
    document: dict[str, Any] = api.spec.to_dict()
    return document


def _by_noun(spec: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    nouns: dict[str, list[dict[str, Any]]] = {}
    for path, operations in spec["paths"].items():
        shared = operations.get("parameters", [])
        for method, operation in operations.items():
            if method in ("parameters", "summary", "description"):
                continue
            told = {"path": path, "method": method.upper(), **operation}
            told["parameters"] = [*shared, *operation.get("parameters", [])]
            for tag in operation.get("tags", ["api"]):
                nouns.setdefault(tag, []).append(told)
    return nouns
