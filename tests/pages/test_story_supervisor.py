"""The supervisor sees every act on every exhibit of a case, and takes away a proof that holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import LiveServer
from tests.pages.conftest import Visitor
from tests.pages.console import CASE, FILM, MEDIA, PHOTO, Console

VERIFY = Path(__file__).resolve().parents[2] / "scripts" / "verify"


@pytest.fixture
def own_console(own_server: LiveServer) -> Console:
    """One case with a film and a photograph, on a server of its own."""
    own_server.start()
    console = Console(own_server)
    console.case_id = console.file_case(CASE, "王记食品店")
    for name, file in ((FILM, "max-heromode.mp4"), (PHOTO, "DSCN0010.jpg")):
        console.dock(name, (MEDIA / file).read_bytes())
    console.read()
    found = console.ask("handler", "/api/v1/exhibits")["items"]
    linked = {"exhibit_ids": [e["id"] for e in found], "case_number": "衡东市监罚字(2023)451号"}
    console.ask("handler", "/api/v1/exhibits/links", linked)
    return console


def verified(folder: Path, proof: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(VERIFY), str(proof)],
        cwd=folder, text=True, capture_output=True, check=False,
    )  # fmt: skip


def test_a_case_shows_every_event_in_order_as_a_table_and_as_a_picture(
    visit: Visitor, own_console: Console
) -> None:
    supervisor = visit("supervisor", at=own_console)
    page = supervisor.page
    supervisor.go("/cases?text=451")
    page.click(".rows th a")
    page.wait_for_selector(".events")
    shown = page.locator(".events tbody tr")
    told = own_console.ask("supervisor", f"/api/v1/cases/{own_console.case_id}/custody")
    assert shown.count() == len(told)
    numbers = [n for n in shown.locator(".number").all_inner_texts() if n.isdigit()]
    assert [int(n) for n in numbers] == sorted(int(n) for n in numbers)
    words = page.locator(".events").inner_text()
    for word in ("立案", "采集", "已固定", "关联", "张02", "采集站", *own_console.labels.values()):
        assert word in words
    picture = page.locator("figure svg[role=img]")
    assert picture.get_attribute("aria-label")
    assert picture.locator("g.mark").count() == shown.count()
    assert page.get_by_text("摘要均一致").count() == 1


def test_on_a_phone_a_narrowed_list_shows_exhibits_first_and_what_narrows_it(
    visit: Visitor,
) -> None:
    supervisor = visit("supervisor", width="phone")
    page = supervisor.page
    supervisor.go("/exhibits?state=sealed")
    assert not page.locator(".facets fieldset").first.is_visible()
    assert page.locator(".narrowed-to a").inner_text() == "已固定"
    page.locator(".facets summary").click()
    assert not page.locator(".narrowed-to").is_visible()
    page.locator(".facets summary").click()
    page.locator(".narrowed-to a").click()
    page.wait_for_url(lambda url: url.endswith("/exhibits"))
    assert page.locator(".narrowed-to").count() == 0


def test_a_supervisor_changes_nothing(visit: Visitor) -> None:
    supervisor = visit("supervisor")
    page = supervisor.page
    supervisor.go("/exhibits")
    assert page.locator("input[name=exhibit], #attach-bar").count() == 0
    supervisor.open_exhibit(FILM)
    assert page.locator("main form:not(.reread form)").count() == 0
    token = page.locator("input[name=csrf_token]").first.get_attribute("value")
    refused = page.request.post(
        f"{supervisor.console.server.url}/exhibits/attach",
        form={
            "csrf_token": str(token),
            "number": CASE,
            "exhibit": supervisor.console.ask("supervisor", "/api/v1/exhibits")["items"][0]["id"],
        },
        headers={"Referer": page.url},
    )
    assert refused.status == 422
    assert "不能" in refused.text() or "无权" in refused.text()


def test_proof_and_original_from_the_browser_hold_when_the_server_is_gone(
    visit: Visitor, own_console: Console, tmp_path: Path
) -> None:
    supervisor = visit("supervisor", at=own_console)
    page, label = supervisor.page, own_console.labels[FILM]
    supervisor.open_exhibit(FILM)
    paths = {}
    for words in ("证明", "原始文件"):
        with page.expect_download() as download:
            page.locator(".page-head .buttons a", has_text=words).click()
        paths[words] = tmp_path / download.value.suggested_filename
        download.value.save_as(paths[words])
    proof, original = paths["证明"], paths["原始文件"]
    assert proof.name == f"{label}.proof.json"
    own_console.server.stop()

    intact = verified(tmp_path, proof)
    assert intact.returncode == 0, intact.stdout + intact.stderr

    whole = original.read_bytes()
    at = len(whole) // 2
    original.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    broken = verified(tmp_path, proof)
    assert broken.returncode == 1
    assert original.name in broken.stdout
    original.write_bytes(whole)

    document = json.loads(proof.read_text())
    proof.write_text(proof.read_text().replace(FILM, "another" + FILM, 1))
    assert json.loads(proof.read_text()) != document
    broken = verified(tmp_path, proof)
    assert broken.returncode == 1, broken.stdout
