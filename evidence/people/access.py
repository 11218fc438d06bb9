"""Who may do what: one table, deny by default.

A role is given an act with a scope. `scope()` answers for lists, `require()` for one thing.
An account with several roles has the widest scope that any of them gives.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from uuid import UUID

from evidence.errors import AccessDenied
from evidence.people.actor import Actor, Role


class Act(enum.StrEnum):
    UPLOAD = "upload"
    EXHIBIT_VIEW = "exhibit_view"
    EXHIBIT_PLAY = "exhibit_play"
    EXHIBIT_DOWNLOAD = "exhibit_download"
    EXHIBIT_PROVE = "exhibit_prove"
    DOSSIER_MAKE = "dossier_make"
    EXHIBIT_LINK = "exhibit_link"
    CUSTODY_VIEW = "custody_view"
    FIXITY_CHECK = "fixity_check"
    INSPECTION_VIEW = "inspection_view"
    INSPECTION_RECORD = "inspection_record"
    CASE_VIEW = "case_view"
    CASE_FILE = "case_file"
    CASE_ARCHIVE = "case_archive"
    RECORDER_VIEW = "recorder_view"
    RECORDER_CHECK_OUT = "recorder_check_out"
    RECORDER_MANAGE = "recorder_manage"
    PEOPLE_VIEW = "people_view"
    PEOPLE_MANAGE = "people_manage"
    ACCOUNT_MANAGE = "account_manage"
    LOG_VIEW = "log_view"
    ALARM_VIEW = "alarm_view"


class Scope(enum.IntEnum):
    """How far a permission reaches; a greater one includes the smaller."""

    NONE = 0
    SENT = 1  # what was sent to this person: a reviewer's cases and their exhibits
    UNIT = 2  # the own unit's
    HANDLING = 3  # the own unit's, and that of the units which hand over to it
    ALL = 4


_T: dict[Role, dict[Act, Scope]] = {
    Role.OFFICER: {
        Act.UPLOAD: Scope.UNIT,
        Act.EXHIBIT_VIEW: Scope.UNIT,
        Act.EXHIBIT_PLAY: Scope.UNIT,
        Act.CUSTODY_VIEW: Scope.UNIT,
        Act.INSPECTION_VIEW: Scope.UNIT,
        Act.INSPECTION_RECORD: Scope.UNIT,
        Act.CASE_VIEW: Scope.UNIT,
        Act.RECORDER_VIEW: Scope.UNIT,
        Act.RECORDER_CHECK_OUT: Scope.UNIT,
        Act.PEOPLE_VIEW: Scope.UNIT,
        Act.LOG_VIEW: Scope.ALL,
    },
    Role.HANDLER: {
        Act.UPLOAD: Scope.UNIT,
        Act.EXHIBIT_VIEW: Scope.HANDLING,
        Act.EXHIBIT_PLAY: Scope.HANDLING,
        Act.EXHIBIT_DOWNLOAD: Scope.HANDLING,
        Act.EXHIBIT_PROVE: Scope.HANDLING,
        Act.DOSSIER_MAKE: Scope.HANDLING,
        Act.EXHIBIT_LINK: Scope.HANDLING,
        Act.CUSTODY_VIEW: Scope.HANDLING,
        Act.INSPECTION_VIEW: Scope.HANDLING,
        Act.INSPECTION_RECORD: Scope.UNIT,
        Act.CASE_VIEW: Scope.UNIT,
        Act.CASE_FILE: Scope.UNIT,
        Act.RECORDER_VIEW: Scope.HANDLING,
        Act.RECORDER_CHECK_OUT: Scope.UNIT,
        Act.PEOPLE_VIEW: Scope.HANDLING,
        Act.LOG_VIEW: Scope.ALL,
    },
    Role.SUPERVISOR: {
        Act.EXHIBIT_VIEW: Scope.ALL,
        Act.EXHIBIT_PLAY: Scope.ALL,
        Act.EXHIBIT_DOWNLOAD: Scope.ALL,
        Act.EXHIBIT_PROVE: Scope.ALL,
        Act.CUSTODY_VIEW: Scope.ALL,
        Act.FIXITY_CHECK: Scope.ALL,
        Act.INSPECTION_VIEW: Scope.ALL,
        Act.CASE_VIEW: Scope.ALL,
        Act.RECORDER_VIEW: Scope.ALL,
        Act.PEOPLE_VIEW: Scope.ALL,
        Act.LOG_VIEW: Scope.ALL,
        Act.ALARM_VIEW: Scope.ALL,
    },
    Role.REVIEWER: {
        Act.EXHIBIT_VIEW: Scope.SENT,
        Act.EXHIBIT_PLAY: Scope.SENT,
        Act.EXHIBIT_PROVE: Scope.SENT,
        Act.CUSTODY_VIEW: Scope.SENT,
        Act.CASE_VIEW: Scope.SENT,
        Act.LOG_VIEW: Scope.ALL,
    },
    Role.LEADER: {
        Act.EXHIBIT_VIEW: Scope.ALL,
        Act.EXHIBIT_PLAY: Scope.ALL,
        Act.CUSTODY_VIEW: Scope.ALL,
        Act.INSPECTION_VIEW: Scope.ALL,
        Act.CASE_VIEW: Scope.ALL,
        Act.RECORDER_VIEW: Scope.ALL,
        Act.PEOPLE_VIEW: Scope.ALL,
        Act.LOG_VIEW: Scope.ALL,
    },
    Role.ARCHIVIST: {
        Act.EXHIBIT_VIEW: Scope.ALL,
        Act.EXHIBIT_PLAY: Scope.ALL,
        Act.EXHIBIT_DOWNLOAD: Scope.ALL,
        Act.EXHIBIT_PROVE: Scope.ALL,
        Act.DOSSIER_MAKE: Scope.ALL,
        Act.EXHIBIT_LINK: Scope.ALL,
        Act.CUSTODY_VIEW: Scope.ALL,
        Act.FIXITY_CHECK: Scope.ALL,
        Act.INSPECTION_VIEW: Scope.ALL,
        Act.CASE_VIEW: Scope.ALL,
        Act.CASE_ARCHIVE: Scope.ALL,
        Act.PEOPLE_VIEW: Scope.ALL,
        Act.LOG_VIEW: Scope.ALL,
    },
    Role.AUDITOR: {
        Act.EXHIBIT_VIEW: Scope.ALL,
        Act.EXHIBIT_PROVE: Scope.ALL,
        Act.CUSTODY_VIEW: Scope.ALL,
        Act.FIXITY_CHECK: Scope.ALL,
        Act.CASE_VIEW: Scope.ALL,
        Act.RECORDER_VIEW: Scope.ALL,
        Act.PEOPLE_VIEW: Scope.ALL,
        Act.LOG_VIEW: Scope.ALL,
        Act.ALARM_VIEW: Scope.ALL,
    },
    Role.ADMINISTRATOR: {
        Act.RECORDER_VIEW: Scope.ALL,
        Act.RECORDER_CHECK_OUT: Scope.ALL,
        Act.RECORDER_MANAGE: Scope.ALL,
        Act.PEOPLE_VIEW: Scope.ALL,
        Act.PEOPLE_MANAGE: Scope.ALL,
        Act.ACCOUNT_MANAGE: Scope.ALL,
        Act.LOG_VIEW: Scope.ALL,
        Act.ALARM_VIEW: Scope.ALL,
    },
    Role.STATION: {Act.UPLOAD: Scope.ALL},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What decides who reaches a thing: the units it belongs to, the persons it was sent to."""

    unit_ids: frozenset[UUID] = field(default_factory=frozenset)
    sent_to_ids: frozenset[UUID] = field(default_factory=frozenset)


