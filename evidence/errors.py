"""One tree of errors. Each class has a permanent code that outsiders may rely on.

The message says what happened and what a person can do about it, in English; pages translate
by code. `facts` are the values that the sentence needs (a number, a name, a limit). The HTTP
status of each class stands in server/problems.py alone.
"""

from __future__ import annotations


class EvidenceError(Exception):
    """The root. Never raised itself."""

    code = "evidence_error"

    def __init__(self, message: str = "", **facts: object) -> None:
        super().__init__(message or (self.__doc__ or "").split("\n", 1)[0])
        self.facts = facts


# ── input ────────────────────────────────────────────────────────────────────────────────
class InvalidInput(EvidenceError):
    """What was sent cannot be accepted as it stands."""

    code = "invalid_input"


class MalformedCaseNumber(InvalidInput):
    """This is not a case number such as 衡东市监罚字〔2023〕451号."""

    code = "malformed_case_number"


class MalformedUploadMetadata(InvalidInput):
    """The Upload-Metadata header cannot be read."""

    code = "malformed_upload_metadata"


class CertificateNotValid(InvalidInput):
    """An officer named held no valid certificate on that day."""

    code = "certificate_not_valid"


class ExplanationNeeded(InvalidInput):
    """The recorder's clock is in doubt: say in the note why the recording belongs there."""

    code = "explanation_needed"


class TooFewOfficers(InvalidInput):
    """An inspection needs at least two officers."""

    code = "too_few_officers"


class CertificateDays(InvalidInput):
    """A certificate is valid from a day until that day or a later one."""

    code = "certificate_days"


class HandsOver(InvalidInput):
    """A unit hands its cases over to another unit, which handles cases."""

    code = "hands_over"


class PasswordLength(InvalidInput):
    """The password is too short or too long."""

    code = "password_length"


class NaiveTime(InvalidInput):
    """A time without its offset from UTC is ambiguous."""

    code = "naive_time"


# ── login ────────────────────────────────────────────────────────────────────────────────
class NotAuthenticated(EvidenceError):
    """Log in first, or send a token that is valid."""

    code = "not_authenticated"


class LoginFailed(NotAuthenticated):
    """The user name or the password is wrong."""

    code = "login_failed"


class LoginRefused(EvidenceError):
    """Too many wrong passwords: wait before the next attempt."""

    code = "login_refused"


# ── access ───────────────────────────────────────────────────────────────────────────────
class AccessDenied(EvidenceError):
    """Your role does not allow this."""

    code = "access_denied"


class InspectionSeparatedFromPenalty(AccessDenied):
    """Inspection is separated from penalty (检查与处罚相分离): an inspection unit files no case."""

    code = "inspection_separated_from_penalty"


# ── not there ────────────────────────────────────────────────────────────────────────────
class NotFound(EvidenceError):
    """There is no such thing here, or you may not see it."""

    code = "not_found"


class CaseNotFound(NotFound):
    """No case has this number."""

    code = "case_not_found"


class UploadGone(NotFound):
    """This upload was terminated or has expired."""

    code = "upload_gone"


# ── state ────────────────────────────────────────────────────────────────────────────────
class Conflict(EvidenceError):
    """This cannot be done in the present state."""

    code = "conflict"


class NameTaken(Conflict):
    """Another has this name or number already."""

    code = "name_taken"


class AdministratorNeeded(Conflict):
    """An administrator must remain: nobody could open accounts any more."""

    code = "administrator_needed"


class ChangedMeanwhile(Conflict):
    """Somebody else has changed this since you opened it. Look at it as it is now."""

    code = "changed_meanwhile"


class CaseArchived(Conflict):
    """The case is archived; only an archivist may still link to it."""

    code = "case_archived"


class ExhibitQuarantined(Conflict):
    """The exhibit is in quarantine: its digests differ, and it cannot be linked."""

    code = "exhibit_quarantined"


class IdentifierReused(Conflict):
    """This identifier was used before with other content."""

    code = "identifier_reused"


class AlreadyCheckedOut(Conflict):
    """The recorder is checked out already; check it in first."""

    code = "already_checked_out"


class NotCheckedOut(Conflict):
    """The recorder is not checked out."""

    code = "not_checked_out"


