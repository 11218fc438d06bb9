"""Custody events on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

# What an entry adds to its event.
_ADDED = frozenset({"label", "actor_name"})


class _OfEntry(Schema):
    """Of an entry: an event, with names. By a path, each member would take half as long again."""

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        return getattr(obj if attr in _ADDED else obj.event, attr, default)


class EventSubject(_OfEntry):
    type = fields.String(attribute="subject_type")
    id = fields.UUID(attribute="subject_id")
    label = fields.String(metadata={"description": "of an exhibit"})


class EventActor(_OfEntry):
    type = fields.String(attribute="actor_type")
    id = fields.UUID(attribute="actor_id")
    via = fields.String()
    name = fields.String(attribute="actor_name")


# Made once: to make a schema takes longer than to write an event with it.
_SUBJECT, _ACTOR = EventSubject(), EventActor()


class EventResponse(_OfEntry):
    position = fields.Integer()
    leaf_index = fields.Integer(
        allow_none=True,
        metadata={"description": "place in the signed log; null until it is sequenced"},
    )
    at = fields.AwareDateTime()
    kind = fields.String()
    subject = fields.Function(_SUBJECT.dump)
    actor = fields.Function(_ACTOR.dump)
    details = fields.Dict()
    entry = fields.String(attribute="entry_hex", metadata={"description": "SHA-256, hex"})
    state = fields.String(
        metadata={
            "enum": ["sequenced", "pending", "altered"],
            "description": "altered: the row is not what its canonical bytes say",
        },
    )
