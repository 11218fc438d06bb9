"""The tree against the published vectors, and tiles as they are filed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evidence.custody import merkle
from evidence.custody.tiles import (
    TileReader,
    grow,
    pack_entries,
    parse_path,
    tile_path,
    unpack_entries,
)
from evidence.errors import LogForked, NotFound, ProofBroken
from evidence.storage.memory import MemoryStore

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "custody"
VECTORS = json.loads((GOLDEN / "rfc6962.json").read_text(encoding="utf-8"))
LEAVES = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in VECTORS["leaves"]]
ROOTS = [bytes.fromhex(root) for root in VECTORS["roots"]]


def subtree(level: int, index: int) -> bytes:
    return merkle.root_of(LEAVES[index << level : (index + 1) << level])


def path_of(vector: dict[str, list[str]]) -> list[bytes]:
    return [bytes.fromhex(node) for node in vector["proof"]]


def test_the_roots_are_those_of_the_vectors() -> None:
    assert merkle.root_of([]).hex() == VECTORS["empty_root"]
    assert merkle.root(subtree, 0).hex() == VECTORS["empty_root"]
    for size, root in enumerate(ROOTS, 1):
        assert merkle.root_of(LEAVES[:size]) == merkle.root(subtree, size) == root


@pytest.mark.parametrize("vector", VECTORS["inclusion"])
def test_inclusion_proofs_are_those_of_the_vectors(vector: dict) -> None:
    index, size, path = vector["index"], vector["size"], path_of(vector)
    assert merkle.inclusion_proof(subtree, index, size) == path
    merkle.verify_inclusion(LEAVES[index], index, size, path, ROOTS[size - 1])


@pytest.mark.parametrize("vector", VECTORS["consistency"])
def test_consistency_proofs_are_those_of_the_vectors(vector: dict) -> None:
    old, new, path = vector["from"], vector["to"], path_of(vector)
    assert merkle.consistency_proof(subtree, old, new) == path
    merkle.verify_consistency(old, new, ROOTS[old - 1], ROOTS[new - 1], path)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_of_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ProofBroken):
        merkle.inclusion_proof(subtree, index, size)
    with pytest.raises(ProofBroken):
        merkle.verify_inclusion(LEAVES[0], index, size, [], ROOTS[0])


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 2)])
def test_nothing_is_consistent_with_an_empty_or_a_greater_tree(old: int, new: int) -> None:
    with pytest.raises(ProofBroken):
        merkle.consistency_proof(subtree, old, new)
    with pytest.raises(ProofBroken):
        merkle.verify_consistency(old, new, ROOTS[0], ROOTS[1], [])


def test_the_large_trees_and_their_files_are_those_of_the_vectors() -> None:
    large, store = VECTORS["large"], MemoryStore()
    entries = [i.to_bytes(8, "big") for i in range(70_000)]
    size = 0
    for target, root in ((int(n), r) for n, r in large["sizes"].items()):
        added, new_root = grow(store, size, entries[size:target])
        for path, content in added.items():
            store.put_tile(path, content)
        size = target
        assert new_root.hex() == root
        assert TileReader(store, size).root().hex() == root
    paths = set(added) | set(store._tiles)
    full = [p for p in paths if p.startswith("tile/0/") and ".p/" not in p]
    assert len(full) == large["tile_files_at_70000"]["full level 0"]
    for path, width in (("tile/0/273.p/112", 112), ("tile/1/001.p/17", 17), ("tile/2/000.p/1", 1)):
        content = store.tile(path)
        assert content is not None
        assert len(content) == width * 32
    reader = TileReader(store, size)
    for index in (0, 255, 256, 65_535, 65_536, 69_999):
        leaf = merkle.leaf_hash(entries[index])
        merkle.verify_inclusion(leaf, index, size, reader.inclusion(index), reader.root())


@pytest.mark.parametrize(
    ("index", "path"),
    [
        (0, "tile/0/000"),
        (999, "tile/0/999"),
        (1000, "tile/0/x001/000"),
        (1234067, "tile/0/x001/x234/067"),
    ],
)
def test_paths_are_spelt_in_groups_of_three(index: int, path: str) -> None:
    assert tile_path(0, index, 256) == path
    assert tile_path(0, index, 7) == f"{path}.p/7"
    assert parse_path(path.removeprefix("tile/")) == (0, index, 256)
    assert parse_path(f"{path}.p/7".removeprefix("tile/")) == (0, index, 7)


@pytest.mark.parametrize("path", ["", "0", "0/1", "0/x000/001", "0/000.p/256", "x/000", "0/000\n"])
def test_another_spelling_is_no_path(path: str) -> None:
    with pytest.raises(NotFound):
        parse_path(path)


def test_a_bundle_reads_back_and_a_torn_one_is_named() -> None:
    entries = [b"", b"a", bytes(32)]
    packed = pack_entries(entries)
    assert unpack_entries(packed) == entries
    for cut in (1, 4, len(packed) - 1):
        with pytest.raises(LogForked):
            unpack_entries(packed[:cut])


def test_a_missing_tile_is_named() -> None:
    with pytest.raises(LogForked, match="tile/0/000"):
        TileReader(MemoryStore(), 3).root()
