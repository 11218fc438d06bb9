"""RFC 6962 section 2.1: the tree, inclusion and consistency, over hashes already taken.

Proofs are made from a reader of subtree hashes, so that they come out of tiles and never need
all leaves. `subtree(level, index)` is the hash of the full subtree over the 2**level leaves from
index * 2**level on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from evidence.errors import ProofBroken

Subtree = Callable[[int, int], bytes]
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1


def range_root(subtree: Subtree, begin: int, end: int) -> bytes:
    """The hash over leaves [begin, end); `begin` is a multiple of the power of two below it."""
    size = end - begin
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return subtree(level, begin >> level)
    middle = begin + _split(size)
    return node_hash(range_root(subtree, begin, middle), range_root(subtree, middle, end))


def root(subtree: Subtree, size: int) -> bytes:
    return range_root(subtree, 0, size) if size else EMPTY_ROOT


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes held in memory."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + ([level[-1]] if len(level) % 2 else [])
    return level[0]


def inclusion_proof(subtree: Subtree, index: int, size: int) -> list[bytes]:
    """The audit path of leaf `index` in the tree of `size` leaves, the leaf's sibling first."""
    if not 0 <= index < size:
        raise ProofBroken(f"There is no leaf {index} in a tree of {size}.")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(range_root(subtree, middle, end))
            end = middle
        else:
            path.append(range_root(subtree, begin, middle))
            begin = middle
    return path[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes
) -> None:
    """Raise ProofBroken unless `path` ties the leaf at `index` to the root (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofBroken(f"There is no leaf {index} in a tree of {size}.")
    node, last, running = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ProofBroken("The inclusion proof is too long.")
        if node & 1 or node == last:
            running = node_hash(sibling, running)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            running = node_hash(running, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofBroken("The inclusion proof is too short.")
    if running != expected_root:
        raise ProofBroken("The inclusion proof leads to another root.")


def consistency_proof(subtree: Subtree, old: int, new: int) -> list[bytes]:
    """That the first `old` leaves of the tree of `new` are the old tree."""
    if not 0 < old <= new:
        raise ProofBroken(f"There is no consistency between {old} and {new} leaves.")
    path: list[bytes] = []
    begin, end, whole = 0, new, True
    while old < end:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(range_root(subtree, middle, end))
            end = middle
        else:
            path.append(range_root(subtree, begin, middle))
            begin, whole = middle, False
    if not whole:
        path.append(range_root(subtree, begin, end))
    return path[::-1]


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Raise ProofBroken unless the old tree is the new one's beginning (RFC 9162 2.1.4.2)."""
    if not 0 < old <= new:
        raise ProofBroken(f"There is no consistency between {old} and {new} leaves.")
    if old == new:
        if path or old_root != new_root:
            raise ProofBroken("Two trees of one size have different roots.")
        return
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not hashes:
        raise ProofBroken("The consistency proof is empty.")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    from_old = from_new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofBroken("The consistency proof is too long.")
        if node & 1 or node == last:
            from_old = node_hash(sibling, from_old)
            from_new = node_hash(sibling, from_new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            from_new = node_hash(from_new, sibling)
        node, last = node >> 1, last >> 1
    if last or from_old != old_root or from_new != new_root:
        raise ProofBroken("The newer tree does not begin with the older one.")
