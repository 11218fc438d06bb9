"""The handler sees what was recorded, plays it, and attaches several at once to a case."""

from __future__ import annotations

import pytest

from tests.pages.conftest import Visitor
from tests.pages.console import CASE, FILM, PHOTO


def test_new_exhibits_stand_in_the_list_with_their_pictures_and_their_wearer(
    visit: Visitor,
) -> None:
    page = (handler := visit("handler")).page
    handler.go("/exhibits")
    for name in (FILM, PHOTO):
        card = page.locator(".poster-card", has_text=handler.console.labels[name])
        picture = card.locator("img")
        picture.scroll_into_view_if_needed()
        page.wait_for_function(
            "i => i.complete && i.naturalWidth > 0", arg=picture.element_handle()
        )
        # The ledger says who wore it; the file name says somebody else's number.
        assert "张08" in card.inner_text()


def test_a_recording_plays_and_seeks_by_ranges(visit: Visitor) -> None:
    handler = visit("handler")
    handler.open_exhibit(FILM)
    statuses: list[int] = []
    handler.page.on(
        "response", lambda r: statuses.append(r.status) if "/original" in r.url else None
    )
    video = handler.page.locator("video")
    video.evaluate("v => { v.muted = true; return v.play(); }")
    video.evaluate("v => new Promise(r => { v.onseeked = r; v.currentTime = v.duration - 2; })")
    assert video.evaluate("v => v.currentTime > v.duration - 3 && v.duration > 10")
    assert video.evaluate("v => v.error === null")
    assert set(statuses) == {206}
    handler.open_exhibit(FILM)
    assert "播放" in handler.page.locator(".events").inner_text()


def test_several_are_attached_at_once_to_a_number_in_any_brackets(visit: Visitor) -> None:
    handler = visit("handler")
    page, labels = handler.page, handler.console.labels
    handler.go("/exhibits")
    for name in (FILM, PHOTO):
        page.check(f".poster-card:has-text('{labels[name]}') input[name=exhibit]")
    assert page.locator("#picked").inner_text() == "2"
    page.fill("#number", "衡东市监罚字(2023)451号")
    page.wait_for_selector("#recognised .good")
    assert CASE in page.locator("#recognised").inner_text()
    page.click("#attach-bar button")
    page.wait_for_selector(".notice-good")
    assert CASE in page.locator(".notice-good").inner_text()
    handler.go(f"/cases/{handler.console.case_id}")
    for name in (FILM, PHOTO):
        assert page.locator(".posters", has_text=labels[name]).count() == 1


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("衡东市监罚字〔23〕451号", "不是案号"),
        ("衡东市监罚字〔2023〕9999号", "没有这个案号"),
        ("'; DROP TABLE cases; --", "不是案号"),
    ],
)
def test_a_wrong_number_is_refused_in_words_and_nothing_typed_is_lost(
    visit: Visitor, number: str, words: str
) -> None:
    handler = visit("handler")
    page = handler.page
    handler.go("/exhibits")
    box = page.locator(
        f".poster-card:has-text('{handler.console.labels['archive.mp4']}') input[name=exhibit]"
    )
    box.check()
    page.fill("#note", "现场录像")
    page.fill("#number", number)
    page.wait_for_selector("#recognised .bad")
    page.click("#attach-bar button")
    page.wait_for_selector("main .notice-bad")
    assert words in page.locator("main .notice-bad").inner_text()
    assert page.input_value("#number") == number
    assert page.input_value("#note") == "现场录像"
    assert box.is_checked()
    handler.eyes.expect(422, "/exhibits/attach")


def test_an_exhibit_in_quarantine_cannot_be_selected_or_played(visit: Visitor) -> None:
    handler = visit("handler")
    page = handler.page
    handler.go("/exhibits?state=quarantined")
    assert page.locator(".poster-card").count() == 1
    assert page.locator("input[name=exhibit]").count() == 0
    handler.open_exhibit("lie.mp4")
    assert page.locator("video").count() == 0
    assert page.locator(".points .differs").count() == 1
    assert page.locator("form[action$='/attach']").count() == 0


def test_a_recording_that_cannot_be_read_says_so_and_keeps_its_bytes(visit: Visitor) -> None:
    handler = visit("handler")
    for name in ("archive.mp4", "cut.mp4"):
        handler.open_exhibit(name)
        assert handler.page.locator(".points .same").count() == 3
        assert "可读取" not in handler.page.locator("#media + p").inner_text()


def test_all_of_it_can_be_done_by_keyboard(visit: Visitor) -> None:
    handler = visit("handler")
    page, label = handler.page, handler.console.labels["cut.mp4"]
    handler.go("/exhibits")

    exhibit = page.locator(f".poster-card:has-text('{label}') input[name=exhibit]")
    handler.tab_to(f"input[value='{exhibit.get_attribute('value')}']")
    page.keyboard.press("Space")
    handler.tab_to("#number")
    page.keyboard.type("衡东市监罚字【2023】451号")
    handler.tab_to("#attach-bar button")
    page.keyboard.press("Enter")
    page.wait_for_selector(".notice-good")
    handler.go(f"/exhibits/{label}")
    assert CASE in page.locator("section[aria-labelledby=links]").inner_text()
