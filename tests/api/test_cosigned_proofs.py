"""An exhibit's proof and the policy of whoever checks it: with a real witness, web and worker."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from server import create_app, vouchers
from tests.api.test_witnessing import ROOT, RunningWitness, act, ask, signer_key, watched
from tests.api.tus import Tus
from tests.bureau import Bureau
from tests.conftest import SteppingClock
from tests.live import LiveServer

__all__ = ["watched"]


def policy_of(app: Flask, witness: RunningWitness, folder: Path) -> Path:
    """What a court trusts: the bureau's log, and that this witness has cosigned."""
    path = folder / "policy"
    path.write_text(f"log {signer_key(app)}\nwitness sifa {witness.key}\nquorum sifa\n")
    return path


def verified(path: Path, policy: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "scripts" / "verify"), str(path), "--policy",
         str(policy), "--events-only", "--lang", "en"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def witnessed_server(
    watched: tuple[Flask, RunningWitness], bureau: Bureau
) -> Iterator[tuple[LiveServer, RunningWitness]]:
    """Web and worker of a bureau whose witness is not running yet."""
    _, witness = watched
    server = LiveServer(bureau, {"ZHENGLIAN_WITNESSES": f"{witness.url} {witness.key}"})
    try:
        server.start()
        yield server, witness
    finally:
        server.stop()


def test_a_proof_holds_the_cosignature_that_a_policy_asks_for(
    witnessed_server: tuple[LiveServer, RunningWitness], bureau: Bureau, tmp_path: Path
) -> None:
    server, witness = witnessed_server
    station, supervisor = Tus(server), Tus(server, server.tokens["supervisor"])
    where = station.create(8)
    station.send(where, 0, b"recorded")
    exhibit = station.state(where)["exhibit"]
    policy, path = policy_of(create_app(bureau.environ), witness, tmp_path), tmp_path / "proof.json"

    def proof() -> tuple[int, str]:
        answer = supervisor.ask("GET", f"{exhibit}/proof")
        assert answer.status == 200
        path.write_bytes(answer.body)
        return verified(path, policy)

    proof()  # by now the witness is known to be silent
    began = time.monotonic()
    code, words = proof()
    assert time.monotonic() - began < 4, "a witness that is silent is not waited for"
    assert code == 2, words
    assert "not cosigned (yet) by sifa" in words
    assert "NOT COSIGNED: nothing is broken" in words
    path.write_text(path.read_text().replace('\\"via\\":\\"', '\\"via\\":\\"x'))
    assert verified(path, policy)[0] == 1, "what is broken is broken, cosigned or not"

    with witness.running():
        until = time.monotonic() + 60
        while supervisor.ask("GET", "/log/checkpoint/cosigned").status != 200:
            assert time.monotonic() < until
            time.sleep(0.1)
        for _ in range(2):
            assert supervisor.ask("GET", f"{exhibit}/custody").status == 200  # another event
            code, words = proof()
            assert (code, "trusted by your policy" in words) == (0, True), words


def test_a_cosigned_checkpoint_is_waited_for_and_not_for_ever(
    watched: tuple[Flask, RunningWitness], clock: SteppingClock
) -> None:
    app, witness = watched
    first = act(app)
    with app.app_context():
        began = time.monotonic()
        assert vouchers.cosigned_over(0, 0.3) is None
        assert time.monotonic() - began > 0.3
        with witness.running():
            assert ask(app) == 1
        act(app)
        # The newest is not cosigned; the one before it holds the event, too.
        assert vouchers.cosigned_over(0, 60) == first.checkpoint
        assert vouchers.cosigned_over(first.size, 0.3) is None
        clock.step(minutes=1)
        assert ask(app) == 0  # it is down
        assert vouchers.cosigned_over(first.size, 60) is None
