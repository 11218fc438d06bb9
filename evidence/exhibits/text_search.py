"""Exhibits by any stretch of text: label, file name, recorder, wearer, linked case and party.

On SQLite an index of short stretches answers within milliseconds, for Chinese too, and keeps its
rows in the order of `position`; triggers keep it, whoever writes. Elsewhere the same question is
asked with LIKE. Nothing outside this module knows which.

V1 is frozen: create_all() makes it, the first migration runs the same statements; a change is a
V2 and a migration.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Select,
    String,
    Table,
    TextClause,
    and_,
    cast,
    event,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import column, table

from evidence.base import Base
from evidence.exhibits.models import Exhibit, ExhibitLink
from evidence.grams import terms, words
from evidence.people.models import Officer
from evidence.recorders.models import Recorder

# ASCII alone separates and folds; what is not ASCII is part of a token as it stands.
_TOKENIZE = "ascii tokenchars '!#$%&()*+,-./:;<=>?@[]^_`{|}~\\'"

_TERMS = 3  # merged in one search
_PROBED = 30  # rows of a term that are looked at to see how rare it is

_LABEL = re.compile(r"E\d{4}-\d{3,12}", re.ASCII | re.IGNORECASE)

SQLITE_V1 = (
    """CREATE VIEW exhibit_documents AS SELECT e.id, e.position,
folded(e.label || ' ' || e.filename || ' ' || e.recorder_claim
 || coalesce((SELECT ' ' || r.number FROM recorders r WHERE r.id = e.recorder_id), '')
 || coalesce((SELECT ' ' || o.name || ' ' || o.badge FROM officers o WHERE o.id = e.officer_id), '')
 || coalesce((SELECT ' ' || group_concat(l.target_text, ' ') FROM exhibit_links l
              WHERE l.exhibit_id = e.id AND l.unlinked_at IS NULL), '')) AS content,
coalesce((SELECT group_concat(value, ' ') FROM json_each(e.flags)), '') AS flags
FROM exhibits e""",
    """CREATE TABLE exhibit_texts (position INTEGER PRIMARY KEY, content TEXT NOT NULL,
flags TEXT NOT NULL)""",
    f"""CREATE VIRTUAL TABLE exhibit_grams USING fts5(content, flags, content='', columnsize=0,
tokenize="{_TOKENIZE}")""",
    """CREATE TRIGGER exhibit_texts_added AFTER INSERT ON exhibit_texts BEGIN
INSERT INTO exhibit_grams (rowid, content, flags)
VALUES (NEW.position, grams(NEW.content), NEW.flags); END""",
    """CREATE TRIGGER exhibit_texts_changed AFTER UPDATE ON exhibit_texts
WHEN OLD.content <> NEW.content OR OLD.flags <> NEW.flags BEGIN
INSERT INTO exhibit_grams (exhibit_grams, rowid, content, flags)
VALUES ('delete', OLD.position, grams(OLD.content), OLD.flags);
INSERT INTO exhibit_grams (rowid, content, flags)
VALUES (NEW.position, grams(NEW.content), NEW.flags); END""",
    """CREATE TRIGGER exhibits_text_added AFTER INSERT ON exhibits BEGIN
INSERT INTO exhibit_texts SELECT position, content, flags FROM exhibit_documents
WHERE id = NEW.id; END""",
    """CREATE TRIGGER exhibits_text_changed
AFTER UPDATE OF filename, flags, officer_id, recorder_id ON exhibits BEGIN
UPDATE exhibit_texts SET (content, flags) =
(SELECT content, flags FROM exhibit_documents WHERE id = NEW.id)
WHERE position = NEW.position; END""",
    """CREATE TRIGGER exhibit_links_text_added AFTER INSERT ON exhibit_links BEGIN
UPDATE exhibit_texts SET content = (SELECT content FROM exhibit_documents WHERE id = NEW.exhibit_id)
WHERE position = (SELECT position FROM exhibits WHERE id = NEW.exhibit_id); END""",
    """CREATE TRIGGER exhibit_links_text_changed
