"""The dock against a server that fails: whatever goes wrong, nothing is sent twice or lost."""

from __future__ import annotations

import ctypes
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.docking.command import main
from tests.docking_server import TusServer

DOCK = Path(__file__).resolve().parents[2] / "scripts" / "dock"
MIB = 1024 * 1024


@pytest.fixture
def server() -> Iterator[TusServer]:
    with TusServer() as server:
        yield server


@dataclass
class Station:
    """A card, a token file, and the dock as a process of its own."""

    server: TusServer
    folder: Path

    @property
    def card(self) -> Path:
        return self.folder / "card"

    def command(self, *options: str, state: str = "state") -> list[str]:
        return [
            sys.executable, str(DOCK), f"{self.card}/", "--server", self.server.url,
            "--token-file", str(self.folder / "token"), "--state", str(self.folder / state),
            "--json", "--lang", "en", *options,
        ]  # fmt: skip

    def start(self, *options: str, state: str = "state") -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*options, state=state),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(
        self, *options: str, code: int = 0, state: str = "state"
    ) -> dict[str, dict[str, object]]:
        """The JSON line of each file, by its name; this process is the dock."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            ended = main(self.command(*options, state=state)[2:])
        return self._lines(ended, code, out.getvalue(), err.getvalue())

    def run_apart(self, *options: str, code: int = 0) -> dict[str, dict[str, object]]:
        """The same, in a process that may not read everything."""
        ended = subprocess.run(
            self.command(*options), capture_output=True, text=True, timeout=60, check=False,
            preexec_fn=without_the_right_to_read_everything,
        )  # fmt: skip
        return self._lines(ended.returncode, code, ended.stdout, ended.stderr)

    def _lines(self, ended: int, code: int, out: str, err: str) -> dict[str, dict[str, object]]:
        self.said = err
        assert ended == code, out + err
        lines = map(json.loads, out.splitlines())
        return {line["file"]: line for line in lines}

    def record(self, name: str, size: int) -> Path:
        path = self.card / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
        return path


@pytest.fixture
def station(server: TusServer, tmp_path: Path) -> Station:
    (tmp_path / "card").mkdir()
    token = tmp_path / "token"
    token.write_text(f"secret-token\nkey {server.signer.verifier_key}\n")
    token.chmod(0o600)
    return Station(server, tmp_path)


def without_the_right_to_read_everything() -> None:
    """Take CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH from a root that runs tests; nobody else
    has them."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def test_a_card_is_sealed_whole_and_a_second_run_sends_nothing(station: Station) -> None:
    station.record("DCIM/BWC_HD-012@A1.mp4", 3 * MIB)
    station.record("empty.mp4", 0)
    station.record(".hidden/照片.jpg", 1000)
    first = station.run("--recorder", "HD-012")
    assert {line["state"] for line in first.values()} == {"sealed"}
    assert set(first) == {"DCIM/BWC_HD-012@A1.mp4", "empty.mp4", ".hidden/照片.jpg"}
    sent = station.server.stored
    assert sent == 3 * MIB + 1000
    again = station.run("--recorder", "HD-012")
    assert all(line["before_this_run"] for line in again.values())
    assert station.server.stored == sent


def test_two_equal_files_are_one_sealed_and_one_duplicate_or_known(station: Station) -> None:
    path = station.record("a.mp4", 1000)
    (station.card / "b.mp4").write_bytes(path.read_bytes())
    lines = station.run()
    assert {line["state"] for line in lines.values()} <= {"sealed", "duplicate"}
    assert lines["a.mp4"]["sha256"] == lines["b.mp4"]["sha256"]


def test_the_name_tells_recorder_and_time_and_the_option_wins(station: Station) -> None:
    station.record("BWC_HD012@A0001_20230915_093000_001.mp4", 10)
    (line,) = station.run().values()
    assert (line["recorder"], line["recorded_at"]) == ("HD012", "2023-09-15T09:30:00+08:00")
    (line,) = station.run("--recorder", "HD-099", code=0).values()
    assert line["recorder"] == "HD-099"


def test_a_dock_killed_in_mid_file_goes_on_from_the_byte_the_server_has(station: Station) -> None:
    station.record("long.mp4", 40 * MIB)
    station.server.faults.hold_after = 16 * MIB
    dock = station.start()
    until(lambda: station.server.stored >= 16 * MIB)
    dock.send_signal(signal.SIGKILL)
    dock.communicate()
    station.server.faults.hold_after = None
    station.server.faults.released.set()
    (line,) = station.run().values()
    assert line["state"] == "sealed"
    # Every byte arrived once: nothing that the server had was sent again.
    assert station.server.stored == 40 * MIB
    assert station.server.patches[0] == 0
    assert station.server.patches[-1] >= 16 * MIB


