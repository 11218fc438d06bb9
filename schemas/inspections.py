"""Inspections on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from evidence.inspections.models import InspectionResult
from schemas.members import Moment, PageQuery, Text, page_of
from schemas.people import OfficerName, UnitName


class InspectionResponse(Schema):
    id = fields.UUID()
    unit = fields.Nested(UnitName)
    party = fields.String()
    place = fields.String()
    started_at = fields.AwareDateTime()
    ended_at = fields.AwareDateTime()
    officers = fields.List(fields.Nested(OfficerName))
    id_shown = fields.Boolean()
    recording_told = fields.Boolean()
    result = fields.Enum(InspectionResult, by_value=True)
    findings = fields.String()
    created_at = fields.AwareDateTime()
    content_sha256 = fields.String()


class InspectionQuery(PageQuery):
    text = Text(200, load_default="", metadata={"description": "part of party or place"})
    unit_id = fields.UUID(load_default=None, data_key="unit")
    officer_id = fields.UUID(load_default=None, data_key="officer")
    result = fields.Enum(InspectionResult, by_value=True, load_default=None)
    started_from = Moment(load_default=None)
    started_until = Moment(load_default=None, metadata={"description": "excluded"})


class InspectionRequest(Schema):
    id = fields.UUID(
        required=True, metadata={"description": "the client's: sent twice, one record"}
    )
    party = Text(200, shortest=1, required=True)
    place = Text(300, shortest=1, required=True)
    started_at = Moment(required=True)
    ended_at = Moment(required=True)
    officer_ids = fields.List(
        fields.UUID(), required=True, data_key="officers", validate=validate.Length(max=50)
    )
    id_shown = fields.Boolean(required=True, truthy={True}, falsy={False})
    recording_told = fields.Boolean(required=True, truthy={True}, falsy={False})
    result = fields.Enum(InspectionResult, by_value=True, required=True)
    findings = Text(20_000, load_default="")


InspectionPage = page_of(InspectionResponse)
