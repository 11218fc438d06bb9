"""Officers, their certificates, and units on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields

from evidence.people.models import OfficerStatus, UnitKind
from schemas.members import PageQuery, Text, page_of


class UnitName(Schema):
    id = fields.UUID()
    name = fields.String()


class UnitResponse(UnitName):
    kind = fields.Enum(UnitKind, by_value=True)
    hands_over_to = fields.Nested(UnitName, allow_none=True)


class OfficerName(Schema):
    id = fields.UUID()
    name = fields.String()
    badge = fields.String()


class CertificateResponse(Schema):
    number = fields.String()
    valid_from = fields.Date(metadata={"description": "first day, included"})
    valid_to = fields.Date(metadata={"description": "last day, included"})


class OfficerResponse(OfficerName):
    unit = fields.Nested(UnitName)
    status = fields.Enum(OfficerStatus, by_value=True)
    certificates = fields.List(fields.Nested(CertificateResponse))


class OfficerQuery(PageQuery):
    text = Text(100, load_default="", metadata={"description": "part of name, badge, certificate"})
    unit_id = fields.UUID(load_default=None, data_key="unit")
    status = fields.Enum(OfficerStatus, by_value=True, load_default=None)


OfficerPage = page_of(OfficerResponse)
UnitPage = page_of(UnitResponse)