def scope(actor: Actor, act: Act) -> Scope:
    """The widest scope that the actor's roles give for `act`."""
    return max((_T.get(role, {}).get(act, Scope.NONE) for role in actor.roles), default=Scope.NONE)


def units_in_scope(actor: Actor, act: Act) -> frozenset[UUID] | None:
    """The units whose things the actor reaches for `act`; None means every unit's."""
    match scope(actor, act):
        case Scope.ALL:
            return None
        case Scope.HANDLING:
            return actor.hands_over | ({actor.unit_id} if actor.unit_id else frozenset())
        case Scope.UNIT:
            return frozenset({actor.unit_id}) if actor.unit_id else frozenset()
        case _:
            return frozenset()


def allows(actor: Actor, act: Act, reach: Reach | None = None) -> bool:
    """Whether the actor may do `act`, and to the thing that `reach` describes, if one is given."""
    if scope(actor, act) is Scope.NONE:
        return False
    if reach is None:
        return True
    units = units_in_scope(actor, act)
    if units is None or units & reach.unit_ids:
        return True
    # SENT is a floor that every wider scope includes.
    return actor.id in reach.sent_to_ids


def require(actor: Actor, act: Act, reach: Reach | None = None) -> None:
    """Raise AccessDenied unless `allows`."""
    if not allows(actor, act, reach):
        raise AccessDenied(act=act.value)