def test_without_its_state_the_dock_finds_the_same_upload_again(station: Station) -> None:
    station.record("long.mp4", 4 * MIB)
    station.server.faults.drop_after = [MIB]
    station.run("--give-up", "0", code=1, state="one")
    assert station.run(state="two")["long.mp4"]["state"] == "sealed"
    assert len(station.server.uploads) == 1
    assert station.server.stored == 4 * MIB


def test_a_damaged_state_is_set_aside(station: Station) -> None:
    station.record("a.mp4", 10)
    (station.folder / "state").mkdir()
    (station.folder / "state" / "uploads.db").write_bytes(b"not a database at all" * 100)
    assert station.run()["a.mp4"]["state"] == "sealed"


def test_a_connection_dropped_at_any_byte_costs_no_byte_twice(station: Station) -> None:
    station.record("long.mp4", 4 * MIB)
    station.server.faults.drop_after = [1, 70_000, MIB, 2 * MIB]
    assert station.run()["long.mp4"]["state"] == "sealed"
    assert station.server.stored == 4 * MIB


def test_a_server_that_goes_away_and_comes_back_gets_the_rest(station: Station) -> None:
    station.record("long.mp4", 4 * MIB)
    station.server.faults.drop_after = [MIB]
    station.server.__exit__()
    dock = station.start()
    assert dock.stderr is not None
    waiting = iter(dock.stderr.readline, "")
    assert any("cannot be reached" in line for line in waiting)
    station.server.come_back()
    out, _ = dock.communicate(timeout=60)
    assert json.loads(out)["state"] == "sealed"
    assert station.server.stored == 4 * MIB


def test_errors_that_pass_are_waited_for(station: Station) -> None:
    station.record("a.mp4", 1000)
    station.server.faults.answers = [
        ("GET", 503, {"code": "storage_unavailable"}),
        ("POST", 500, {"code": "internal_error"}),
        ("HEAD", 423, {}),
        ("PATCH", 409, {"code": "upload_leased"}),
        ("PATCH", 409, {"code": "offset_mismatch"}),
        ("GET", 500, {}),
    ]
    assert station.run()["a.mp4"]["state"] == "sealed"
    assert "another dock is sending this file" in station.said


def test_an_upload_that_lost_its_end_is_ended_by_an_empty_patch(station: Station) -> None:
    station.record("a.mp4", 1000)
    station.server.faults.end_lost = True
    assert station.run()["a.mp4"]["state"] == "sealed"
    assert station.server.stored == 1000


def test_a_full_server_and_an_expired_token_are_said_and_not_insisted_on(station: Station) -> None:
    station.record("a.mp4", 1000)
    station.server.faults.answers = [("POST", 507, {"code": "storage_full"})]
    assert station.run("--wipe", code=1)["a.mp4"]["code"] == "server_full"
    station.server.faults.answers = [("POST", 401, {"code": "not_authenticated"})]
    line = station.run("--wipe", code=1)["a.mp4"]
    assert line["code"] == "token_refused"
    assert "Ask your administrator" in str(line["reason"])
    assert (station.card / "a.mp4").exists()


def test_one_file_without_progress_is_given_up_and_the_others_go_on(station: Station) -> None:
    station.record("a.mp4", 1000)
    station.record("b.mp4", 1000)
    station.server.faults.answers = [("POST", 500, {})]
    lines = station.run("--give-up", "0", "--jobs", "1", code=1)
    assert (lines["a.mp4"]["code"], lines["b.mp4"]["state"]) == ("gave_up", "sealed")


def test_what_cannot_be_read_is_told_and_the_others_go_on(station: Station) -> None:
    station.record("a.mp4", 1000).chmod(0)
    station.record("locked/b.mp4", 1000)
    station.record("c.mp4", 1000)
    (station.card / "locked").chmod(0)
    lines = station.run_apart("--wipe", code=1)
    (station.card / "locked").chmod(0o700)
    assert lines["a.mp4"]["code"] == lines["locked"]["code"] == "file_unreadable"
    assert lines["c.mp4"]["state"] == "sealed"
    assert (station.card / "a.mp4").exists()


def test_quarantine_is_told_kept_and_sent_afresh_by_the_next_run(station: Station) -> None:
    station.record("a.mp4", 1000)
    station.server.faults.quarantine.add("a.mp4")
    line = station.run("--wipe", code=1)["a.mp4"]
    assert line["state"] == "quarantined"
    assert "claimed at the source" in str(line["reason"])
    assert (station.card / "a.mp4").exists()
    station.server.faults.quarantine.clear()
    assert station.run("--wipe")["a.mp4"]["state"] == "sealed"
    assert not (station.card / "a.mp4").exists()


