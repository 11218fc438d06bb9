"""Triggers by which the database itself refuses to change or delete an event.

The one allowed change is leaf_index from NULL to a number, once. create_all() makes them;
the first migration runs the same statements. V1 is frozen: a change is a V2 and a migration.
"""

from __future__ import annotations

from sqlalchemy import DDL, event

from evidence.custody.models import CustodyEvent

_KEPT = (
    "position",
    "id",
    "at",
    "kind",
    "subject_type",
    "subject_id",
    "actor_type",
    "actor_id",
    "via",
    "canonical",
    "entry",
)
_SAME_SQLITE = " AND ".join(f"OLD.{c} IS NEW.{c}" for c in _KEPT)
_SAME_POSTGRESQL = " AND ".join(f"OLD.{c} IS NOT DISTINCT FROM NEW.{c}" for c in _KEPT)
_REFUSAL = "custody_events is append-only"

SQLITE_V1 = (
    f"""CREATE TRIGGER custody_events_no_update BEFORE UPDATE ON custody_events
WHEN NOT (OLD.leaf_index IS NULL AND NEW.leaf_index IS NOT NULL AND {_SAME_SQLITE})
BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END""",
    f"""CREATE TRIGGER custody_events_no_delete BEFORE DELETE ON custody_events
BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END""",
    # OR REPLACE deletes the row in its way without firing delete triggers; so refuse whatever it
    # would replace. An event comes without a place in the tree, and gets one that is free.
    """CREATE TRIGGER custody_events_no_replace BEFORE INSERT ON custody_events
WHEN NEW.leaf_index IS NOT NULL OR EXISTS (
  SELECT 1 FROM custody_events WHERE id = NEW.id OR position = NEW.position)
BEGIN SELECT RAISE(ABORT, 'custody_events is append-only'); END""",
    """CREATE TRIGGER custody_events_no_taken_place BEFORE UPDATE ON custody_events
WHEN EXISTS (SELECT 1 FROM custody_events WHERE leaf_index = NEW.leaf_index)
BEGIN SELECT RAISE(ABORT, 'custody_events is append-only'); END""",
)

POSTGRESQL_V1 = (
    f"""CREATE FUNCTION custody_events_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.leaf_index IS NULL AND NEW.leaf_index IS NOT NULL
     AND {_SAME_POSTGRESQL} THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '{_REFUSAL}';
END $$""",
    """CREATE TRIGGER custody_events_no_change BEFORE UPDATE OR DELETE ON custody_events
FOR EACH ROW EXECUTE FUNCTION custody_events_guard()""",
    """CREATE TRIGGER custody_events_no_truncate BEFORE TRUNCATE ON custody_events
FOR EACH STATEMENT EXECUTE FUNCTION custody_events_guard()""",
)

for _statement in SQLITE_V1:
    event.listen(
        CustodyEvent.__table__,
        "after_create",
        DDL(_statement).execute_if(dialect="sqlite"),  # type: ignore[no-untyped-call]
    )
for _statement in POSTGRESQL_V1:
    event.listen(
        CustodyEvent.__table__,
        "after_create",
        DDL(_statement.replace("%", "%%")).execute_if(  # type: ignore[no-untyped-call]
            dialect="postgresql"
        ),
    )
