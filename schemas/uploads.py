"""What an upload looks like on the wire, beside tus's own headers."""

from __future__ import annotations

from marshmallow import Schema, fields

from evidence.uploads.models import UploadState


class Outcome(Schema):
    """Why an upload ended in quarantine."""

    code = fields.String()
    message = fields.String()
    differed = fields.List(fields.String())


class UploadResponse(Schema):
    """Where an upload stands, and the signed receipt once it is sealed."""

    id = fields.UUID(attribute="upload.id")
    state = fields.Enum(UploadState, by_value=True, attribute="upload.state")
    offset = fields.Integer()
    length = fields.Integer(attribute="upload.length", allow_none=True)
    filename = fields.String(attribute="upload.filename")
    exhibit = fields.String(allow_none=True)
    label = fields.String(allow_none=True)
    flags = fields.List(fields.String(), metadata={"description": "the exhibit's doubts"})
    receipt = fields.String(attribute="upload.receipt", allow_none=True)
    outcome = fields.Nested(Outcome, attribute="upload.outcome", allow_none=True)
