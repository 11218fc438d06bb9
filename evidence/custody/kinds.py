"""The closed vocabulary of custody events, and the details that each kind must carry.

Frozen once released: kinds are added, never renamed. A detail is a JSON string, integer,
boolean, null, or a list or object of them; no floats, so that canonical bytes are the same
everywhere.
"""

from __future__ import annotations

import enum


class SubjectType(enum.StrEnum):
    EXHIBIT = "exhibit"
    UPLOAD = "upload"
    CASE = "case"
    INSPECTION = "inspection"
    RECORDER = "recorder"
    UNIT = "unit"
    OFFICER = "officer"
    ACCOUNT = "account"
    DOSSIER = "dossier"
    LOG = "log"


class Kind(enum.StrEnum):
    """`noun:verb`, in the past tense."""

    UPLOAD_TERMINATED = "upload:terminated"
    UPLOAD_EXPIRED = "upload:expired"

    EXHIBIT_ACQUIRED = "exhibit:acquired"  # taken in: the claims, who, from where
    EXHIBIT_ATTRIBUTED = "exhibit:attributed"  # to a recorder that was entered later
    EXHIBIT_SEALED = "exhibit:sealed"  # three digests equal, filed write-once
    EXHIBIT_QUARANTINED = "exhibit:quarantined"  # which digests differed
    EXHIBIT_RECEIVED_AGAIN = "exhibit:received_again"  # the same bytes came once more
    EXHIBIT_PROBED = "exhibit:probed"  # what the media tools read; poster's provenance
    EXHIBIT_DIGESTED = "exhibit:digested"  # read again, intact: its SM3 was taken, which it had not
    EXHIBIT_ALTERED = "exhibit:altered"  # read again, the original was other bytes
    EXHIBIT_UNREADABLE = "exhibit:unreadable"  # it was gone, or could not be read
    EXHIBIT_READABLE_AGAIN = "exhibit:readable_again"  # and is as it was sealed
    EXHIBIT_VIEWED = "exhibit:viewed"
    EXHIBIT_PLAYED = "exhibit:played"
    EXHIBIT_DOWNLOADED = "exhibit:downloaded"
    EXHIBIT_PROVED = "exhibit:proved"  # a proof was made; commits to the events before it
    EXHIBIT_EXPORTED = "exhibit:exported"  # it is in a dossier for outsiders
    EXHIBIT_LINKED = "exhibit:linked"
    EXHIBIT_UNLINKED = "exhibit:unlinked"

    CASE_FILED = "case:filed"
    CASE_CHANGED = "case:changed"
    CASE_EXPORTED = "case:exported"
    CASE_VIEWED = "case:viewed"
    DOSSIER_MADE = "dossier:made"  # commits to every byte of what is handed out
    DOSSIER_DOWNLOADED = "dossier:downloaded"
    DOSSIER_RECEIVED = "dossier:received"  # somebody has signed for it
    INSPECTION_RECORDED = "inspection:recorded"

    RECORDER_REGISTERED = "recorder:registered"
    RECORDER_CHANGED = "recorder:changed"  # as it is from then on
    RECORDER_CHECKED_OUT = "recorder:checked_out"
    RECORDER_CHECKED_IN = "recorder:checked_in"

    UNIT_REGISTERED = "unit:registered"
    UNIT_CHANGED = "unit:changed"  # as it is from then on
    OFFICER_REGISTERED = "officer:registered"
    OFFICER_CHANGED = "officer:changed"  # as he or she is from then on

    ACCOUNT_CREATED = "account:created"
    ACCOUNT_CHANGED = "account:changed"  # roles, password, officer, whether it may log in
    ACCOUNT_LOCKED = "account:locked"
    ACCOUNT_TOKEN_ISSUED = "account:token_issued"  # noqa: S105
    ACCOUNT_TOKEN_REVOKED = "account:token_revoked"  # noqa: S105

    LOG_STARTED = "log:started"
    LOG_KEYS_CHANGED = "log:keys_changed"  # which keys sign from here on
    LOG_CLOCK_WENT_BACK = "log:clock_went_back"
    LOG_REFUSED = "log:refused"  # a witness has seen another history of this log
    LOG_VERIFIED = "log:verified"  # somebody had the log re-read; what was found


