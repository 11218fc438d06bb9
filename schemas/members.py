"""The members that every noun's schema is made of: texts with limits, times with offsets, pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from evidence.errors import NaiveTime
from evidence.paging import DEFAULT_LIMIT, MAX_LIMIT


class Text(fields.String):
    """A text of at most `longest` characters, kept as typed: control and direction marks too.

    Refused is only what no database keeps: NUL, and half of a surrogate pair.
    """

    def __init__(self, longest: int, *, shortest: int = 0, **kwargs: Any) -> None:
        limits = validate.Length(min=shortest, max=longest)
        super().__init__(validate=[limits, _storable], **kwargs)
        self.shortest = shortest

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if self.shortest and text is not None and not text.strip():
            raise ValidationError("Must not be blank.")
        return text or ""


def _storable(text: str) -> None:
    if "\0" in text:
        raise ValidationError("Must not contain NUL.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValidationError("Contains half of a surrogate pair.") from None


class Moment(fields.AwareDateTime):
    """A time with its offset from UTC, RFC 3339. Raises NaiveTime without one."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> dt.datetime:
        try:
            plain = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            plain = None
        if plain is not None and plain.tzinfo is None:
            raise NaiveTime(member=attr)
        try:
            return super()._deserialize(value, attr, data, **kwargs).astimezone(dt.UTC)
        except OverflowError:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from None


class PageQuery(Schema):
    """What every list takes."""

    cursor = Text(600, load_default=None, metadata={"description": "`next` of the page before"})
    limit = fields.Integer(
        load_default=DEFAULT_LIMIT, validate=validate.Range(min=1, max=MAX_LIMIT)
    )


def page_of(item: type[Schema]) -> type[Schema]:
    """The schema of one page of `item`."""
    return Schema.from_dict(
        {
            "items": fields.List(fields.Nested(item)),
            "next": fields.String(
                allow_none=True, metadata={"description": "`cursor` of the next page, or null"}
            ),
        },
        name=f"{item.__name__}Page",
    )
