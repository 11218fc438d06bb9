"""Searching exhibits: any filters give what reading every row gives, in pages that stay put."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from evidence.base import Base
from evidence.errors import AccessDenied, InvalidInput
from evidence.exhibits import candidates, finding, text_search
from evidence.exhibits.finding import Filters
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import Exhibit, ExhibitLink, ExhibitState, MediaState
from evidence.exhibits.reach import reach_of
from evidence.grams import words
from evidence.people import access
from evidence.people.access import Act
from evidence.people.actor import Actor, ActorType, Role, Via
from evidence.people.models import Officer, Unit
from scripts.benchmarks import bureau as made_up
from scripts.benchmarks.bureau import Bureau
from scripts.benchmarks.filling import fill
from tests import databases

COUNT = 250
Filled = tuple[Engine, Bureau]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    engine = databases.open_database(tmp_path_factory.mktemp("search") / "e.db")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        bureau = fill(session, COUNT)
        chance = random.Random(7)
        for link in session.scalars(select(ExhibitLink)).all():
            if chance.random() < 0.3:
                link.unlinked_at = link.linked_at
            elif chance.random() < 0.5:
                link.sent_to_id = bureau.officers[0]
        session.commit()
    yield engine, bureau
    engine.dispose()


def _actor(role: Role, unit_id: UUID | None, officer: UUID, *hands_over: UUID) -> Actor:
    return Actor(
        type=ActorType.OFFICER,
        id=officer,
        via=Via.API,
        name="x",
        roles=frozenset({role}),
        unit_id=unit_id,
        hands_over=frozenset(hands_over),
    )


def _readers(bureau: Bureau) -> list[Actor]:
    return [
        _actor(Role.SUPERVISOR, None, uuid4()),
        _actor(Role.HANDLER, bureau.units[1], uuid4(), bureau.units[2], bureau.units[3]),
        _actor(Role.OFFICER, bureau.units[4], bureau.officers[0]),
        _actor(Role.OFFICER, bureau.units[-1], uuid4()),
        _actor(Role.REVIEWER, None, bureau.officers[0]),
    ]


def _matches(exhibit: Exhibit, f: Filters, actor: Actor) -> bool:
    """The same question, asked of one row in Python."""
    open_links = [link for link in exhibit.links if link.unlinked_at is None]
    text = " ".join(
        [
            exhibit.label,
            exhibit.filename,
            exhibit.recorder_claim,
            exhibit.recorder.number if exhibit.recorder else "",
            f"{exhibit.officer.name} {exhibit.officer.badge}" if exhibit.officer else "",
            *(link.target_text for link in open_links),
        ]
    )
    told = words(text)
    late = dt.datetime.max.replace(tzinfo=dt.UTC)
    early = dt.datetime.min.replace(tzinfo=dt.UTC)
    return (
        access.allows(actor, Act.EXHIBIT_VIEW, reach_of(exhibit))
        and all(
            getattr(f, name) in (None, getattr(exhibit, name))
            for name in ("recorder_id", "officer_id", "unit_id", "state", "media_state")
        )
        and (f.case_id is None or f.case_id in {link.case_id for link in open_links})
        and (f.flag is None or f.flag.value in exhibit.flags)
        and (f.received_from or early) <= exhibit.received_at < (f.received_until or late)
        and (
            (f.recorded_from is None and f.recorded_until is None)
            or (
                exhibit.recorded_at is not None
                and (f.recorded_from or early) <= exhibit.recorded_at < (f.recorded_until or late)
            )
        )
        and all(any(word in said for said in told) for word in words(f.text))
    )


def _some_filters(bureau: Bureau) -> st.SearchStrategy[Filters]:
    def maybe(*values: object) -> st.SearchStrategy[object]:
        return st.none() | st.sampled_from(values)

    moments = [made_up.START + dt.timedelta(hours=h) for h in (-22, 0, 3, 4, 9, 17)]
    texts = [
        "",
        "",
        "mp4",
        "HD-0",
        "1",
        "罗",
        "食品",
        "王记",
        "451号",
        "张",
        "E2023-00012",
        "cam01",
    ]
    texts += [bureau.names[0], bureau.names[1][:2], "罚字(2023)", '"', "%", "2023 dcam", "不在"]
    # Many stretches; all of them there and the word not.
    texts += ["dcam_cam0", "cam012_000", "衡东县王记食品店", "dcam_cam_ca"]
    texts += ["cam012_000012_202301", "衡东市监罚字〔2023〕12号", "dcam_cam0_dcam_cam1"]
    return st.builds(
        Filters,
        text=st.sampled_from(texts),
        recorder_id=maybe(*bureau.recorders[:4]),
        officer_id=maybe(*bureau.officers[:4]),
        unit_id=maybe(*bureau.units[:3], bureau.units[-1]),
        case_id=maybe(*bureau.cases[:10]),
        state=maybe(*ExhibitState),
        media_state=maybe(*MediaState),
        flag=maybe(Flag.LATE_UPLOAD, Flag.CLOCK_SUSPECT),
        received_from=maybe(*moments),
        received_until=maybe(*moments),
        recorded_from=maybe(*moments),
        recorded_until=maybe(*moments),
    )


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
@pytest.mark.parametrize(("few", "newest"), [(0, 5000), (0, 7), (3000, 5000)])
def test_any_filters_give_what_reading_every_row_gives(
    filled: Filled, monkeypatch: pytest.MonkeyPatch, few: int, newest: int, data: st.DataObject
) -> None:
    engine, bureau = filled
    monkeypatch.setattr(candidates, "_FEW", few)
    monkeypatch.setattr(candidates, "_NEWEST", newest)
    monkeypatch.setattr(candidates, "_NEWEST_READ", newest)
    monkeypatch.setattr(text_search, "_LONG", data.draw(st.sampled_from((2, 10))))
    # Mostly one or two filters at a time, or nearly nothing would ever match.
    wanted = data.draw(_some_filters(bureau))
    kept = data.draw(st.sets(st.sampled_from(list(Filters.__dataclass_fields__)), max_size=2))
    wanted = Filters(**{name: getattr(wanted, name) for name in kept})
    actor = data.draw(st.sampled_from(_readers(bureau)))
    with Session(engine) as session:
        every = session.scalars(
            select(Exhibit).order_by(Exhibit.position.desc()).options(*finding._WITH_NAMES)
        )
        expected = [e.label for e in every if _matches(e, wanted, actor)]
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = finding.search(session, actor, wanted, cursor or None, 40)
            found += [exhibit.label for exhibit in page.items]
            cursor = page.next
        assert found == expected
        counted = finding.facets(session, actor, wanted)
        assert counted.total == len(expected)


@pytest.mark.parametrize("hours", range(-30, 24, 6))
@pytest.mark.parametrize("few", [0, 3000])
def test_what_came_in_long_after_its_recording_is_found_by_when_it_was_recorded(
    filled: Filled, monkeypatch: pytest.MonkeyPatch, few: int, hours: int
) -> None:
    engine, bureau = filled
    monkeypatch.setattr(candidates, "_FEW", few)
    until = made_up.START + dt.timedelta(hours=hours)
    for actor in _readers(bureau):
        for wanted in (
            Filters(recorded_until=until),
            Filters(recorded_until=until, unit_id=bureau.units[2]),
        ):
            with Session(engine) as session:
                every = session.scalars(select(Exhibit).order_by(Exhibit.position.desc()))
                expected = [e.position for e in every if _matches(e, wanted, actor)]
                assert candidates.newest(session, actor, wanted, COUNT) == expected


@pytest.mark.parametrize(
    "text",
    ["mp4", "罗", "hd-01", "王记食品", "451号", "不在", "2023 dcam", "cam012_0", "dcam_cam_ca"],
)
def test_without_the_index_of_words_the_answer_is_the_same(
    filled: Filled, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    engine, bureau = filled
    actor = _readers(bureau)[0]
    with Session(engine) as session:
        indexed = candidates.newest(session, actor, Filters(text=text), COUNT)
        one_by_one = select(Exhibit.position).where(text_search.contains(text))
        assert sorted(session.scalars(one_by_one), reverse=True) == indexed


@pytest.fixture
def scratch(engine: Engine) -> tuple[Session, Bureau]:
    session = Session(engine)
    return session, fill(session, 20)


def _labels(session: Session, actor: Actor, text: str) -> list[str]:
    return [e.label for e in finding.search(session, actor, Filters(text=text)).items]


@pytest.mark.parametrize(
    "change",
    [
        lambda s, e: setattr(s.get_one(Officer, e.officer_id), "name", "欧阳改名"),
        lambda s, e: setattr(e, "filename", "欧阳改名.mp4"),
    ],
)
def test_the_index_of_words_follows_every_change(
    scratch: tuple[Session, Bureau], change: Callable[[Session, Exhibit], None]
) -> None:
    session, bureau = scratch
    actor = _readers(bureau)[0]
    exhibit = session.scalars(select(Exhibit)).first()
    assert exhibit
    before = exhibit.officer.name if exhibit.officer else ""
    assert exhibit.label in _labels(session, actor, before)
    assert _labels(session, actor, "欧阳改名") == []
    change(session, exhibit)
    session.commit()
    assert exhibit.label in _labels(session, actor, "欧阳改名")
    session.close()


def test_what_is_taken_off_a_case_is_no_longer_found_by_it(
    scratch: tuple[Session, Bureau],
) -> None:
    session, bureau = scratch
    actor = _readers(bureau)[0]
    links = session.scalars(select(ExhibitLink)).all()
    number = links[0].target_text.split()[0]
    assert _labels(session, actor, number)
    for link in links:
        link.unlinked_at = link.linked_at
    session.commit()
    assert _labels(session, actor, number) == []
    session.close()


def test_pages_stay_put_while_exhibits_arrive(scratch: tuple[Session, Bureau]) -> None:
    session, bureau = scratch
    actor = _readers(bureau)[0]
    first = finding.search(session, actor, Filters(), None, 8)
    row = made_up.exhibit(500, bureau, random.Random(1))
    session.add(Exhibit(**row))
    session.commit()
    second = finding.search(session, actor, Filters(), first.next, 200)
    labels = [e.label for e in (*first.items, *second.items)]
    assert len(labels) == len(set(labels)) == 20
    assert row["label"] not in labels
    session.close()


def test_what_is_linked_twice_within_a_unit_takes_one_place_on_a_page(
    scratch: tuple[Session, Bureau],
) -> None:
    session, bureau = scratch
    for link in session.scalars(select(ExhibitLink)).all():
        session.delete(link)
    exhibits = session.scalars(select(Exhibit)).all()
    for exhibit in exhibits:
        exhibit.unit_id = bureau.units[1]
        for case_id in bureau.cases[:3]:
            session.add(
                ExhibitLink(
                    exhibit_id=exhibit.id,
                    exhibit_position=exhibit.position,
                    case_id=case_id,
                    unit_id=bureau.units[4],
                    sha256_at_link=exhibit.sha256,
                    linked_by=bureau.officers[0],
                    linked_at=exhibit.received_at,
                )
            )
    session.commit()
    officer = _actor(Role.OFFICER, bureau.units[4], uuid4())
    first = finding.search(session, officer, Filters(), None, 12)
    assert len({e.label for e in first.items}) == 12
    rest = finding.search(session, officer, Filters(), first.next, 12)
    assert len({e.label for e in (*first.items, *rest.items)}) == len(exhibits) == 20
    session.close()


def test_whoever_may_view_nothing_is_told_so(filled: Filled) -> None:
    engine, _ = filled
    administrator = _actor(Role.ADMINISTRATOR, None, uuid4())
    with Session(engine) as session, pytest.raises(AccessDenied):
        finding.search(session, administrator, Filters())


@pytest.mark.parametrize("limit", [-1, 0, 201])
def test_a_page_has_one_to_two_hundred_rows(filled: Filled, limit: int) -> None:
    engine, bureau = filled
    with Session(engine) as session, pytest.raises(InvalidInput):
        finding.search(session, _readers(bureau)[0], Filters(), None, limit)


@pytest.mark.parametrize(
    "cursor", ["x", "W10", "WyIxIl0", "WzEsMl0", "WzFlOTld", "bnVsbA", "W3RydWVd", "你好", "=" * 9]
)
def test_a_cursor_from_elsewhere_is_refused(filled: Filled, cursor: str) -> None:
    engine, bureau = filled
    with Session(engine) as session, pytest.raises(InvalidInput):
        finding.search(session, _readers(bureau)[0], Filters(), cursor)


def test_units_are_only_reached_through_open_links(filled: Filled) -> None:
    engine, bureau = filled
    reviewer = _readers(bureau)[-1]
    with Session(engine) as session:
        page = finding.search(session, reviewer, Filters(), None, 200)
        assert page.items
        for exhibit in page.items:
            assert any(
                link.sent_to_id == reviewer.id and link.unlinked_at is None
                for link in exhibit.links
            )
        assert session.scalar(select(Unit.id).limit(1))