# The members that details must have, and no others. A trailing ? marks one that may be absent.
DETAILS: dict[Kind, frozenset[str]] = {
    Kind.UPLOAD_TERMINATED: frozenset({"filename", "offset"}),
    Kind.UPLOAD_EXPIRED: frozenset({"filename", "offset"}),
    Kind.EXHIBIT_ACQUIRED: frozenset(
        {
            "label",
            "upload",
            "filename",
            "size",
            "recorded_at_claim",
            "recorded_at?",  # as the claim was understood, in UTC
            "recorder_claim",
            "recorder",
            "wearer",
            "unit",
            "received_at",
            "sha256_claim",
            "flags",
        }
    ),
    Kind.EXHIBIT_ATTRIBUTED: frozenset({"number", "recorder", "wearer", "unit", "flags"}),
    Kind.EXHIBIT_SEALED: frozenset(
        {
            "size",
            "sha256",
            "sha256_claim",
            "sha256_received",
            "sm3?",
            "sm3_claim?",
            "segments_sha256",
            "segments",
        }
    ),
    Kind.EXHIBIT_QUARANTINED: frozenset(
        {
            "size",
            "sha256_claim",
            "sha256_received",
            "sha256_read_back",
            "sm3_claim?",
            "sm3_read_back?",
            "segments_sha256",
            "segments",
            "differed",
        }
    ),
    Kind.EXHIBIT_RECEIVED_AGAIN: frozenset(
        {"upload", "filename", "recorder_claim", "recorded_at_claim?", "sha256"}
    ),
    Kind.EXHIBIT_PROBED: frozenset(
        {"media_type", "media_state", "tool", "poster_sha256?", "poster_arguments?", "problem?"}
    ),
    Kind.EXHIBIT_ALTERED: frozenset(
        # segments: the numbers of those that differ, from 0; the first thousand
        {"sha256", "sha256_found", "size", "size_found", "segments"}
    ),
    Kind.EXHIBIT_DIGESTED: frozenset({"sha256", "sm3"}),
    Kind.EXHIBIT_UNREADABLE: frozenset({"sha256", "problem"}),
    Kind.EXHIBIT_READABLE_AGAIN: frozenset({"sha256"}),
    Kind.EXHIBIT_VIEWED: frozenset(),
    # `url_seconds`: the storage service hands the bytes out itself, for so long.
    Kind.EXHIBIT_PLAYED: frozenset({"url_seconds?"}),
    Kind.EXHIBIT_DOWNLOADED: frozenset({"sha256", "url_seconds?"}),
    Kind.EXHIBIT_PROVED: frozenset({"events", "entries_sha256", "sha256", "size"}),
    Kind.EXHIBIT_EXPORTED: frozenset({"dossier", "reason", "sha256"}),
    Kind.EXHIBIT_LINKED: frozenset({"to", "id", "number?", "note", "sha256"}),
    Kind.EXHIBIT_UNLINKED: frozenset({"to", "id", "number?", "reason"}),
    Kind.CASE_FILED: frozenset({"number", "unit"}),
    Kind.CASE_CHANGED: frozenset({"number", "changed"}),
    Kind.CASE_EXPORTED: frozenset({"number", "dossier", "reason"}),
    Kind.DOSSIER_MADE: frozenset(
        {"label", "of", "id", "reason", "manifest_sha256", "bag_info_sha256", "exhibits", "files"}
    ),
    Kind.DOSSIER_DOWNLOADED: frozenset({"manifest_sha256"}),
    Kind.DOSSIER_RECEIVED: frozenset({"manifest_sha256", "recipient", "organisation"}),
    Kind.CASE_VIEWED: frozenset({"number"}),
    Kind.INSPECTION_RECORDED: frozenset({"content_sha256", "unit", "officers"}),
    Kind.RECORDER_REGISTERED: frozenset({"number", "unit"}),
    Kind.RECORDER_CHANGED: frozenset(
        {"number", "unit", "unit_before", "status", "status_before", "model", "serial"}
    ),
    Kind.RECORDER_CHECKED_OUT: frozenset({"checkout", "officer", "at"}),
    Kind.RECORDER_CHECKED_IN: frozenset({"checkout", "officer", "at"}),
    Kind.UNIT_REGISTERED: frozenset({"name", "unit_kind", "hands_over_to"}),
    Kind.UNIT_CHANGED: frozenset({"name", "unit_kind", "hands_over_to"}),
    Kind.OFFICER_REGISTERED: frozenset({"name", "badge", "unit", "status", "certificates"}),
    Kind.OFFICER_CHANGED: frozenset({"name", "badge", "unit", "status", "certificates"}),
    Kind.ACCOUNT_CREATED: frozenset({"roles", "officer?"}),
    Kind.ACCOUNT_CHANGED: frozenset({"changed", "roles", "active", "officer?"}),
    Kind.ACCOUNT_LOCKED: frozenset({"failures", "until"}),
    Kind.ACCOUNT_TOKEN_ISSUED: frozenset({"token", "scope", "expires_at"}),
    Kind.ACCOUNT_TOKEN_REVOKED: frozenset({"token"}),
    Kind.LOG_STARTED: frozenset({"origin", "verifier_key"}),
    Kind.LOG_KEYS_CHANGED: frozenset({"verifier_keys", "lost"}),
    Kind.LOG_CLOCK_WENT_BACK: frozenset({"seconds"}),
    Kind.LOG_REFUSED: frozenset({"witness", "size", "witness_size?", "problem"}),
    Kind.LOG_VERIFIED: frozenset({"size", "first", "checked", "intact", "problem"}),
}
