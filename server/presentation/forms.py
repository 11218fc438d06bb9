"""What a form says, read by the same schema as the API's, and what is wrong with it in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from marshmallow import Schema, ValidationError

# By the names that the schemas give them.
_FIELDS = {
    "name": _l("Name"),
    "badge": _l("Badge"),
    "unit": _l("Unit"),
    "kind": _l("Kind"),
    "status": _l("State"),
    "hands_over_to": _l("Hands over to"),
    "certificates": _l("Certificates"),
    "username": _l("User name"),
    "roles": _l("Roles"),
    "officer_id": _l("Officer"),
    "active": _l("State"),
    "model": _l("Model"),
    "serial": _l("Serial number"),
}


class Unfilled(Exception):
    """A form that cannot be read; its text is for the reader, in his or her language."""


def filled(schema: Schema, said: Mapping[str, Any]) -> dict[str, Any]:
    """What `said` means. Raises Unfilled."""
    try:
        found: dict[str, Any] = schema.load(said)
    except ValidationError as error:
        wrong = ", ".join(str(_FIELDS.get(name, name)) for name in error.normalized_messages())
        raise Unfilled(_("Look at this again: %(fields)s.", fields=wrong)) from error
    return found
