"""Exhibits by any stretch of text: label, file name, recorder, wearer, linked case and party.

An index of short stretches answers within milliseconds, for Chinese too: FTS5 on SQLite, whose rows
keep the order of `position`; an inverted index (GIN) on PostgreSQL. Triggers keep it, whoever
writes. Nothing outside this module knows which.

Each V is frozen: create_all() makes them, the migrations run the same statements; a change is
another V and a migration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    TextClause,
    any_,
    cast,
    event,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import column, table
from sqlalchemy.sql.functions import FunctionElement

from evidence.base import Base
from evidence.exhibits.models import Exhibit
from evidence.grams import stretches, terms, words

# ASCII alone separates and folds; what is not ASCII is part of a token as it stands.
_TOKENIZE = "ascii tokenchars '!#$%&()*+,-./:;<=>?@[]^_`{|}~\\'"

_TERMS = 3  # merged in one search
_PROBED = 30  # rows of a term that are looked at to see how rare it is
# Of the newest rows, read one by one before the inverted index is asked: of words, and of a flag
# alone, for which no text is compared.
_WALKED = 10_000
_WALKED_FOR_FLAGS = 50_000
_LONG = 10  # stretches of a word

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

# What NFKC and a Unicode-wise lower() leave is what evidence.grams.folded() gives, but for letters
# such as ß. Stretches of one and two characters are kept besides, for words as short as that.
POSTGRESQL_V1 = (
    r"""CREATE FUNCTION folded(raw text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT btrim(regexp_replace(translate(lower(normalize(raw, NFKC) COLLATE "und-x-icu"),
'[(【［（])】］）', '〔〔〔〔〔〕〕〕〕〕'), '\s+', ' ', 'g')) $$""",
    """CREATE FUNCTION grams(content text, flags text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT array(
 SELECT DISTINCT substr(word, i, n) FROM unnest(string_to_array(content, ' ')) AS word,
  generate_series(1, length(word)) AS i,
  generate_series(1, CASE WHEN ascii(substr(word, i, 1)) < 128 THEN 3 ELSE 2 END) AS n
 UNION ALL SELECT 'flag:' || flag FROM unnest(string_to_array(flags, ' ')) AS flag) $$""",
    """CREATE VIEW exhibit_documents AS SELECT e.id, e.position,
folded(e.label || ' ' || e.filename || ' ' || e.recorder_claim
 || coalesce((SELECT ' ' || r.number FROM recorders r WHERE r.id = e.recorder_id), '')
 || coalesce((SELECT ' ' || o.name || ' ' || o.badge FROM officers o WHERE o.id = e.officer_id), '')
 || coalesce((SELECT ' ' || string_agg(l.target_text, ' ') FROM exhibit_links l
              WHERE l.exhibit_id = e.id AND l.unlinked_at IS NULL), '')) AS content,
coalesce((SELECT string_agg(value, ' ') FROM json_array_elements_text(e.flags)), '') AS flags
FROM exhibits e""",
    """CREATE TABLE exhibit_texts (position bigint PRIMARY KEY, content text NOT NULL,
flags text NOT NULL)""",
    """CREATE INDEX ix_exhibit_texts_grams ON exhibit_texts USING gin (grams(content, flags))
WITH (fastupdate = off)""",
    """CREATE FUNCTION exhibit_text_keep(which uuid) RETURNS void LANGUAGE sql AS $$
INSERT INTO exhibit_texts SELECT position, content, flags FROM exhibit_documents WHERE id = which
ON CONFLICT (position) DO UPDATE SET content = excluded.content, flags = excluded.flags
WHERE (exhibit_texts.content, exhibit_texts.flags) <> (excluded.content, excluded.flags) $$""",
    """CREATE FUNCTION exhibit_text_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM exhibit_text_keep(NEW.id); RETURN NULL; END $$""",
    """CREATE FUNCTION exhibit_link_text_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM exhibit_text_keep(NEW.exhibit_id); RETURN NULL; END $$""",
    """CREATE FUNCTION officer_text_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM exhibit_text_keep(id) FROM exhibits WHERE officer_id = NEW.id; RETURN NULL; END $$""",
    """CREATE TRIGGER exhibits_text_changed
AFTER INSERT OR UPDATE OF filename, flags, officer_id, recorder_id ON exhibits
FOR EACH ROW EXECUTE FUNCTION exhibit_text_changed()""",
    """CREATE TRIGGER exhibit_links_text_changed
AFTER INSERT OR UPDATE OF unlinked_at, target_text ON exhibit_links
FOR EACH ROW EXECUTE FUNCTION exhibit_link_text_changed()""",
    """CREATE TRIGGER officers_text_changed AFTER UPDATE OF name, badge ON officers
FOR EACH ROW EXECUTE FUNCTION officer_text_changed()""",
)
# Compiled to machine code for each text, which the planner takes for long work, cutting took 180 ms
# instead of a half. Our connections never compile, but the server's own ANALYZE and pg_restore do.
POSTGRESQL_V2 = ("ALTER FUNCTION grams(text, text) SET jit = off",)
# Taking V1 off again, for a migration downwards.
POSTGRESQL_V1_DROPS = (
    "DROP TRIGGER officers_text_changed ON officers",
    "DROP TRIGGER exhibit_links_text_changed ON exhibit_links",
    "DROP TRIGGER exhibits_text_changed ON exhibits",
    "DROP FUNCTION officer_text_changed()",
    "DROP FUNCTION exhibit_link_text_changed()",
    "DROP FUNCTION exhibit_text_changed()",
    "DROP FUNCTION exhibit_text_keep(uuid)",
    "DROP TABLE exhibit_texts",
    "DROP VIEW exhibit_documents",
    "DROP FUNCTION grams(text, text)",
    "DROP FUNCTION folded(text)",
)

# Known to queries, but not to Base.metadata: triggers alone write them.
_grams = table("exhibit_grams", column("rowid"))
_texts = Table(
    "exhibit_texts",
    MetaData(),
    Column("position", BigInteger),
    Column("content", Text),
    Column("flags", Text),
)
Bounds = Callable[[Any], list[ColumnElement[bool]]]


@event.listens_for(Base.metadata, "after_create")
def _create(_: Any, connection: Connection, tables: Any = (), **__: Any) -> None:
    made = {"sqlite": SQLITE_V1, "postgresql": (*POSTGRESQL_V1, *POSTGRESQL_V2)}
    if Exhibit.__table__ in tables:
        for statement in made[connection.dialect.name]:
            connection.exec_driver_sql(statement)


@event.listens_for(Base.metadata, "before_drop")
def _drop(_: Any, connection: Connection, tables: Any = (), **__: Any) -> None:
    if connection.dialect.name == "postgresql" and Exhibit.__table__ in tables:
        for statement in POSTGRESQL_V1_DROPS:
            connection.exec_driver_sql(statement)


def indexed(
    session: Session, words_of: str, flag: str | None, bounds: Bounds
) -> Sequence[Select[int]]:
    """Positions, newest first, of exhibits with these words and this flag.

    Each query gives the newest matches there are, the first of them perhaps fewer than there are:
    whoever finds enough by one needs no other. `bounds` are the conditions on a position.
    """
    if session.get_bind().dialect.name == "postgresql":
        return _by_inverted_index(words_of, flag, bounds)
    return [_by_fts5(session, words_of, flag)]


def _by_fts5(session: Session, words_of: str, flag: str | None) -> Select[int]:
    wanted = [f"content : {term}" for word in words(words_of) for term in terms(word)]
    rarest = _rarest(session, wanted)
    if flag:
        rarest.append(f'flags : "{flag}"')
    return (
        select(Exhibit.position)
        .join_from(_grams, Exhibit, Exhibit.position == _grams.c.rowid)
        .where(_match(" AND ".join(rarest)), contains(words_of))
        .order_by(_grams.c.rowid.desc())
    )


def _by_inverted_index(words_of: str, flag: str | None, bounds: Bounds) -> list[Select[int]]:
    """The newest rows one by one, where a common word soon fills a page; then by the index.

    The index knows nothing of the order: of a common word it brings every row.
    """
    newest = (
        select(_texts)
        .where(*bounds(_texts.c.position))
        .order_by(_texts.c.position.desc())
        .limit(_WALKED if words(words_of) else _WALKED_FOR_FLAGS)
        .subquery()
    )
    wanted = [stretch for word in words(words_of) for stretch in _some_of(stretches(word))]
    if flag:
        wanted.append(f"flag:{flag}")
    grams = func.grams(_texts.c.content, _texts.c.flags, type_=ARRAY(Text))
    walked = select(Exhibit.position).join_from(
        newest, Exhibit, Exhibit.position == newest.c.position
    )
    # Not along the table's own order: the planner would cut every text until a page is full. Sorted
    # before exhibits are looked at, of which most may be out of reach: that ends with the page.
    place = (_texts.c.position + 0).label("position")
    found = (
        select(place)
        .where(grams.contains(wanted), *bounds(_texts.c.position), *_in(_texts, words_of, flag))
        .order_by(place.desc())
        .subquery()
    )
    return [
        walked.where(*_in(newest, words_of, flag)).order_by(newest.c.position.desc()),
        select(Exhibit.position)
        .join_from(found, Exhibit, Exhibit.position == found.c.position)
        .order_by(found.c.position.desc()),
    ]


def _some_of(found: list[str]) -> list[str]:
    """Of a long word every second stretch, and the last: half as many lists are merged, and few
    rows have those and not the others, which their text then tells."""
    return found if len(found) < _LONG else [*found[:-1:2], found[-1]]


def _in(rows: FromClause, words_of: str, flag: str | None) -> list[ColumnElement[bool]]:
    found = [_stands_in(rows.c.content, word) for word in words(words_of)]
    if flag:
        found.append(literal(flag) == any_(func.string_to_array(rows.c.flags, " ")))
    return found


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


def contains(words_of: str) -> ColumnElement[bool]:
    """The same question of one exhibit at a time: for where something else narrows the search."""
    found = [_stands_in(_texts.c.content, word) for word in words(words_of)]
    return select(1).where(_texts.c.position == Exhibit.position, *found).exists()


class _Place(FunctionElement[int]):
    """The place of the second text in the first, from 1; 0 where it is not there."""

    type = Integer()
    inherit_cache = True
    name = "instr"


@compiles(_Place)
def _instr(element: _Place, compiler: Any, **kw: Any) -> str:
    return f"instr({compiler.process(element.clauses, **kw)})"


@compiles(_Place, "postgresql")
def _strpos(element: _Place, compiler: Any, **kw: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **kw)})"


def _stands_in(content: ColumnElement[str], word: str) -> ColumnElement[bool]:
    return _Place(content, word) > 0


def flagged(flag: str) -> ColumnElement[bool]:
    """Whether an exhibit carries `flag`, asked of one exhibit at a time."""
    return cast(Exhibit.flags, String).contains(f'"{flag}"', autoescape=True)
