"""Every kind of part of a dossier is flipped, cut, dropped, exchanged or added to, more than five
hundred times: not one is called intact. Whoever mends the manifests afterwards gets no further."""

from __future__ import annotations

import hashlib
import io
import json
import random
import zipfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.api.handed_out import HandedOut, Unpacked, handed_out, load_verifier

__all__ = ["handed_out"]

Files = dict[str, bytes]
TAGS = ("tagmanifest-sha256.txt", "manifest-sha256.txt")


@pytest.fixture(scope="module")
def verifier() -> ModuleType:
    return load_verifier()


def check(verifier: ModuleType, files: Files, **given: Any) -> tuple[str, list[str]]:
    """The verdict on a bag, and what it says; no policy: only the bag's own keys."""
    chosen = Namespace(**{"key": [], "policy": None, "stamp_roots": None, **given})
    report: dict[str, Any] = {"problems": [], "exhibits": [], "stamps": []}
    try:
        policy = verifier.Policy(chosen)
        verifier.verify_dossier(Unpacked(files), chosen, policy, report)
    except verifier.Unreadable as error:
        return "unreadable", list(error.args)
    words = [problem.args[0] for problem in report["problems"]]
    if words:
        return "broken", words
    return ("unreadable" if "unreadable" in report else "intact"), []


def kinds_of(files: Files) -> dict[str, list[str]]:
    """The files by what they are for: a mutation of each kind is made."""
    found: dict[str, list[str]] = {}
    for name in sorted(files):
        parts = name.split("/")
        kind = name
        if name.startswith("data/exhibits/"):
            kind = f"exhibit {parts[3]}"
        elif name.startswith(("proofs/", "data/case/")):
            kind = parts[0] if parts[0] == "proofs" else "case events"
        elif name.startswith("log/stamps/"):
            kind = "stamp" + name[-4:]
        found.setdefault(kind, []).append(name)
    return found


def mended(files: Files) -> Files:
    """As somebody would who knows the form: both manifests fit the files again."""
    files = dict(files)

    def listed(names: list[str]) -> bytes:
        lines = [f"{hashlib.sha256(files[n]).hexdigest()}  {n}\n" for n in sorted(names)]
        return "".join(lines).encode()

    files[TAGS[1]] = listed([n for n in files if n.startswith("data/")])
    files[TAGS[0]] = listed([n for n in files if not n.startswith("data/") and n != TAGS[0]])
    return files


def changed(content: bytes, how: str, dice: random.Random) -> bytes:
    """Other bytes than `content`."""
    at = dice.randrange(len(content)) if content else 0
    made = {
        "flip": content[:at] + bytes([content[at] ^ (1 << dice.randrange(8))]) + content[at + 1 :]
        if content
        else b"x",
        "truncate": content[:at] if content else b"x",
        "append": content + b"\n",
        "empty": b"" if content else b"x",
        "drop a byte": content[:at] + content[at + 1 :] if content else b"x",
    }[how]
    return made if made != content else content + b" "


HOW = ("flip", "truncate", "append", "empty", "drop a byte")


def mutations(files: Files) -> Iterator[tuple[str, Files]]:
    """Of every kind of part: each way, at several places, with manifests left and mended."""
    dice = random.Random(20231115)
    for kind, names in kinds_of(files).items():
        for how in HOW:
            for _ in range(3):
                name = dice.choice(names)
                made = {**files, name: changed(files[name], how, dice)}
                yield f"{how} {name}", made
                # An additional empty line of keys, or a witness fewer, proves less and no more.
                if not kind.startswith(("log/witnesses", "stamp", *TAGS)):
                    yield f"{how} {name}, manifests mended", mended(made)
        for name in names[:2]:
            without = {n: c for n, c in files.items() if n != name}
            yield f"without {name}", without
            if not kind.startswith(("log/witnesses", "stamp", *TAGS)):
                yield f"without {name}, manifests mended", mended(without)
        if len(names) > 1:
            one, two = dice.sample(names, 2)
            if files[one] != files[two]:
                exchanged = {**files, one: files[two], two: files[one]}
                yield f"{one} and {two} exchanged", exchanged
                if not kind.startswith("stamp"):
                    yield f"{one} and {two} exchanged, mended", mended(exchanged)
    for name in ("data/another.txt", "data/exhibits/E2023-000001/events/9999.json"):
        yield f"{name} added", {**files, name: b"{}"}
        yield f"{name} added, mended", mended({**files, name: b"{}"})


def test_not_one_mutation_of_any_part_is_called_intact(
    handed_out: HandedOut, verifier: ModuleType
) -> None:
    assert check(verifier, handed_out.files)[0] == "intact"
    assert check(verifier, mended(handed_out.files))[0] == "intact"
    count, intact = 0, []
    for what, files in mutations(handed_out.files):
        if files == handed_out.files:
            continue
        count += 1
        if check(verifier, files)[0] == "intact":
            intact.append(what)
    assert not intact
    assert count >= 500


