"""Putting a dossier together, in steps that a crash may separate and the next attempt goes on from.

  exhibits' events closed (exhibit:exported, exhibit:proved) → small files made → payload fixed, and
  dossier:made in the log commits to every byte of it → signed, cosigned, stamped → proofs added

Once the payload is fixed, it stays: what is repeated after a crash adds the same proofs to it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.cases.models import Case
from evidence.clock import SHANGHAI
from evidence.custody import merkle
from evidence.custody.append import append
from evidence.custody.checkpoint import verify_checkpoint
from evidence.custody.exhibit_proof import prove
from evidence.custody.kinds import Kind, SubjectType
from evidence.custody.models import CustodyEvent, Stamp
from evidence.custody.note import Note
from evidence.custody.proof import LogProof
from evidence.custody.tiles import TileReader
from evidence.digests import unpack_segments
from evidence.dossier import bag
from evidence.dossier.case_uco import case_uco
from evidence.dossier.certificate import Issuer, certificate
from evidence.dossier.describing import Described, events_of, exhibit_json
from evidence.dossier.models import Dossier, DossierState
from evidence.dossier.parts import Pack, Part, file_list, read_list
from evidence.dossier.premis import premis
from evidence.dossier.requesting import exported_id, note_exported
from evidence.errors import LogNotReady, NotFound
from evidence.exhibits.models import Exhibit, ExhibitLink, ExhibitSegments
from evidence.people.actor import Actor, ActorType, Via
from evidence.storage.port import Store
from evidence.turns import take_turn

_README = """\
电子数据卷宗 {label}

核验（不需要网络，不需要安装任何软件，只需 Python 3；以 3.11 测试）：
    python3 data/verify.py .
或者对整个压缩包：
    python3 verify.py 卷宗.zip
以 --policy 文件指定您信任的日志公钥与见证方公钥；不指定时，程序会说明它只信任了卷宗自带的公钥。

data/exhibits/<编号>/original/    原始文件
data/exhibits/<编号>/events/      每一项保管行为的原文
data/exhibits/<编号>/certificate.pdf   电子数据完整性证明
proofs/                          每一项行为在公开日志中的证明（c2sp.org/tlog-proof）
manifest-sha256.txt              全部文件的摘要；公开日志记载了它的摘要（dossier.json）

Verify with: python3 data/verify.py .
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """The checkpoint that everything is proven under, with all that others say of it."""

    note: str
    stamps: Sequence[tuple[str, Stamp, bytes]]  # a safe name, the stamp, the authority's PEM file
    verifier_keys: Sequence[str]
    witness_keys: Sequence[str]


def requester(dossier: Dossier) -> Actor:
    """Whoever asked for it: the one who acts, also when the worker does the work."""
    return Actor(
        type=ActorType(dossier.actor_type),
        id=dossier.actor_id,
        via=Via(dossier.actor_via),
        name=dossier.actor_name,
    )


def members(session: Session, dossier: Dossier) -> list[UUID]:
    """The exhibits that it holds, by their labels."""
    if dossier.exhibit_id is not None:
        return [dossier.exhibit_id]
    query = select(Exhibit.id).join(ExhibitLink, ExhibitLink.exhibit_id == Exhibit.id)
    query = query.where(ExhibitLink.case_id == dossier.case_id, ExhibitLink.unlinked_at.is_(None))
    return list(session.scalars(query.order_by(Exhibit.label)))


def _proved_id(dossier: Dossier, exhibit_id: UUID) -> UUID:
    return uuid5(dossier.id, f"proved {exhibit_id}")


def close_history(session: Session, dossier: Dossier, exhibit_id: UUID) -> None:
    """The exhibit's events say that it is handed out, and the last commits to all; once."""
    take_turn(session, exhibit_id)
    proved = select(CustodyEvent.position).where(CustodyEvent.id == _proved_id(dossier, exhibit_id))
    if session.scalar(proved) is not None:
        return
    exhibit, by = session.get_one(Exhibit, exhibit_id), requester(dossier)
    note_exported(session, dossier, exhibit, by)
    session.flush()
    proved_id = _proved_id(dossier, exhibit_id)
    prove(session, exhibit.id, exhibit.sha256, exhibit.size, by, event_id=proved_id)


def describe(session: Session, dossier: Dossier, exhibit_id: UUID) -> Described:
    last = session.scalars(
        select(CustodyEvent.position).where(CustodyEvent.id == _proved_id(dossier, exhibit_id))
    ).one()
    return Described(
        exhibit=session.get_one(Exhibit, exhibit_id),
        events=events_of(session, SubjectType.EXHIBIT, exhibit_id, last),
    )


