"""Dossiers on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from evidence.dossier.models import DossierState
from evidence.dossier.requesting import MAX_NAME, MAX_ORGANISATION, MAX_REASON
from schemas.members import Text


class DossierRequest(Schema):
    id = fields.UUID(
        load_default=None,
        metadata={
            "description": "yours, so that a retry is the same dossier; its own id is another"
        },
    )
    exhibit_id = fields.UUID(load_default=None, data_key="exhibit")
    case_number = Text(100, load_default=None, metadata={"example": "衡东市监罚字〔2023〕451号"})
    reason = Text(MAX_REASON, shortest=1, required=True)

    @validates_schema
    def _one_subject(self, data: dict[str, Any], **_: Any) -> None:
        if (data["case_number"] is None) == (data["exhibit_id"] is None):
            raise ValidationError("Name an exhibit or a case_number, one of them.")


class ReceiptRequest(Schema):
    recipient = Text(MAX_NAME, shortest=1, required=True)
    organisation = Text(MAX_ORGANISATION, shortest=1, required=True)


class ReceiptResponse(Schema):
    id = fields.UUID()
    recipient = fields.String()
    organisation = fields.String()
    received_at = fields.AwareDateTime()


class DossierResponse(Schema):
    id = fields.UUID()
    label = fields.String()
    state = fields.Enum(DossierState, by_value=True)
    exhibit_id = fields.UUID(allow_none=True, data_key="exhibit")
    case_id = fields.UUID(allow_none=True, data_key="case")
    reason = fields.String()
    requested_at = fields.AwareDateTime()
    requested_by = fields.String(attribute="actor_name")
    ready_at = fields.AwareDateTime(allow_none=True)
    manifest_sha256 = fields.String(
        allow_none=True, metadata={"description": "the custody log commits to every byte by it"}
    )
    exhibits = fields.Integer()
    files = fields.Integer()
    size = fields.Integer(metadata={"description": "bytes of all files"})
    problem = fields.String()
    receipts = fields.List(fields.Nested(ReceiptResponse))
