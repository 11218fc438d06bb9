"""Cases on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields

from evidence.cases.models import Sector, Stage
from schemas.members import PageQuery, Text, page_of
from schemas.people import OfficerName, UnitName


class CaseResponse(Schema):
    id = fields.UUID()
    number = fields.String()
    party = fields.String()
    sector = fields.Enum(Sector, by_value=True)
    stage = fields.Enum(Stage, by_value=True)
    unit = fields.Nested(UnitName)
    handler = fields.Nested(OfficerName, allow_none=True)
    reviewer = fields.Nested(OfficerName, allow_none=True)
    filed_on = fields.Date()
    created_at = fields.AwareDateTime()


class CaseQuery(PageQuery):
    number = Text(100, load_default=None, metadata={"description": "the whole number, any form"})
    text = Text(200, load_default="", metadata={"description": "part of number or party"})
    stage = fields.Enum(Stage, by_value=True, load_default=None)
    sector = fields.Enum(Sector, by_value=True, load_default=None)
    unit_id = fields.UUID(load_default=None, data_key="unit")
    handler_id = fields.UUID(load_default=None, data_key="handler")
    filed_from = fields.Date(load_default=None)
    filed_until = fields.Date(load_default=None, metadata={"description": "excluded"})


class CaseRequest(Schema):
    id = fields.UUID(load_default=None, metadata={"description": "the client's; a retry is one"})
    number = Text(100, required=True)
    party = Text(200, shortest=1, required=True)
    sector = fields.Enum(Sector, by_value=True, required=True)
    filed_on = fields.Date(required=True)
    handler_id = fields.UUID(load_default=None, data_key="handler")


class CaseChange(Schema):
    stage = fields.Enum(Stage, by_value=True, load_default=None)
    party = Text(200, shortest=1, load_default=None)
    sector = fields.Enum(Sector, by_value=True, load_default=None)
    handler_id = fields.UUID(load_default=None, data_key="handler")
    reviewer_id = fields.UUID(load_default=None, data_key="reviewer")


CasePage = page_of(CaseResponse)