def exhibit_parts(
    session: Session, store: Store, described: Described, issuer: Issuer
) -> list[Part]:
    """An exhibit's files: its small ones kept in a pack, and its original where it is."""
    exhibit, folder, pack = described.exhibit, described.folder, Pack()
    kept = session.get(ExhibitSegments, exhibit.id)
    segments = [(s.length, s.sha256.hex()) for s in unpack_segments(kept.packed)] if kept else []
    pack.add(f"{folder}/exhibit.json", exhibit_json(described, segments))
    for number, event in enumerate(described.events, 1):
        pack.add(f"{folder}/events/{number:04d}.json", event.canonical)
    pack.add(f"{folder}/premis.xml", premis(described))
    pack.add(f"{folder}/certificate.pdf", certificate(described, issuer))
    if exhibit.poster_sha256:
        pack.add(f"{folder}/derivatives/poster.jpg", store.derivative(exhibit.poster_sha256))
    parts = pack.file(store)
    if not described.included:
        return parts
    path = f"{folder}/{described.original}"
    if described.quarantined:
        return [*parts, Part(path, exhibit.size, exhibit.sha256, "quarantine", str(exhibit.id))]
    return [*parts, Part(path, exhibit.size, exhibit.sha256, "original", exhibit.sha256)]


def common_parts(
    session: Session, store: Store, dossier: Dossier, exhibits: Sequence[Described], verifier: bytes
) -> list[Part]:
    """What stands there once: how to verify, the graph for forensic tools, the case's events."""
    pack, title = Pack(), exhibits[0].exhibit.label if exhibits else dossier.label
    if dossier.case_id is not None:
        title = session.get_one(Case, dossier.case_id).number
        until = session.scalar(
            select(CustodyEvent.position).where(
                CustodyEvent.id == exported_id(dossier.id, dossier.case_id)
            )
        )
        for number, event in enumerate(
            events_of(session, SubjectType.CASE, dossier.case_id, until), 1
        ):
            pack.add(f"data/case/events/{number:04d}.json", event.canonical)
    pack.add("data/核验方法.txt", _README.format(label=dossier.label))
    pack.add("data/verify.py", verifier)
    pack.add("data/case.jsonld", case_uco(dossier.id, dossier.label, title, exhibits))
    return pack.file(store)


def fix_payload(
    session: Session, dossier: Dossier, parts: Sequence[Part], *, payload: str, origin: str
) -> None:
    """Have the log commit to the payload; `payload` is the digest of the list `parts`."""
    take_turn(session, dossier.id)
    session.refresh(dossier, ["payload"])
    if dossier.payload is not None:
        return
    manifest = bag.manifest(parts)
    dossier.payload = payload
    dossier.manifest_sha256 = hashlib.sha256(manifest.encode()).hexdigest()
    labels = {part.path.split("/")[2] for part in parts if part.path.startswith("data/exhibits/")}
    dossier.exhibits, dossier.files = len(labels), len(parts)
    dossier.size = sum(part.size for part in parts)
    append(
        session,
        Kind.DOSSIER_MADE,
        dossier.id,
        requester(dossier),
        event_id=_made_id(dossier),
        label=dossier.label,
        of="case" if dossier.case_id else "exhibit",
        id=str(dossier.case_id or dossier.exhibit_id),
        reason=dossier.reason,
        manifest_sha256=dossier.manifest_sha256,
        bag_info_sha256=hashlib.sha256(_bag_info(dossier, parts, origin).encode()).hexdigest(),
        exhibits=len(labels),
        files=len(parts),
    )


def _made_id(dossier: Dossier) -> UUID:
    return uuid5(dossier.id, "made")


def _bag_info(dossier: Dossier, parts: Sequence[Part], origin: str) -> str:
    return bag.info(
        parts,
        label=dossier.label,
        description="case" if dossier.case_id else "exhibit",
        day=dossier.requested_at.astimezone(SHANGHAI).date().isoformat(),
        origin=origin,
    )


def made_at_leaf(session: Session, dossier: Dossier) -> int:
    """The place of dossier:made in the tree. Raises LogNotReady until it has one."""
    index = session.scalar(
        select(CustodyEvent.leaf_index).where(CustodyEvent.id == _made_id(dossier))
    )
    if index is None:
        raise LogNotReady
    return index


