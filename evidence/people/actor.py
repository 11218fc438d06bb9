"""Who is acting. Made by the server from a login or a token, never from what a client claims."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from uuid import UUID


class Role(enum.StrEnum):
    OFFICER = "officer"  # 执法人员
    HANDLER = "handler"  # 办案人员
    SUPERVISOR = "supervisor"  # 执法监督
    REVIEWER = "reviewer"  # 法制审核人员
    LEADER = "leader"  # 负责人
    ARCHIVIST = "archivist"  # 档案员
    AUDITOR = "auditor"  # 审计
    ADMINISTRATOR = "administrator"  # 管理员
    STATION = "station"  # 采集站: a dock, not a person


class ActorType(enum.StrEnum):
    """The vocabulary of the custody log, format version 1."""

    OFFICER = "officer"
    RECORDER = "recorder"
    SYSTEM = "system"
    PARTNER = "partner"


class Via(enum.StrEnum):
    """The vocabulary of the custody log, format version 1."""

    FIELD = "field"
    DOCK = "dock"
    CONSOLE = "console"
    API = "api"
    JOB = "job"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, in which roles, and for which units.

    `id` is the officer's id for a person with an officer behind the account, otherwise the
    account's or the station's own. `hands_over` are the units whose findings are handed to
    the actor's own unit (事权划分).
    """

    type: ActorType
    id: UUID
    via: Via
    name: str
    roles: frozenset[Role] = field(default_factory=frozenset)
    unit_id: UUID | None = None
    hands_over: frozenset[UUID] = field(default_factory=frozenset)


# The worker's own acts: sealing after a crash, probing, sweeping.
SYSTEM = Actor(type=ActorType.SYSTEM, id=UUID(int=0), via=Via.JOB, name="Zhenglian")
