"""Custody events on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields

from schemas.members import page_of


class EventSubject(Schema):
    type = fields.String(attribute="event.subject_type")
    id = fields.UUID(attribute="event.subject_id")
    label = fields.String(metadata={"description": "of an exhibit"})


class EventActor(Schema):
    type = fields.String(attribute="event.actor_type")
    id = fields.UUID(attribute="event.actor_id")
    via = fields.String(attribute="event.via")
    name = fields.String(attribute="actor_name")


# Made once: to make a schema takes longer than to write an event with it.
_SUBJECT, _ACTOR = EventSubject(), EventActor()


class EventResponse(Schema):
    position = fields.Integer(attribute="event.position")
    leaf_index = fields.Integer(
        attribute="event.leaf_index",
        allow_none=True,
        metadata={"description": "place in the signed log; null until it is sequenced"},
    )
    at = fields.AwareDateTime(attribute="event.at")
    kind = fields.String(attribute="event.kind")
    subject = fields.Function(_SUBJECT.dump)
    actor = fields.Function(_ACTOR.dump)
    details = fields.Dict(attribute="event.details")
    entry = fields.String(attribute="event.entry_hex", metadata={"description": "SHA-256, hex"})
    state = fields.String(
        attribute="event.state",
        metadata={
            "enum": ["sequenced", "pending", "altered"],
            "description": "altered: the row is not what its canonical bytes say",
        },
    )


EventPage = page_of(EventResponse)
