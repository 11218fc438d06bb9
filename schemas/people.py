"""Officers, their certificates, and units on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load

from evidence.people.models import OfficerStatus, UnitKind
from evidence.roster.registering import Certified
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


class UnitRequest(Schema):
    name = Text(100, shortest=1, required=True)
    kind = fields.Enum(UnitKind, by_value=True, required=True)
    hands_over_to_id = fields.UUID(
        data_key="hands_over_to",
        allow_none=True,
        load_default=None,
        metadata={"description": "the unit that handles the cases of this one"},
    )


class UnitChange(Schema):
    """What is left out stays as it is."""

    name = Text(100, shortest=1)
    kind = fields.Enum(UnitKind, by_value=True)
    hands_over_to_id = fields.UUID(data_key="hands_over_to", allow_none=True)


class CertificateRequest(CertificateResponse):
    number = Text(40, shortest=1, required=True)
    valid_from = fields.Date(required=True, metadata={"description": "first day, included"})
    valid_to = fields.Date(required=True, metadata={"description": "last day, included"})

    @post_load
    def _certified(self, said: dict[str, Any], **_: Any) -> Certified:
        return Certified(**said)


class OfficerRequest(Schema):
    name = Text(100, shortest=1, required=True)
    badge = Text(40, shortest=1, required=True)
    unit_id = fields.UUID(required=True, data_key="unit")
    certificates = fields.List(fields.Nested(CertificateRequest), load_default=list)


class OfficerChange(Schema):
    """What is left out stays as it is; certificates that are given are all there are."""

    name = Text(100, shortest=1)
    unit_id = fields.UUID(data_key="unit")
    status = fields.Enum(OfficerStatus, by_value=True)
    certificates = fields.List(fields.Nested(CertificateRequest))


OfficerPage = page_of(OfficerResponse)
UnitPage = page_of(UnitResponse)
