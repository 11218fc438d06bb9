"""Logins and stations on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from evidence.people.actor import Role
from schemas.members import Text


class TokenRequest(Schema):
    username = fields.String(required=True, validate=validate.Length(1, 60))
    password = fields.String(required=True, validate=validate.Length(1, 200), load_only=True)


class TokenResponse(Schema):
    id = fields.UUID()
    token = fields.String(metadata={"description": "shown once"})
    expires_at = fields.AwareDateTime()


class PasswordChange(Schema):
    old = Text(200, required=True, load_only=True)
    new = Text(200, required=True, load_only=True)


class TokenListed(Schema):
    id = fields.UUID()
    kind = fields.String()
    issued_at = fields.AwareDateTime()
    expires_at = fields.AwareDateTime()
    revoked_at = fields.AwareDateTime(allow_none=True)


class StationRequest(Schema):
    name = fields.String(required=True, validate=validate.Length(1, 60))
    unit_id = fields.UUID(allow_none=True, load_default=None)


class StationListed(Schema):
    id = fields.UUID()
    name = fields.String()


class StationResponse(StationListed):
    token = fields.String(metadata={"description": "shown once"})
    token_file = fields.String(metadata={"description": "the dock's token file, whole"})
    expires_at = fields.AwareDateTime()


_ROLES = [role.value for role in Role if role is not Role.STATION]


class AccountRequest(Schema):
    username = Text(60, shortest=1, required=True)
    password = Text(200, shortest=10, required=True, load_only=True)
    roles = fields.List(
        fields.String(validate=validate.OneOf(_ROLES)),
        required=True,
        validate=validate.Length(1, len(_ROLES)),
    )
    officer_id = fields.UUID(allow_none=True, load_default=None)


class AccountChange(Schema):
    """What is left out stays as it is."""

    active = fields.Boolean()
    password = Text(200, shortest=10, load_only=True)
    roles = fields.List(
        fields.String(validate=validate.OneOf(_ROLES)), validate=validate.Length(1, len(_ROLES))
    )
    officer_id = fields.UUID(allow_none=True)


class AccountResponse(Schema):
    id = fields.UUID()
    username = fields.String()
    roles = fields.List(fields.String())
    officer_id = fields.UUID(allow_none=True)
    active = fields.Boolean()
    created_at = fields.AwareDateTime()
