"""The handler hands out a dossier: reason, making, download, and the recipient signs for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.pages.conftest import Visitor
from tests.pages.console import FILM

ROOT = Path(__file__).resolve().parents[2]


def test_a_dossier_is_asked_for_made_downloaded_verified_and_signed_for(
    visit: Visitor, tmp_path: Path
) -> None:
    handler = visit("handler")
    page, label = handler.page, handler.console.labels[FILM]
    handler.open_exhibit(FILM)
    page.click(".page-head .buttons a:has-text('卷宗')")
    page.fill("#reason", "县人民法院 11 月 21 日调取函第 38 号")
    page.click("form.row-form button")
    # It becomes ready on the page as it stands, without a reload.
    link = page.locator("#state a[download]")
    link.wait_for(timeout=60_000)
    with page.expect_download() as waited:
        link.click()
    packed = tmp_path / waited.value.suggested_filename
    waited.value.save_as(packed)
    assert packed.name.startswith("D20")
    assert label in packed.name
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "scripts" / "verify"), str(packed)],
        check=False,
        capture_output=True,
        env={},
    )
    assert done.returncode == 0, done.stdout.decode()
    page.fill("#recipient", "李法官")
    page.fill("#organisation", "衡东县人民法院")
    page.click("form.row-form button")
    page.wait_for_selector(".notice-good")
    assert "李法官" in page.locator(".signed").inner_text()
    assert "卷宗已签收" in page.locator(".events").inner_text()
    handler.open_exhibit(FILM)
    assert "38 号" in page.locator(".signed").inner_text()


def test_without_a_reason_there_is_no_dossier_and_what_was_typed_stays(visit: Visitor) -> None:
    handler = visit("handler")
    page = handler.page
    exhibit = handler.console.exhibit_id(FILM)
    handler.go(f"/dossiers/ask?exhibit={exhibit}")
    page.locator("#reason").evaluate("e => e.removeAttribute('required')")
    page.fill("#reason", "   ")
    page.click("form.row-form button")
    page.wait_for_selector(".notice-bad")
    assert page.url.endswith("/dossiers")
    assert page.locator("#reason").input_value() == "   "
    handler.eyes.expect(422, "/dossiers")
