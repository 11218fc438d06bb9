"""Exhibits and their links on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from evidence.exhibits.contradictions import Member
from evidence.exhibits.flags import Flag
from evidence.exhibits.linking import MAX_AT_ONCE, MAX_NOTE
from evidence.exhibits.models import ExhibitState, Fixity, MediaState
from schemas.custody import EventResponse
from schemas.members import Moment, PageQuery, Text, page_of
from schemas.people import OfficerName, UnitName


class RecorderName(Schema):
    id = fields.UUID()
    number = fields.String()


class LinkResponse(Schema):
    id = fields.UUID()
    exhibit_id = fields.UUID(data_key="exhibit")
    case_id = fields.UUID(allow_none=True, data_key="case")
    inspection_id = fields.UUID(allow_none=True, data_key="inspection")
    target_text = fields.String(data_key="to", metadata={"description": "number and party"})
    note = fields.String()
    sha256_at_link = fields.String()
    linked_by_name = fields.String(data_key="linked_by")
    linked_at = fields.AwareDateTime()
    unlinked_at = fields.AwareDateTime(allow_none=True)
    unlink_reason = fields.String(allow_none=True)


class Digests(Schema):
    """The three points of the acquisition, SHA-256 in hex."""

    claimed = fields.String(attribute="sha256_claim", allow_none=True)
    received = fields.String(attribute="sha256_received", allow_none=True)
    read_back = fields.String(attribute="sha256_read_back")
    segments = fields.String(attribute="segments_digest")
    sm3 = fields.String(allow_none=True, metadata={"description": "read back; GB/T 32905"})


class Media(Schema):
    state = fields.Enum(MediaState, by_value=True, attribute="media_state")
    type = fields.String(attribute="media_type", allow_none=True)
    duration_ms = fields.Integer(allow_none=True)
    width = fields.Integer(allow_none=True)
    height = fields.Integer(allow_none=True)
    problem = fields.String(attribute="media_problem", allow_none=True)


class ExhibitListed(Schema):
    id = fields.UUID()
    label = fields.String()
    state = fields.Enum(ExhibitState, by_value=True)
    sha256 = fields.String()
    size = fields.Integer(metadata={"description": "bytes"})
    filename = fields.String(metadata={"description": "as the source named it; never a path"})
    fixity = fields.Enum(
        Fixity, by_value=True, metadata={"description": "what reading the original again showed"}
    )
    flags = fields.List(fields.String(validate=validate.OneOf([f.value for f in Flag])))
    recorded_at = fields.AwareDateTime(allow_none=True)
    received_at = fields.AwareDateTime()
    sealed_at = fields.AwareDateTime(allow_none=True)
    recorder = fields.Nested(RecorderName, allow_none=True)
    officer = fields.Nested(OfficerName, allow_none=True)
    unit = fields.Nested(UnitName, allow_none=True)
    media = fields.Function(lambda exhibit: Media().dump(exhibit))
    poster = fields.Function(lambda exhibit: exhibit.poster_sha256 is not None)
    links = fields.List(fields.Nested(LinkResponse))


class ExhibitResponse(ExhibitListed):
    filetype = fields.String()
    recorder_claim = fields.String()
    recorded_at_claim = fields.String()
    custodian = fields.String()
    last_read_at = fields.AwareDateTime(
        allow_none=True, metadata={"description": "every byte was read from storage and compared"}
    )
    digests = fields.Function(lambda exhibit: Digests().dump(exhibit))
    media_facts = fields.Dict(allow_none=True)


class ContradictionResponse(Schema):
    member = fields.Enum(Member, by_value=True)
    row = fields.String(allow_none=True, metadata={"description": "as the database has it now"})
    log = fields.String(allow_none=True, metadata={"description": "as the events committed to it"})


class CustodyResponse(Schema):
    events = fields.List(fields.Nested(EventResponse))
    contradictions = fields.List(
        fields.Nested(ContradictionResponse),
        metadata={"description": "where the exhibit's row is not what its events say"},
    )


class ExhibitQuery(PageQuery):
    text = Text(
        200,
        load_default="",
        metadata={"description": "words in label, file name, recorder, wearer, case, party"},
    )
    case_id = fields.UUID(load_default=None, data_key="case")
    inspection_id = fields.UUID(load_default=None, data_key="inspection")
    recorder_id = fields.UUID(load_default=None, data_key="recorder")
    officer_id = fields.UUID(load_default=None, data_key="officer")
    unit_id = fields.UUID(load_default=None, data_key="unit")
    received_from = Moment(load_default=None)
    received_until = Moment(load_default=None, metadata={"description": "excluded"})
    recorded_from = Moment(load_default=None)
    recorded_until = Moment(load_default=None, metadata={"description": "excluded"})
    state = fields.Enum(ExhibitState, by_value=True, load_default=None)
    media_state = fields.Enum(MediaState, by_value=True, load_default=None)
    fixity = fields.Enum(Fixity, by_value=True, load_default=None)
    flag = fields.Enum(Flag, by_value=True, load_default=None)


class _Target(Schema):
    case_number = Text(100, load_default=None, metadata={"example": "衡东市监罚字〔2023〕451号"})
    inspection_id = fields.UUID(load_default=None)
    note = Text(MAX_NOTE, load_default="")

    @validates_schema
    def _one_target(self, data: dict[str, Any], **_: Any) -> None:
        if (data["case_number"] is None) == (data["inspection_id"] is None):
            raise ValidationError("Name a case_number or an inspection_id, one of them.")


class LinkRequest(_Target):
    pass


class BulkLinkRequest(_Target):
    exhibit_ids = fields.List(
        fields.UUID(), required=True, validate=validate.Length(min=1, max=MAX_AT_ONCE)
    )


class UnlinkRequest(Schema):
    reason = Text(MAX_NOTE, shortest=1, required=True)


ExhibitPage = page_of(ExhibitListed)