def test_events_that_are_left_out_at_the_end_are_missed(
    handed_out: HandedOut, verifier: ModuleType
) -> None:
    label = handed_out.exhibits[0]
    events = sorted(n for n in handed_out.files if n.startswith(f"data/exhibits/{label}/events/"))
    for gone in events:
        proof = f"proofs/{label}/{Path(gone).stem}.tlog-proof"
        files = {n: c for n, c in handed_out.files.items() if n not in (gone, proof)}
        assert check(verifier, mended(files))[0] == "broken", gone


def test_a_witness_that_is_asked_for_and_was_taken_out_is_missed(
    handed_out: HandedOut, verifier: ModuleType, tmp_path: Path
) -> None:
    """Without a policy less is proven, and it says so; with one, it is not intact. Nor broken: the
    cosignature may still come. What is broken besides is."""
    note = handed_out.files["log/checkpoint"].decode()
    line = next(x for x in note.split("\n") if x.startswith("— witness.sifa"))
    stripped = {
        name: content.replace(f"{line}\n".encode(), b"")
        if name == "log/checkpoint" or name.endswith(".tlog-proof")
        else content
        for name, content in handed_out.files.items()
    }
    policy = tmp_path / "policy"
    policy.write_text(
        f"log {handed_out.log_key}\nwitness sifa {handed_out.witness_key}\nquorum sifa\n"
    )
    assert check(verifier, mended(stripped))[0] == "intact"
    assert check(verifier, mended(stripped), policy=policy)[0] == "unreadable"
    assert check(verifier, stripped, policy=policy)[0] == "broken"
    assert check(verifier, handed_out.files, policy=policy)[0] == "intact"


def test_an_altered_original_is_named_by_file_and_bytes(
    handed_out: HandedOut, verifier: ModuleType
) -> None:
    name = next(n for n in handed_out.files if n.endswith("第三市场_.mp4"))
    content = bytearray(handed_out.files[name])
    content[1_000_000] ^= 1
    files = {**handed_out.files, name: bytes(content)}
    for made in (files, mended(files)):
        verdict, words = check(verifier, made)
        assert verdict == "broken"
        if made is files:
            assert any("differs within bytes" in w for w in words)


def test_whatever_happens_to_the_archive_intact_means_the_same_files(
    handed_out: HandedOut, tmp_path: Path, verifier: ModuleType
) -> None:
    """Cut or flipped anywhere: an archive that is called intact holds exactly these bytes."""
    dice, path = random.Random(7), tmp_path / "dossier.zip"
    whole = handed_out.zip
    for n in range(160):
        at = dice.randrange(len(whole))
        # The directory at the end is small beside the originals: half of the flips go there.
        if n % 2:
            at = len(whole) - 1 - dice.randrange(min(len(whole), 9000))
        spoilt = whole[:at] if n % 8 == 0 else whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        path.write_bytes(spoilt)
        chosen = Namespace(what=path, key=[], policy=None, stamp_roots=None)
        report: dict[str, Any] = {"problems": []}
        try:
            verifier.verify(chosen, report)
        except verifier.Unreadable:
            continue
        if report["problems"] or "unreadable" in report:
            continue
        bag = verifier.Archive(path)
        held = {}
        for name in bag.sizes:
            with bag.open(name) as file:
                held[name] = file.read()
        bag.close()
        assert held == handed_out.files, at


def test_two_files_of_one_name_are_refused(
    handed_out: HandedOut, tmp_path: Path, verifier: ModuleType
) -> None:
    path = tmp_path / "dossier.zip"
    packed = io.BytesIO(handed_out.zip)
    with zipfile.ZipFile(packed, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(f"{handed_out.folder}/data/case.jsonld", b"{}")
    path.write_bytes(packed.getvalue())
    report: dict[str, Any] = {"problems": []}
    verifier.verify(Namespace(what=path, key=[], policy=None, stamp_roots=None), report)
    assert "twice" in report["problems"][0].args[0]


def test_a_link_within_a_folder_is_refused(
    handed_out: HandedOut, tmp_path: Path, verifier: ModuleType
) -> None:
    for name, content in handed_out.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    target = tmp_path / "data" / "case.jsonld"
    target.rename(tmp_path / "elsewhere")
    target.symlink_to(tmp_path / "elsewhere")
    report: dict[str, Any] = {"problems": []}
    verifier.verify(Namespace(what=tmp_path, key=[], policy=None, stamp_roots=None), report)
    assert "is a link" in report["problems"][0].args[0]


def test_ed25519_is_that_of_rfc_8032(verifier: ModuleType) -> None:
    """Section 7.1: five keys, messages and signatures; and one bit changed in each of the three."""
    path = Path(__file__).resolve().parents[1] / "golden" / "custody" / "rfc8032.json"
    vectors = json.loads(path.read_text())["ed25519"]
    assert len(vectors) >= 4
    for vector in vectors:
        public, message, signature = (
            bytes.fromhex(vector[n]) for n in ("public", "message", "signature")
        )
        assert verifier.ed25519_verifies(public, message, signature)
        spoilt = bytes([signature[0] ^ 1]) + signature[1:]
        assert not verifier.ed25519_verifies(public, message, spoilt)
        assert not verifier.ed25519_verifies(public, message + b"\0", signature)
        assert not verifier.ed25519_verifies(public[:-1] + b"\x7f", message, signature)
