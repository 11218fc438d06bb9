"""What the domain's vocabulary is called on a page. Every enum value and error code has a name."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from evidence.cases.models import Sector, Stage
from evidence.custody.kinds import Kind
from evidence.dossier.models import DossierState
from evidence.exhibits.contradictions import Member
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import ExhibitState, Fixity, MediaState
from evidence.inspections.models import InspectionResult
from evidence.people.actor import Role, Via
from evidence.people.models import UnitKind
from evidence.recorders.models import RecorderStatus

ROLES = {
    Role.OFFICER: _l("Officer"),
    Role.HANDLER: _l("Case handler"),
    Role.SUPERVISOR: _l("Supervisor"),
    Role.REVIEWER: _l("Legal reviewer"),
    Role.LEADER: _l("Leader"),
    Role.ARCHIVIST: _l("Archivist"),
    Role.AUDITOR: _l("Auditor"),
    Role.ADMINISTRATOR: _l("Administrator"),
    Role.STATION: _l("Dock station"),
}
VIAS = {
    Via.FIELD: _l("field app"),
    Via.DOCK: _l("dock"),
    Via.CONSOLE: _l("console"),
    Via.API: _l("API"),
    Via.JOB: _l("automatic"),
}
UNIT_KINDS = {
    UnitKind.INSPECTION: _l("Inspection"),
    UnitKind.HANDLING: _l("Case handling"),
    UnitKind.BOTH: _l("Inspection and case handling"),
    UnitKind.LEGAL: _l("Legal"),
    UnitKind.DISCIPLINE: _l("Discipline"),
}
RECORDER_STATES = {
    RecorderStatus.IN_USE: _l("In use"),
    RecorderStatus.REPAIR: _l("In repair"),
    RecorderStatus.RETIRED: _l("Retired"),
}
# The word, the icon and the tone of a status: never colour alone.
EXHIBIT_STATES = {
    ExhibitState.SEALED: (_l("Sealed"), "shield-check", "good"),
    ExhibitState.QUARANTINED: (_l("Quarantined"), "shield-x", "bad"),
}
MEDIA_STATES = {
    MediaState.PENDING: (_l("Being read"), "circle-dashed", "quiet"),
    MediaState.READ: (_l("Readable"), "circle-check", "good"),
    MediaState.PARTIAL: (_l("Readable in part"), "alert-triangle", "warn"),
    MediaState.UNREADABLE: (_l("Unreadable"), "video-off", "warn"),
    MediaState.NOT_MEDIA: (_l("Not a recording"), "file-unknown", "warn"),
}
FLAGS = {
    Flag.NAME_UNPARSED: _l("The file name follows no known recorder's pattern"),
    Flag.NAME_SUSPECT: _l("The file name has path parts, hidden characters or is over-long"),
    Flag.NAME_COLLISION: _l("Same recorder and name as another exhibit, but other bytes"),
    Flag.TIME_MISSING: _l("No recording time was given"),
    Flag.TIME_NAIVE: _l("Recording time without time zone: taken as Beijing time"),
    Flag.TIME_UNREADABLE: _l("The recording time cannot be read"),
    Flag.CLOCK_SUSPECT: _l("The recorder's clock was ahead of ours"),
    Flag.LATE_UPLOAD: _l("Docked more than 24 hours after recording"),
    Flag.RECORDER_UNKNOWN: _l("Recorder not in the register"),
    Flag.WEARER_UNKNOWN: _l("No check-out covers the recording time: wearer unknown"),
    Flag.CONTENT_MISMATCH: _l("The content is not what the file name says"),
    Flag.DIGEST_UNCLAIMED: _l("The source sent no digest of its own"),
    Flag.CLAIMS_DIFFER: _l("The same bytes came again with another recorder or recording time"),
    Flag.SENT_FROM_ELSEWHERE: _l("Sent in by an officer of another unit"),
    Flag.CASE_UNKNOWN: _l("The case named at the source was not found, or could not be linked"),
}
# What of an exhibit is not as the log has it.
MEMBERS = {
    Member.HISTORY: _l("The history itself: an event is missing, there twice, or altered"),
    Member.STATE: _l("State"),
    Member.LABEL: _l("Label"),
    Member.UPLOAD: _l("Upload"),
    Member.FILENAME: _l("File name"),
    Member.SIZE: _l("Size in bytes"),
    Member.SHA256: _l("Digest"),
    Member.SM3: _l("SM3 digest"),
    Member.SHA256_CLAIM: _l("Digest at the source"),
    Member.SHA256_RECEIVED: _l("Digest as received"),
    Member.SHA256_READ_BACK: _l("Digest read back from storage"),
    Member.SEGMENTS: _l("Digest of the segments"),
    Member.RECORDED_AT: _l("Recorded, by the device"),
    Member.RECORDED_AT_CLAIM: _l("Recording time as claimed"),
    Member.RECORDER: _l("Recorder"),
    Member.RECORDER_CLAIM: _l("Recorder as claimed"),
    Member.WEARER: _l("Wearer"),
    Member.UNIT: _l("Unit"),
    Member.RECEIVED_AT: _l("Received"),
    Member.SEALED_AT: _l("Sealed"),
    Member.FLAGS: _l("To be looked at"),
    Member.MEDIA_TYPE: _l("Type"),
    Member.MEDIA_STATE: _l("What the media tools said"),
    Member.FIXITY: _l("Whether the original was found altered"),
    Member.POSTER: _l("Digest of the poster"),
    Member.LINKS: _l("Links"),
    Member.ORIGINAL: _l("Bytes of the original in the store"),
    Member.LEDGER: _l("Wearer, against the events of the recorder's ledger"),
}
FIXITY = {
    Fixity.INTACT: (_l("Read again: intact"), "shield-check", "good"),
    Fixity.UNCHECKED: (_l("Not read again yet"), "circle-dashed", "quiet"),
    Fixity.UNREADABLE: (_l("Original unreadable"), "alert-triangle", "bad"),
    Fixity.ALTERED: (_l("Original altered"), "shield-x", "bad"),
}
STAGES = {
    Stage.FILED: _l("Filed"),
    Stage.INVESTIGATING: _l("Investigating"),
    Stage.DECIDED: _l("Decided"),
    Stage.CLOSED: _l("Closed"),
    Stage.ARCHIVED: _l("Archived"),
}
SECTORS = {
    Sector.FOOD: _l("Food"),
    Sector.DRUG_DEVICE: _l("Drugs and devices"),
    Sector.SPECIAL_EQUIPMENT: _l("Special equipment"),
    Sector.PRODUCT_QUALITY: _l("Product quality"),
    Sector.OTHER: _l("Other"),
}
RESULTS = {
    InspectionResult.NO_FINDING: _l("Nothing found"),
    InspectionResult.CORRECTION_ORDERED: _l("Correction ordered"),
    InspectionResult.CLUE_HANDED_OVER: _l("Clue handed over"),
    InspectionResult.REFUSED: _l("Inspection refused"),
}
# What happened, its icon, and its lane in the timeline picture.
KINDS = {
    Kind.UPLOAD_TERMINATED: (_l("Upload given up"), "x"),
    Kind.UPLOAD_EXPIRED: (_l("Upload expired"), "clock"),
    Kind.EXHIBIT_ACQUIRED: (_l("Acquired"), "upload"),
    Kind.EXHIBIT_ATTRIBUTED: (_l("Attributed to a recorder entered later"), "camera"),
    Kind.EXHIBIT_SEALED: (_l("Sealed"), "shield-check"),
    Kind.EXHIBIT_QUARANTINED: (_l("Quarantined"), "shield-x"),
    Kind.EXHIBIT_RECEIVED_AGAIN: (_l("Same bytes received again"), "copy"),
    Kind.EXHIBIT_PROBED: (_l("Read by the media tools"), "movie"),
    Kind.EXHIBIT_DIGESTED: (_l("SM3 digest taken"), "fingerprint"),
    Kind.EXHIBIT_ALTERED: (_l("Found altered"), "shield-x"),
    Kind.EXHIBIT_UNREADABLE: (_l("Found unreadable"), "alert-triangle"),
    Kind.EXHIBIT_READABLE_AGAIN: (_l("Readable again, as sealed"), "shield-check"),
    Kind.EXHIBIT_VIEWED: (_l("Viewed"), "eye"),
    Kind.EXHIBIT_PLAYED: (_l("Played"), "player-play"),
    Kind.EXHIBIT_DOWNLOADED: (_l("Downloaded"), "download"),
    Kind.EXHIBIT_PROVED: (_l("Proof made"), "file-certificate"),
    Kind.EXHIBIT_EXPORTED: (_l("Put into a dossier"), "file-certificate"),
    Kind.EXHIBIT_LINKED: (_l("Linked"), "link"),
    Kind.EXHIBIT_UNLINKED: (_l("Unlinked"), "link-off"),
    Kind.CASE_FILED: (_l("Case filed"), "folder"),
    Kind.CASE_CHANGED: (_l("Case changed"), "refresh"),
    Kind.CASE_EXPORTED: (_l("Dossier asked for"), "file-certificate"),
    Kind.DOSSIER_MADE: (_l("Dossier made"), "file-certificate"),
    Kind.DOSSIER_DOWNLOADED: (_l("Dossier downloaded"), "download"),
    Kind.DOSSIER_RECEIVED: (_l("Dossier signed for"), "check"),
    Kind.CASE_VIEWED: (_l("Case viewed"), "eye"),
    Kind.INSPECTION_RECORDED: (_l("Inspection recorded"), "clipboard-list"),
    Kind.RECORDER_REGISTERED: (_l("Recorder registered"), "plus"),
    Kind.RECORDER_CHANGED: (_l("Recorder changed"), "refresh"),
    Kind.RECORDER_CHECKED_OUT: (_l("Recorder checked out"), "arrow-right"),
    Kind.RECORDER_CHECKED_IN: (_l("Recorder checked in"), "arrow-left"),
    Kind.UNIT_REGISTERED: (_l("Unit entered"), "plus"),
    Kind.UNIT_CHANGED: (_l("Unit changed"), "refresh"),
    Kind.OFFICER_REGISTERED: (_l("Officer entered"), "plus"),
    Kind.OFFICER_CHANGED: (_l("Officer changed"), "refresh"),
    Kind.ACCOUNT_CREATED: (_l("Account created"), "user"),
    Kind.ACCOUNT_CHANGED: (_l("Account changed"), "refresh"),
    Kind.ACCOUNT_LOCKED: (_l("Account locked"), "lock"),
    Kind.ACCOUNT_TOKEN_ISSUED: (_l("Token issued"), "key"),
    Kind.ACCOUNT_TOKEN_REVOKED: (_l("Token revoked"), "ban"),
    Kind.LOG_STARTED: (_l("Log started"), "database"),
    Kind.LOG_KEYS_CHANGED: (_l("Log's key changed"), "key"),
    Kind.LOG_REFUSED: (_l("Refused by a witness"), "alert-triangle"),
    Kind.LOG_CLOCK_WENT_BACK: (_l("Clock went back"), "clock"),
    Kind.LOG_VERIFIED: (_l("Log verified"), "checks"),
}
DOSSIER_STATES = {
    DossierState.PREPARING: (_l("Being put together"), "circle-dashed", "quiet"),
    DossierState.READY: (_l("Ready"), "circle-check", "good"),
    DossierState.FAILED: (_l("Not made"), "alert-triangle", "bad"),
}
EVENT_STATES = {
    "sequenced": (_l("In the signed log"), "circle-check", "good"),
    "pending": (_l("Waiting for its checkpoint"), "circle-dashed", "quiet"),
    "altered": (_l("Altered in the database"), "shield-x", "bad"),
}
PROBLEMS = {
    "bad_request": _l("The request was not complete. Go back and try again."),
    "not_authenticated": _l("Log in first."),
    "login_failed": _l("The user name or the password is wrong."),
    "login_refused": _l("Too many wrong passwords. Wait a little before the next attempt."),
    "access_denied": _l("Your role does not allow this. Ask whoever it is the task of."),
    "inspection_separated_from_penalty": _l(
        "Inspection is separated from penalty: an inspection unit files no case. "
        "Hand the clue over to your handling unit."
    ),
    "not_found": _l("There is no such thing here, or you may not see it."),
    "case_not_found": _l(
        "No case has this number, or it is not your unit's. Check the number, or file the case."
    ),
    "malformed_case_number": _l(
        "This is not a case number. It looks like 衡东市监罚字〔2023〕451号: abbreviation, 市监, "
        "kind, the year in four digits in brackets, the number, 号."
    ),
    "method_not_allowed": _l("This address does not take such a request."),
    "upload_too_large": _l("That is larger than this server accepts."),
    "invalid_input": _l("Something in the form cannot be accepted as it stands."),
    "too_many_requests": _l("Too many requests. Wait a little."),
    "case_archived": _l("The case is archived; only an archivist may still link to it."),
    "exhibit_quarantined": _l(
        "An exhibit in quarantine cannot be linked: its digests differ. Take it off the selection."
    ),
    "explanation_needed": _l(
        "A recorder's clock was ahead of ours. Say in the note why the recording belongs there."
    ),
    "already_checked_out": _l("The recorder is checked out already. Check it in first."),
    "not_checked_out": _l("The recorder is not checked out."),
    "checkout_overlaps": _l("Another check-out of this recorder covers part of that time."),
    "dossier_not_ready": _l("The dossier is still being put together. Try again in a moment."),
    "changed_meanwhile": _l(
        "Somebody else has changed this since you opened the page. What you typed is still here: "
        "compare it with what was entered meanwhile, below, and save it if it is still right."
    ),
    "name_taken": _l("Another has this name or number already. Choose a different one."),
    "administrator_needed": _l("An administrator must remain who can log in."),
    "hands_over": _l(
        "Only to another unit that handles cases can cases be handed over; and whom others hand "
        "over to must go on handling them."
    ),
    "certificate_days": _l("A certificate ends on the day on which it begins, or later."),
    "password_length": _l("A password has 10 to 200 characters."),
    "conflict": _l("This cannot be done in the present state."),
    "identifier_reused": _l("This identifier was used before with other content."),
    "naive_time": _l("Give the time with its time zone."),
    "database_unavailable": _l("The database cannot be reached just now. Try again in a moment."),
    "wrote_at_once": _l("Somebody else wrote the same at the same moment. Try again."),
    "storage_unavailable": _l("The storage cannot be reached just now. Try again in a moment."),
    "storage_misconfigured": _l("The storage refuses this server. Tell your administrator."),
    "storage_full": _l("The storage is full. Tell your administrator."),
    "log_not_ready": _l("The event is not in a signed checkpoint yet. Try again in a moment."),
    "original_missing": _l("The bytes of this original are not where they should be."),
}
JOBS = {
    "seal": _l("Sealing an upload"),
    "read_media": _l("Reading a recording's facts"),
    "read_again": _l("Reading an original again"),
    "make_dossier": _l("Putting a dossier together"),
}
