"""Gives committed events their places in the tree, in batches, and signs the new head.

One runs at a time: it holds a lease, and swaps the head only if it still holds both the lease
and the head that it began from. Order, and what a crash at each arrow leaves:

  indices assigned (committed) → tiles and bundles durable → checkpoint signed and swapped in

After the first arrow the batch is fixed: starting again finds the indices behind the head and
makes the same tiles. After the second, the same tiles are put again, which is harmless. A head
is signed only over tiles that continue the signed head before it, so two heads that contradict
each other are never signed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from uuid import UUID, uuid5

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody import merkle
from evidence.custody.append import append, timestamp
from evidence.custody.checkpoint import Checkpoint, verify_checkpoint
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent, Lease, LogHead
from evidence.custody.note import Note, Signer, Verifier
from evidence.custody.tiles import TileReader, grow, reaches_beyond
from evidence.errors import LogForked
from evidence.people.actor import SYSTEM
from evidence.sqlite import begin_write
from evidence.storage.port import ListedTileStore

BATCH = 4096
LEASE = dt.timedelta(seconds=10)
_NAME = "sequencer"
_WAITING = select(CustodyEvent.position).where(CustodyEvent.leaf_index.is_(None))
# The log is its own subject, and has no other identity.
LOG_ID = UUID(int=0)


class Sequencer:
    """Call run_once() again and again; it is cheap when there is nothing to do."""

    def __init__(
        self,
        sessions: Callable[[], Session],
        tiles: ListedTileStore,
        signer: Signer,
        holder: str,
        lost: str = "",
    ) -> None:
        """`lost` is the verifier key of a key that is gone: its last head is signed anew."""
        self._sessions = sessions
        self._tiles = tiles
        self._signer = signer
        self._holder = holder
        self._lost = lost
        self._lease_until: dt.datetime | None = None
        self._key_checked = self._tiles_checked = False

    def run_once(self) -> int:
        """Sequence one batch; how many events. 0 when idle, or while another holds the lease.

        Raises LogForked where events, tiles and head contradict each other, SignatureInvalid
        where the head was signed by another key: nothing is signed then.
        """
        if not self._hold_lease():
            return 0
        with self._sessions() as session:
            head = session.get(LogHead, self._signer.name) or self._begin(session)
            self._take_up_keys(session, head)
            size, root = head.size, head.root
            behind = _indices(session) - size
        self._check_tiles(size + behind)
        if behind < 0:
            raise LogForked("Events that the head was signed over are gone.")
        if not behind and not self._assign(size):
            return 0
        with self._sessions() as session:
            rows = session.execute(
                select(CustodyEvent.leaf_index, CustodyEvent.entry)
                .where(CustodyEvent.leaf_index >= size)
                .order_by(CustodyEvent.leaf_index)
                .limit(BATCH)
            ).all()
        if [index for index, _ in rows] != list(range(size, size + len(rows))):
            raise LogForked("The events behind the head are not consecutive.")
        return len(rows) if self._extend(size, root, [entry for _, entry in rows]) else 0

    def _take_up_keys(self, session: Session, head: LogHead) -> None:
        """See that the head was signed by a key of ours; where keys were changed, sign it anew.

        A lost key file that was made anew would go unnoticed, but for this. The head signed anew
        has the same size and root, and the change is an event of its own.
        """
        if self._key_checked:
            return
        ours = self._signer.verifier_keys
        known = [*ours, self._lost] if self._lost else ours
        checkpoint = verify_checkpoint(head.checkpoint, *known)
        signed_by = Note.parse(head.checkpoint).key_ids(self._signer.name)
        wanted = {Verifier.parse(key).key_id for key in ours}
        if signed_by != wanted:
            session.rollback()
            begin_write(session)
            head = session.get_one(LogHead, self._signer.name, populate_existing=True)
            if not self._still_holds(session) or head.size != checkpoint.size:
                raise LogForked("The head was changed by another hand.")
            head.checkpoint = self._sign(head.size, head.root)
            append(
                session,
                Kind.LOG_KEYS_CHANGED,
                LOG_ID,
                SYSTEM,
                verifier_keys=ours,
                lost=not signed_by & wanted,
            )
            session.commit()
        self._key_checked = True

    def _check_tiles(self, given: int) -> None:
        """Tiles are made after the indices they hold were given out: none is beyond those.

        Otherwise an older database was put back, and to go on from it would sign another log
        beside the one that was published.
        """
        if not self._tiles_checked:
            if reaches_beyond(self._tiles, given):
                raise LogForked(
                    "The store holds tiles of a longer log than the database: an older database "
                    "was put back. Stop, and restore the newest backup that there is."
                )
            self._tiles_checked = True

    def _hold_lease(self) -> bool:
        now = clock.now()
        if self._lease_until and LEASE / 2 < self._lease_until - now <= LEASE:
            return True
        with self._sessions() as session:
            lease = session.get(Lease, _NAME)
            if lease is not None and not self._may_take(lease, now):
                return False
            session.rollback()
            begin_write(session)
            lease = session.get(Lease, _NAME, with_for_update=True, populate_existing=True)
            if lease is None:
                lease = Lease(name=_NAME, holder=self._holder, until=now)
                session.add(lease)
            if not self._may_take(lease, now):
                return False
            lease.holder, lease.until = self._holder, now + LEASE
            session.commit()
        self._lease_until = now + LEASE
        return True

    def _may_take(self, lease: Lease, now: dt.datetime) -> bool:
        # A lease that reaches further ahead than one can be given is of a clock gone wrong.
        return lease.holder == self._holder or not now < lease.until <= now + LEASE

    def release(self) -> None:
        """Let another take over at once."""
        with self._sessions() as session:
            begin_write(session)
            lease = session.get(Lease, _NAME, with_for_update=True, populate_existing=True)
            if lease is not None and lease.holder == self._holder:
                lease.until = clock.now()
            session.commit()
        self._lease_until = None

    def _begin(self, session: Session) -> LogHead:
        """The head of an empty log, and the event that opens it."""
        session.rollback()
        begin_write(session)
        if head := session.get(LogHead, self._signer.name):
            return head
        if session.scalar(select(LogHead.origin).limit(1)):
            raise LogForked("This database holds the log of another origin.")
        head = LogHead(
            origin=self._signer.name,
            size=0,
            root=merkle.EMPTY_ROOT,
            checkpoint=self._sign(0, merkle.EMPTY_ROOT),
            signed_at=clock.now(),
        )
        session.add(head)
        append(
            session,
            Kind.LOG_STARTED,
            LOG_ID,
            SYSTEM,
            origin=self._signer.name,
            verifier_key=self._signer.verifier_key,
        )
        session.commit()
        return head

    def _assign(self, size: int) -> int:
        """Give the next events their indices behind `size`; how many."""
        with self._sessions() as session:
            if session.scalar(_WAITING.limit(1)) is None:
                return 0
            session.rollback()
            begin_write(session)
            if not self._still_holds(session) or _indices(session) != size:
                return 0  # another has taken over since
            assigned = _give_indices(session, size)
            session.commit()
            return assigned

    def _still_holds(self, session: Session) -> bool:
        lease = session.get(Lease, _NAME, with_for_update=True, populate_existing=True)
        return lease is not None and lease.holder == self._holder

    def _extend(self, size: int, root: bytes, entries: Sequence[bytes]) -> bool:
        """Put the tiles of the batch, then swap its head in; False where another took over."""
        if TileReader(self._tiles, size).root() != root:
            raise LogForked("The tiles do not lead to the signed head.")
        added, new_root = grow(self._tiles, size, entries)
        for path, content in added.items():
            self._tiles.put_tile(path, content)
        return self._swap(size, root, size + len(entries), new_root)

    def _sign(self, size: int, root: bytes) -> str:
        checkpoint = Checkpoint(origin=self._signer.name, size=size, root=root)
        return self._signer.sign(checkpoint.text())

    def _swap(self, size: int, root: bytes, new_size: int, new_root: bytes) -> bool:
        with self._sessions() as session:
            begin_write(session)
            if not self._still_holds(session):
                return False  # another finishes this batch
            head = session.get(
                LogHead, self._signer.name, with_for_update=True, populate_existing=True
            )
            if head is None or (head.size, head.root) != (size, root):
                raise LogForked("The head was changed by another hand.")
            now = clock.now()
            self._notice_clock(session, head.signed_at, now)
            head.signed_at = max(now, head.signed_at)
            head.size, head.root = new_size, new_root
            head.checkpoint = self._sign(new_size, new_root)
            # The next batch begins in the same transaction: under load, half as many.
            if _indices(session) == new_size:
                _give_indices(session, new_size)
            session.commit()
        return True

    def _notice_clock(self, session: Session, signed_at: dt.datetime, now: dt.datetime) -> None:
        """Log a clock that went back, once: until it has caught up, signed_at stands still."""
        seconds = int((signed_at - now).total_seconds())
        event_id = uuid5(LOG_ID, f"{self._signer.name} after {timestamp(signed_at)}")
        known = select(CustodyEvent.id).where(CustodyEvent.id == event_id)
        if seconds >= 1 and session.scalar(known) is None:
            append(
                session,
                Kind.LOG_CLOCK_WENT_BACK,
                LOG_ID,
                SYSTEM,
                event_id=event_id,
                seconds=seconds,
            )


def _indices(session: Session) -> int:
    """How many leaf indices were given out."""
    highest = session.scalar(select(func.max(CustodyEvent.leaf_index)))
    return 0 if highest is None else highest + 1


def _give_indices(session: Session, size: int) -> int:
    """Give the waiting events the places from `size` on, in position order; how many."""
    waiting = _WAITING.order_by(CustodyEvent.position).limit(BATCH).subquery()
    nth = func.row_number().over(order_by=waiting.c.position)
    places = select(waiting.c.position, (size - 1 + nth).label("place")).subquery()
    given = session.connection().execute(
        update(CustodyEvent)
        .where(CustodyEvent.position == places.c.position)
        .values(leaf_index=places.c.place)
    )
    return given.rowcount