class CheckoutOverlaps(Conflict):
    """Another check-out of this recorder covers part of that time."""

    code = "checkout_overlaps"


# ── uploads ──────────────────────────────────────────────────────────────────────────────
class OffsetMismatch(Conflict):
    """Upload-Offset is not where this upload stands; ask with HEAD."""

    code = "offset_mismatch"


class UploadLeased(Conflict):
    """Another writer holds this upload just now."""

    code = "upload_leased"


class UploadComplete(Conflict):
    """The upload is complete already."""

    code = "upload_complete"


class UploadSealed(AccessDenied):
    """A sealed original cannot be terminated."""

    code = "upload_sealed"


class ChecksumMismatch(EvidenceError):
    """The checksum sent is not that of the bytes received; send them again."""

    code = "checksum_mismatch"


class UnsupportedChecksum(InvalidInput):
    """This checksum algorithm is not one of those offered."""

    code = "unsupported_checksum"


class UploadTooLarge(EvidenceError):
    """Longer than the largest upload that this server accepts."""

    code = "upload_too_large"


class LengthExceeded(InvalidInput):
    """More bytes arrived than the declared length."""

    code = "length_exceeded"


# ── storage ──────────────────────────────────────────────────────────────────────────────
class StorageError(EvidenceError):
    """The storage could not do what was asked."""

    code = "storage_error"


class DatabaseUnavailable(EvidenceError):
    """The database cannot be reached or written just now. Try again in a moment."""

    code = "database_unavailable"


class WroteAtOnce(EvidenceError):
    """Somebody else wrote the same at the same moment. Send it again."""

    code = "wrote_at_once"


class StorageUnavailable(StorageError):
    """The storage cannot be reached just now; nothing was acknowledged. Try again."""

    code = "storage_unavailable"


class StorageMisconfigured(StorageUnavailable):
    """The storage refuses this server's settings; only its administrator can correct them."""

    code = "storage_misconfigured"


class StorageFull(StorageError):
    """There is no room for this upload."""

    code = "storage_full"


class OriginalMissing(StorageError):
    """The bytes of this original are not where they should be."""

    code = "original_missing"


class FixityMismatch(StorageError):
    """The bytes read back are not the bytes that were expected."""

    code = "fixity_mismatch"


# ── custody log ──────────────────────────────────────────────────────────────────────────
class CustodyError(EvidenceError):
    """The custody log refuses this."""

    code = "custody_error"


class EventInvalid(CustodyError):
    """The event does not have the members that its kind needs."""

    code = "event_invalid"


class LogForked(CustodyError):
    """Two heads of the log contradict each other. Stop, and keep everything."""

    code = "log_forked"


class LogNotReady(CustodyError):
    """The event is not in a signed checkpoint yet; try again in a moment."""

    code = "log_not_ready"


class LogUnknown(CustodyError):
    """This witness was not told to watch that log."""

    code = "log_unknown"


class CheckpointConflict(CustodyError):
    """The checkpoint does not go on from the one that the witness has; `size` is that one's."""

    code = "checkpoint_conflict"


class TimestampInvalid(CustodyError):
    """This is not a time stamp of that checkpoint by that authority."""

    code = "timestamp_invalid"


class ProofBroken(CustodyError):
    """What was given does not prove what it says."""

    code = "proof_broken"


class NoteMalformed(CustodyError):
    """This is not a signed note."""

    code = "note_malformed"


class SignatureInvalid(CustodyError):
    """No signature by a trusted key verifies."""

    code = "signature_invalid"


# ── media ────────────────────────────────────────────────────────────────────────────────
class MediaUnreadable(EvidenceError):
    """ffmpeg or Pillow cannot read this; the exhibit keeps its bytes all the same."""

    code = "media_unreadable"


class MediaToolFailed(EvidenceError):
    """The media tool is missing, ran out of time or ran out of memory."""

    code = "media_tool_failed"


class MediaToolOverran(MediaToolFailed):
    """The media tool ran out of time or memory on this file."""

    code = "media_tool_overran"


# ── dossier ──────────────────────────────────────────────────────────────────────────────
class CertificateNotMade(EvidenceError):
    """The certificate could not be set as a PDF."""

    code = "certificate_not_made"


class DossierNotReady(Conflict):
    """The dossier is still being put together; try again in a moment."""

    code = "dossier_not_ready"
