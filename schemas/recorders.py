"""Recorders and their check-out ledger on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields

from evidence.recorders.models import RecorderStatus
from schemas.members import Moment, PageQuery, Text, page_of
from schemas.people import OfficerName, UnitName


class RecorderResponse(Schema):
    id = fields.UUID()
    number = fields.String()
    serial = fields.String(allow_none=True)
    model = fields.String()
    unit = fields.Nested(UnitName)
    status = fields.Enum(RecorderStatus, by_value=True)


class Attributed(Schema):
    attributed = fields.Integer(metadata={"description": "exhibits that it was given now"})


class RecorderQuery(PageQuery):
    text = Text(100, load_default="", metadata={"description": "part of number, serial, model"})
    unit_id = fields.UUID(load_default=None, data_key="unit")
    status = fields.Enum(RecorderStatus, by_value=True, load_default=None)


class RecorderRequest(Schema):
    number = Text(30, shortest=1, required=True)
    unit_id = fields.UUID(required=True, data_key="unit")
    model = Text(80, load_default="")
    serial = Text(60, load_default="")


class RecorderChange(Schema):
    unit_id = fields.UUID(data_key="unit")
    status = fields.Enum(RecorderStatus, by_value=True)
    model = Text(80)
    serial = Text(60)


class CheckoutResponse(Schema):
    id = fields.UUID()
    officer = fields.Nested(OfficerName)
    unit = fields.Nested(UnitName)
    checked_out_at = fields.AwareDateTime()
    checked_in_at = fields.AwareDateTime(allow_none=True)
    purpose = fields.String()


class CheckoutRequest(Schema):
    id = fields.UUID(load_default=None, metadata={"description": "the client's; a retry is one"})
    officer_id = fields.UUID(required=True, data_key="officer")
    at = Moment(load_default=None, metadata={"description": "now, where it is left out"})
    purpose = Text(500, load_default="")


class CheckinRequest(Schema):
    at = Moment(load_default=None, metadata={"description": "now, where it is left out"})


RecorderPage = page_of(RecorderResponse)
CheckoutPage = page_of(CheckoutResponse)