def add_proofs(session: Session, store: Store, dossier: Dossier, vouched: Vouched) -> str:
    """Prove every event under the one checkpoint; the digest of the list of all files.

    Raises LogNotReady where the checkpoint does not reach them all, LogForked and ProofBroken.
    """
    if dossier.payload is None:
        raise LogNotReady
    payload = read_list(store, dossier.payload)
    checkpoint = verify_checkpoint(vouched.note, *vouched.verifier_keys)
    prover = _Prover(session, store, checkpoint.size, checkpoint.root, vouched.note)
    tags: list[Part] = []
    for folder, ids in _events_by_folder(session, dossier, payload):
        pack = Pack()
        for number, event_id in enumerate(ids, 1):
            pack.add(f"proofs/{folder}/{number:04d}.tlog-proof", prover.prove(event_id)[1])
        tags += pack.file(store)
    made, proof = prover.prove(_made_id(dossier))
    pack = Pack()
    pack.add("bagit.txt", bag.DECLARATION)
    pack.add(bag.INFO, _bag_info(dossier, payload, checkpoint.origin))
    pack.add(bag.MANIFEST, bag.manifest(payload))
    pack.add("dossier.json", made)
    pack.add("dossier.tlog-proof", proof)
    pack.add("log/checkpoint", vouched.note)
    pack.add("log/checkpoint-text", Note.parse(vouched.note).text)
    pack.add("log/keys.txt", _lines(vouched.verifier_keys))
    pack.add("log/witnesses.txt", _lines(vouched.witness_keys))
    for name, stamp, authority in vouched.stamps:
        pack.add(f"log/stamps/{name}.tsr", stamp.response)
        pack.add(f"log/stamps/{name}.pem", authority)
    tags += pack.file(store)
    pack = Pack()
    pack.add(bag.TAG_MANIFEST, bag.manifest(tags))
    tags += pack.file(store)
    # What declares and proves comes first; the originals, which take long, last.
    payload.sort(key=lambda part: (part.where != "pack", part.path))
    return file_list(store, [*tags, *payload])


def _lines(keys: Sequence[str]) -> str:
    return "".join(f"{key}\n" for key in keys)


def _events_by_folder(
    session: Session, dossier: Dossier, payload: Sequence[Part]
) -> Iterator[tuple[str, list[UUID]]]:
    """The events of each exhibit and of the case, in the order of their files."""
    if dossier.case_id is not None:
        until = select(CustodyEvent.position).where(
            CustodyEvent.id == exported_id(dossier.id, dossier.case_id)
        )
        yield "case", _ids(session, SubjectType.CASE, dossier.case_id, session.scalars(until).one())
    labels = dict.fromkeys(p.path.split("/")[2] for p in payload if "/exhibits/" in p.path)
    for label in labels:
        exhibit_id = session.scalars(select(Exhibit.id).where(Exhibit.label == label)).one()
        until = select(CustodyEvent.position).where(
            CustodyEvent.id == _proved_id(dossier, exhibit_id)
        )
        yield label, _ids(session, SubjectType.EXHIBIT, exhibit_id, session.scalars(until).one())


def _ids(session: Session, kind: SubjectType, subject_id: UUID, until: int) -> list[UUID]:
    query = select(CustodyEvent.id).where(
        CustodyEvent.subject_id == subject_id,
        CustodyEvent.subject_type == kind.value,
        CustodyEvent.position <= until,
    )
    return list(session.scalars(query.order_by(CustodyEvent.position)))


class _Prover:
    """Proofs of entries under one checkpoint."""

    def __init__(self, session: Session, store: Store, size: int, root: bytes, note: str) -> None:
        self._session, self._note = session, note
        self._size, self._root = size, root
        self._reader = TileReader(store, size)

    def prove(self, event_id: UUID) -> tuple[bytes, str]:
        """Canonical bytes and proof, checked. Raises LogNotReady, ProofBroken, LogForked."""
        event = self._session.scalars(select(CustodyEvent).where(CustodyEvent.id == event_id)).one()
        if event.leaf_index is None or event.leaf_index >= self._size:
            raise LogNotReady
        path = self._reader.inclusion(event.leaf_index)
        leaf = merkle.leaf_hash(hashlib.sha256(event.canonical).digest())
        merkle.verify_inclusion(leaf, event.leaf_index, self._size, path, self._root)
        proof = LogProof(index=event.leaf_index, path=path, checkpoint=self._note)
        return event.canonical, str(proof)


def finish(session: Session, dossier_id: UUID, index: str) -> None:
    """It can be handed out from here on."""
    dossier = session.get(Dossier, dossier_id)
    if dossier is None:
        raise NotFound
    dossier.index, dossier.state, dossier.problem = index, DossierState.READY, ""
    dossier.ready_at = clock.now()


def fail(session: Session, dossier_id: UUID, problem: str) -> None:
    dossier = session.get(Dossier, dossier_id)
    if dossier is not None and dossier.state is DossierState.PREPARING:
        dossier.state, dossier.problem = DossierState.FAILED, problem


def issuer(
    dossier: Dossier,
    *,
    bureau: str,
    public_url: str,
    note: str,
    signed_at: dt.datetime,
    verifier_key: str,
    words: Mapping[str, str],
) -> Issuer:
    return Issuer(
        bureau=bureau,
        origin=verifier_key.partition("+")[0],
        verifier_key=verifier_key,
        checkpoint=note,
        signed_at=signed_at,
        public_url=public_url,
        label=dossier.label,
        made_at=dossier.requested_at,
        words=words,
    )