def test_wipe_removes_what_is_proven_and_only_that(station: Station) -> None:
    station.record("good.mp4", 1000)
    station.record("bad.mp4", 1000)
    station.record("left.THM", 10)
    station.server.faults.quarantine.add("bad.mp4")
    lines = station.run("--wipe", "--skip", "*.thm", code=1)
    assert lines["good.mp4"]["removed"]
    assert sorted(p.name for p in station.card.iterdir()) == ["bad.mp4", "left.THM"]
    assert "left.THM" in station.said


@pytest.mark.parametrize(
    ("receipt", "code"),
    [("forged", "receipt_forged"), ("other", "receipt_of_other"), ("none", "no_receipt")],
)
def test_a_receipt_that_proves_nothing_removes_nothing(
    station: Station, receipt: str, code: str
) -> None:
    station.record("a.mp4", 1000)
    station.server.faults.receipt = receipt
    line = station.run("--wipe", code=1)["a.mp4"]
    assert (line["state"], line["code"], line["removed"]) == ("failed", code, False)
    assert (station.card / "a.mp4").exists()
    station.server.faults.receipt = "good"
    assert station.run("--wipe")["a.mp4"]["removed"]


def test_wipe_without_a_pinned_key_is_refused_with_a_way_out(station: Station) -> None:
    station.record("a.mp4", 1000)
    (station.folder / "token").write_text("secret-token\n")
    station.run("--wipe", code=2)
    assert "no receipt key is pinned" in station.said
    assert not station.server.uploads
    assert station.run()["a.mp4"]["state"] == "sealed"


@pytest.mark.parametrize("content", ["", "two words\n", "token\nkey malformed\n", "token\nother\n"])
def test_a_malformed_token_file_is_a_usage_error(station: Station, content: str) -> None:
    station.record("a.mp4", 1)
    (station.folder / "token").write_text(content)
    station.run(code=2)
    assert "token file" in station.said


def test_a_token_file_open_to_others_is_warned_of(station: Station) -> None:
    station.record("a.mp4", 1)
    (station.folder / "token").chmod(0o644)
    station.run()
    assert "chmod 600" in station.said


def test_two_docks_on_one_card_make_one_upload_of_each_file(station: Station) -> None:
    for name in ("a.mp4", "b.mp4"):
        station.record(name, 8 * MIB)
    station.server.faults.hold_after = MIB
    docks = [station.start("--recorder", "HD-012") for _ in range(2)]
    until(lambda: station.server.stored >= 2 * MIB)
    station.server.faults.hold_after = None
    station.server.faults.released.set()
    for dock in docks:
        out, err = dock.communicate(timeout=60)
        assert dock.returncode == 0, out + err
    assert len(station.server.uploads) == 2
    assert station.server.stored == 16 * MIB


def test_a_card_without_files_or_that_is_not_there_is_no_success(station: Station) -> None:
    station.run(code=2)
    assert "Is it mounted" in station.said
    station.card.rmdir()
    station.run(code=2)
    assert "cannot be read" in station.said


def test_ctrl_c_ends_cleanly_and_says_that_starting_again_goes_on(station: Station) -> None:
    station.record("long.mp4", 40 * MIB)
    station.server.faults.hold_after = MIB
    dock = station.start()
    until(lambda: station.server.stored >= MIB)
    dock.send_signal(signal.SIGINT)
    out, err = dock.communicate(timeout=20)
    assert (dock.returncode, out) == (130, "")
    assert "goes on where it stopped" in err
    assert "Traceback" not in err


def test_names_that_deceive_are_shown_with_their_marks(station: Station) -> None:
    station.record("gpj.\u202e4pm\n.mp4", 10)
    (name,) = station.run()
    assert name == "gpj.⟨U+202E⟩4pm⟨U+000A⟩.mp4"
    assert station.server.only().metadata["filename"] == "gpj.\u202e4pm\n.mp4"


def test_the_token_goes_to_no_other_host_than_the_one_named(station: Station) -> None:
    """The test server's Location names another host: the upload ends here all the same."""
    station.record("a.mp4", 10)
    assert station.run()["a.mp4"]["state"] == "sealed"


def test_the_help_speaks_both_languages() -> None:
    shown = subprocess.run(
        [sys.executable, str(DOCK), "--help"], check=False, capture_output=True, text=True
    )
    assert shown.returncode == 0
    assert "exit codes" in shown.stdout
    assert "退出码" in shown.stdout
    assert "回收站" in shown.stdout


def test_sealing_is_waited_for(station: Station) -> None:
    station.record("a.mp4", 10)
    station.server.faults.seals = False
    dock = station.start()
    until(lambda: any(kept.state == "sealing" for kept in station.server.uploads.values()))
    kept = station.server.only()
    station.server.faults.seals = True
    station.server.finish(kept)
    out, _ = dock.communicate(timeout=20)
    assert json.loads(out)["state"] == "sealed"
