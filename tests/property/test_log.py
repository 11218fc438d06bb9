"""Whatever is edited, removed, moved or cut off, in the log or in a proof, is found."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import sessionmaker

from evidence.base import Base
from evidence.custody import merkle
from evidence.custody.append import canonical
from evidence.custody.tiles import TileReader, grow
from evidence.errors import ProofBroken
from evidence.storage.memory import MemoryStore
from tests import databases
from tests.unit.custody_proofs import FILENAME, ORIGINAL, VERIFY, ProvenLog, write

Judge = Callable[[dict[str, Any]], int]
INTACT = 0
entries = st.binary(min_size=32, max_size=32)


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("log")
    engine = databases.open_database(folder / "log.db")
    Base.metadata.create_all(engine)
    log = ProvenLog(sessionmaker(engine, expire_on_commit=False), MemoryStore())
    proved = log.fill()
    log.sequence()
    found = log.proof(proved)
    engine.dispose()
    return found


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """scripts/verify as a function of a proof: its exit code."""
    folder: Path = tmp_path_factory.mktemp("judge")
    sys.dont_write_bytecode = True
    loader = SourceFileLoader("zhenglian_verify", str(VERIFY))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)

    def code_of(changed: dict[str, Any]) -> int:
        path = write(folder, changed, ORIGINAL)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["verify", str(path), str(folder / FILENAME), "--json"])
            patch.setattr(sys, "stdout", sys.__stdout__)
            code: int = module.main()
        return code

    return code_of


@given(st.lists(st.integers(1, 400), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None)
def test_any_batches_make_the_same_tree(batches: list[int]) -> None:
    store, size = MemoryStore(), 0
    leaves = [n.to_bytes(32, "big") for n in range(sum(batches))]
    roots = []
    for batch in batches:
        added, root = grow(store, size, leaves[size : size + batch])
        for path, content in added.items():
            store.put_tile(path, content)
        size += batch
        roots.append((size, root))
    assert roots[-1][1] == merkle.root_of([merkle.leaf_hash(leaf) for leaf in leaves])
    reader = TileReader(store, size)
    for older, root in roots:
        merkle.verify_consistency(older, size, root, roots[-1][1], reader.consistency(older))


@given(st.lists(entries, min_size=1, max_size=40), st.data())
def test_a_proof_of_inclusion_proves_one_leaf_at_one_place(
    content: list[bytes], data: st.DataObject
) -> None:
    leaves = [merkle.leaf_hash(n.to_bytes(2, "big") + e) for n, e in enumerate(content)]
    size, root = len(leaves), merkle.root_of(leaves)
    index = data.draw(st.integers(0, size - 1))

    def subtree(level: int, number: int) -> bytes:
        return merkle.root_of(leaves[number << level : (number + 1) << level])

    path = merkle.inclusion_proof(subtree, index, size)
    merkle.verify_inclusion(leaves[index], index, size, path, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index) | st.none())
    if other is not None:
        with pytest.raises(ProofBroken):
            merkle.verify_inclusion(leaves[other], index, size, path, root)
        with pytest.raises(ProofBroken):
            merkle.verify_inclusion(leaves[index], other, size, path, root)
    for wrong in (path[:-1], [*path, bytes(32)], [bytes(32), *path]):
        if wrong != path:
            with pytest.raises(ProofBroken):
                merkle.verify_inclusion(leaves[index], index, size, wrong, root)


@given(st.lists(entries, min_size=2, max_size=40, unique=True), st.data())
def test_a_rewritten_history_is_not_consistent_with_the_old_one(
    leaves: list[bytes], data: st.DataObject
) -> None:
    new = len(leaves)
    old = data.draw(st.integers(1, new))
    old_root = merkle.root_of(leaves[:old])
    changed = list(leaves)
    at = data.draw(st.integers(0, old - 1))
    act = data.draw(st.sampled_from(["edit", "remove", "move"]))
    if act == "edit":
        changed[at] = bytes(b ^ 255 for b in changed[at])
    elif act == "remove":
        del changed[at]
    else:
        changed.insert(0, changed.pop())
    if changed[:old] == leaves[:old] or len(changed) < old:
        return

    def subtree(level: int, number: int) -> bytes:
        return merkle.root_of(changed[number << level : (number + 1) << level])

    path = merkle.consistency_proof(subtree, old, len(changed))
    with pytest.raises(ProofBroken):
        merkle.verify_consistency(old, len(changed), old_root, merkle.root_of(changed), path)


def _change(data: st.DataObject, proof: dict[str, Any]) -> None:
    """One act of somebody who wants the history to look otherwise."""
    events = proof["events"]
    which = data.draw(st.integers(0, len(events) - 1))
    match data.draw(st.sampled_from(["event", "proof", "drop", "move", "twice", "cut", "segment"])):
        case "event" | "proof" as part:
            text = events[which][part]
            at = data.draw(st.integers(0, len(text) - 1))
            events[which][part] = text[:at] + data.draw(st.text(max_size=2)) + text[at + 1 :]
        case "drop":
            del events[which]
        case "move":
            events.insert(data.draw(st.integers(0, len(events) - 1)), events.pop(which))
        case "twice":
            events.append(events[which])
        case "cut":
            del events[which:]
        case "segment":
            proof["segments"][0][0] += data.draw(st.integers(-1, 1))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_change_of_a_proof_is_found(
    proof: dict[str, Any], judge: Judge, data: st.DataObject
) -> None:
    changed = copy.deepcopy(proof)
    _change(data, changed)
    assert (judge(changed) == INTACT) == (changed == proof)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_canonical_bytes_read_back_and_do_not_depend_on_the_order_of_members(
    content: dict[str, Any],
) -> None:
    said = canonical(content)
    assert json.loads(said) == content
    assert canonical(dict(reversed(content.items()))) == said
