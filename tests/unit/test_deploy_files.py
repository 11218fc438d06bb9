"""scripts/deploy as a machine reads it: units that systemd takes, settings that there are."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.api.test_config import _VARIABLES
from tests.live import ROOT, free_port

DEPLOY = ROOT / "scripts" / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
TIMERS = sorted(DEPLOY.glob("*.timer"))
HARDENED = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "CapabilityBoundingSet=",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged",
)
# Where the machine of these files has its things.
PYTHON, HOME = "/opt/zhenglian/.venv/bin/python", "/opt/zhenglian"


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """All of them, as they would stand on this machine; an instance for the template."""
    written = []
    for unit in UNITS + TIMERS:
        text = unit.read_text("utf-8").replace(PYTHON, sys.executable).replace(HOME, str(ROOT))
        path = tmp_path / unit.name.replace("@.", "@8081.")
        path.write_text(text)
        written.append(str(path))
    return written


def test_there_is_a_unit_for_everything_that_runs() -> None:
    assert {unit.stem for unit in UNITS} == {
        "zhenglian-web@",
        "zhenglian-worker",
        "zhenglian-migrate",
        "zhenglian-backup",
        "zhenglian-log-audit",
    }
    assert {timer.stem for timer in TIMERS} == {"zhenglian-backup", "zhenglian-log-audit"}


def test_systemd_takes_every_unit_without_a_word(units: list[str]) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        check=False,
        capture_output=True,
        text=True,
    )
    own = [line for line in done.stderr.splitlines() if "zhenglian" in line]
    assert (done.returncode, own) == (0, []), done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_every_service_is_shut_in(unit: Path, units: list[str]) -> None:
    lines = unit.read_text("utf-8").splitlines()
    assert not [line for line in HARDENED if line not in lines]
    assert [line for line in lines if line.startswith("MemoryMax=")]
    written = next(path for path in units if Path(path).name.startswith(unit.stem))
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=20", written],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def _command(words: list[str]) -> None:
    """`python -m MODULE …` or `python SCRIPT …` of this checkout."""
    if words[1] == "-m":
        assert importlib.util.find_spec(words[2]) is not None, words
    elif words[1] != "-c":
        assert (ROOT / words[1]).is_file(), words


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_what_a_unit_starts_exists(unit: Path) -> None:
    (line,) = re.findall("^ExecStart=(.*)$", unit.read_text("utf-8"), re.MULTILINE)
    words = line.split()
    assert words[0] == PYTHON
    _command(words)


def test_the_web_process_tells_systemd_when_it_listens(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(address)
        told.settimeout(60)
        environ = {**os.environ, "ZHENGLIAN_DATA": str(tmp_path / "data"), "NOTIFY_SOCKET": address}
        process = subprocess.Popen(
            [sys.executable, "-m", "server.serve", "--port", str(free_port())],
            cwd=ROOT,
            env=environ,
        )
        try:
            assert b"READY=1" in told.recv(4096)
        finally:
            process.terminate()
            process.wait(20)


# ── settings ─────────────────────────────────────────────────────────────────────────────


def test_the_example_names_settings_that_exist_and_all_that_a_proxy_needs() -> None:
    text = (DEPLOY / "zhenglian.env.example").read_text("utf-8")
    given = dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))
    assert set(given) <= set(_VARIABLES)
    offered = set(re.findall(r"^# ([A-Z_]+)=", text, re.MULTILINE))
    assert offered - set(_VARIABLES) == {
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CA_BUNDLE", "PGPASSFILE", "SSL_CERT_FILE"
    }  # fmt: skip
    assert (given["ZHENGLIAN_PROXIES"], given["ZHENGLIAN_ACCEL"]) == ("1", "/originals/")
    conf = (DEPLOY / "nginx.conf").read_text("utf-8")
    assert f'X-Accel-Originals "{given["ZHENGLIAN_ACCEL"]}"' in conf
    assert f"location {given['ZHENGLIAN_ACCEL']} {{" in conf
    assert given["ZHENGLIAN_STORE_URL"] == "file:///srv/zhenglian/store"
    assert "alias /srv/zhenglian/store/originals/;" in conf


# ── Prometheus ───────────────────────────────────────────────────────────────────────────


def test_the_rules_ask_for_figures_that_are_told_and_for_labels_that_they_have(app: Flask) -> None:
    done = subprocess.run(
        ["yq", "[.groups[].rules[]]", str(DEPLOY / "prometheus-rules.yml")],
        capture_output=True,
        text=True,
        check=True,
    )
    rules = json.loads(done.stdout)
    assert len({rule["alert"] for rule in rules}) == len(rules) > 0
    client = app.test_client()
    client.get("/healthz")
    told = client.get("/metrics").text
    for rule in rules:
        asked = set(re.findall(r"zhenglian_\w+", rule["expr"]))
        labels = re.findall(r"by \((\w+)\)|{(\w+)=~", rule["expr"])
        for name in asked:
            (shown, *_) = re.findall(rf"^{name}(?:{{(.+)}})? ", told, re.MULTILINE)
            assert all(f'{by or where}="' in shown for by, where in labels), (name, shown)
        assert asked or rule["alert"] == "ZhenglianAway"
        assert rule["annotations"]["summary"].endswith((".", "?"))


# ── compose ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    done = subprocess.run(
        ["yq", ".services", str(DEPLOY / "compose.yaml")],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


OURS = ("migrate", "web1", "web2", "web3", "worker", "backup")


def test_compose_starts_what_a_grown_up_installation_has(services: dict[str, Any]) -> None:
    assert set(services) == {"postgres", "redis", "nginx", *OURS}
    assert services["postgres"]["image"] == "postgres:15"
    assert services["redis"]["image"] == "redis:7"


@pytest.mark.parametrize("name", OURS)
def test_compose_sets_only_what_we_know_and_starts_only_what_there_is(
    services: dict[str, Any], name: str
) -> None:
    service = services[name]
    assert set(service["environment"]) <= set(_VARIABLES)
    assert all(isinstance(value, str) for value in service["environment"].values())
    command = service["command"]
    _command(command[2].split()[1:] if command[0] == "sh" else command)
    if "healthcheck" in service:
        _command(service["healthcheck"]["test"][1:])
    # What is set here wins over the bureau's own file, which may therefore hold everything else.
    assert service["env_file"] == [{"path": "zhenglian.env", "required": False}]
    assert "ZHENGLIAN_WITNESSES" not in service["environment"]
    dockerfile = ROOT / "scripts" / "deploy" / service["build"]["context"]
    assert (dockerfile / service["build"]["dockerfile"]).is_file()


def test_compose_waits_for_services_and_mounts_volumes_that_there_are(
    services: dict[str, Any],
) -> None:
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    volumes = set(text.split("\nvolumes:\n")[1].replace(":", "").split())
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= set(services), name
        mounted = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert {m for m in mounted if not m.startswith(".")} <= volumes, name


def test_compose_backs_up_what_there_is_and_only_when_it_is_asked(
    services: dict[str, Any],
) -> None:
    backup = services["backup"]
    assert backup["profiles"] == ["backup"]
    assert set(services["worker"]["volumes"]) < set(backup["volumes"])
    folder = backup["command"][2]
    assert f"./backups:{folder}" in backup["volumes"]


def test_the_names_that_compose_puts_into_nginx_conf_stand_there(services: dict[str, Any]) -> None:
    script = services["nginx"]["command"][2]
    conf = (DEPLOY / "nginx.conf").read_text("utf-8")
    replaced = re.findall(r"-e 's([/#])(.+?)\1(.+?)\1'", script)
    assert len(replaced) == 4
    for _, there, here in replaced:
        assert conf.count(there) == 1, there
        conf = conf.replace(there, here)
    assert set(re.findall(r"server (web\d):8080", conf)) == {"web1", "web2", "web3"}
    assert "127.0.0.1" not in conf


@pytest.mark.parametrize(
    "name",
    ["backup", "restore", "log-audit", "move-database", "move-store", "rotate-key", "witness"],
)
def test_a_script_runs_where_there_is_no_environment_but_the_packages(
    tmp_path: Path, name: str
) -> None:
    """As in the image, whose folder is root's."""
    (tmp_path / "scripts").mkdir()
    for file in ("preparing.py", name):
        shutil.copy(ROOT / "scripts" / file, tmp_path / "scripts")
    for package in ("server", "evidence", "schemas"):
        (tmp_path / package).symlink_to(ROOT / package)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "scripts" / name), "--help"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, "usage:" in done.stdout) == (0, True), done.stderr


def _copied(dockerfile: str) -> Iterator[str]:
    for line in re.findall("^COPY (.*)$", dockerfile, re.MULTILINE):
        yield from line.split()[:-1]


def test_the_image_is_made_of_what_there_is_and_nothing_else_is_sent_to_make_it() -> None:
    copied = set(_copied((DEPLOY / "Dockerfile").read_text("utf-8")))
    assert all((ROOT / name).exists() for name in copied)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert ignored[0] == "*"