AFTER UPDATE OF unlinked_at, target_text ON exhibit_links BEGIN
UPDATE exhibit_texts SET content = (SELECT content FROM exhibit_documents WHERE id = NEW.exhibit_id)
WHERE position = (SELECT position FROM exhibits WHERE id = NEW.exhibit_id); END""",
    """CREATE TRIGGER officers_text_changed AFTER UPDATE OF name, badge ON officers BEGIN
UPDATE exhibit_texts SET content =
(SELECT content FROM exhibit_documents d WHERE d.position = exhibit_texts.position)
WHERE position IN (SELECT position FROM exhibits WHERE officer_id = NEW.id); END""",
)

# Known to queries, but not to Base.metadata: SQLite alone has them.
_grams = table("exhibit_grams", column("rowid"))
_texts = Table(
    "exhibit_texts", MetaData(), Column("position", key="position"), Column("content", String)
)


@event.listens_for(Base.metadata, "after_create")
def _create(_: Any, connection: Connection, tables: Any = (), **__: Any) -> None:
    if connection.dialect.name == "sqlite" and Exhibit.__table__ in tables:
        for statement in SQLITE_V1:
            connection.exec_driver_sql(statement)


def indexed(session: Session, words_of: str, flag: str | None) -> Select[int]:
    """SQLite: positions, newest first, of exhibits with these words and this flag."""
    wanted = [f"content : {term}" for word in words(words_of) for term in terms(word)]
    rarest = _rarest(session, wanted)
    if flag:
        rarest.append(f'flags : "{flag}"')
    return (
        select(Exhibit.position)
        .join_from(_grams, Exhibit, Exhibit.position == _grams.c.rowid)
        .where(_match(" AND ".join(rarest)), contains(words_of, "sqlite"))
        .order_by(_grams.c.rowid.desc())
    )


def _match(expression: str) -> TextClause:
    return text("exhibit_grams MATCH :grams").bindparams(grams=expression)


def _rarest(session: Session, wanted: list[str]) -> list[str]:
    """A few of the terms; of many, those whose newest rows reach back furthest.

    Reading the rows of a term that every file name has costs more than comparing the text of the
    rows that the rarer ones leave.
    """
    if len(wanted) <= _TERMS:
        return wanted

    def reaches_back_to(term: str) -> int:
        rows = select(_grams.c.rowid).where(_match(term)).order_by(_grams.c.rowid.desc())
        return session.scalar(rows.offset(_PROBED).limit(1)) or 0

    return sorted(wanted, key=reaches_back_to)[:_TERMS]


def as_label(words_of: str) -> str | None:
    """The label, or at least three digits of its number, where that is all that is asked for."""
    found = _LABEL.fullmatch(words_of.strip())
    return found[0].upper() if found else None


def labelled(label: str) -> ColumnElement[bool]:
    """Exhibits whose label begins so."""
    return Exhibit.label.between(label, label + "9" * 20)


def contains(words_of: str, dialect: str) -> ColumnElement[bool]:
    """The same question of one exhibit at a time: for where something else narrows the search."""
    if dialect == "sqlite":
        found = [func.instr(_texts.c.content, word) > 0 for word in words(words_of)]
        return select(1).where(_texts.c.position == Exhibit.position, *found).exists()
    return and_(*(_portable(word) for word in words_of.split()))


def _portable(word: str) -> ColumnElement[bool]:
    def has(what: Any) -> ColumnElement[bool]:
        return what.icontains(word, autoescape=True)  # type: ignore[no-any-return]

    officers = select(Officer.id).where(or_(has(Officer.name), has(Officer.badge)))
    recorders = select(Recorder.id).where(has(Recorder.number))
    links = select(ExhibitLink.exhibit_id).where(
        ExhibitLink.unlinked_at.is_(None), has(ExhibitLink.target_text)
    )
    return or_(
        has(Exhibit.label),
        has(Exhibit.filename),
        has(Exhibit.recorder_claim),
        Exhibit.officer_id.in_(officers),
        Exhibit.recorder_id.in_(recorders),
        Exhibit.id.in_(links),
    )


def flagged(flag: str) -> ColumnElement[bool]:
    """Whether an exhibit carries `flag`, asked of one exhibit at a time."""
    return cast(Exhibit.flags, String).contains(f'"{flag}"', autoescape=True)
