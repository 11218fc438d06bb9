"""The API's description, generated from the schemas, and served from here without a CDN."""

from __future__ import annotations

import flask_smorest
from flask import Flask, Response
from marshmallow import RAISE, Schema, fields
from werkzeug.exceptions import HTTPException

from server import problems

# A filter that is misspelt must not be ignored: it would answer with more than was asked for.
_parser = flask_smorest.Blueprint.ARGUMENTS_PARSER
_parser.DEFAULT_UNKNOWN_BY_LOCATION = {**_parser.DEFAULT_UNKNOWN_BY_LOCATION, "query": RAISE}


class Problem(Schema):
    """RFC 9457, with the permanent code of evidence.errors."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    code = fields.String(metadata={"description": "permanent; test this, not the title"})
    errors = fields.Dict(metadata={"description": "what is wrong with which member"})


class Api(flask_smorest.Api):
    """flask-smorest's Api, answering errors as problem+json like the rest of the house."""

    ERROR_SCHEMA = Problem

    def __init__(self, app: Flask) -> None:
        app.config.update(
            API_TITLE="证链 Zhenglian",
            API_VERSION="v1",
            OPENAPI_VERSION="3.1.0",
            OPENAPI_URL_PREFIX="/api",
            OPENAPI_JSON_PATH="openapi.json",
        )
        super().__init__(app)
        self.spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
        self.spec.options["security"] = [{"token": []}]

    def handle_http_exception(self, error: HTTPException) -> Response:
        return problems.from_http(error)
