"""Every page of the console: both languages, both widths, full, empty and attacked."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from server import create_app
from tests.bureau import Bureau
from tests.live import LiveServer
from tests.pages.conftest import Visitor
from tests.pages.console import CASE, HOSTILE_NAME, OTHER_CASE, WIDTHS, Console, Visit

# Who looks at which page; what stands in braces is filled in from the console.
PAGES = {
    "": ["/login"],
    "handler": [
        "/", "/exhibits", "/exhibits?text=nothing-like-it", "/exhibits?state=quarantined",
        "/exhibits/{film}", "/exhibits/{photo}", "/exhibits/{zip}", "/exhibits/{lie}",
        "/exhibits/{hostile}", "/cases", "/cases/{case}", "/cases/{other_case}",
    ],
    "street_officer": [
        "/", "/recorders", "/recorders/HD-012", "/inspections", "/inspections/{inspection}",
        "/inspections/{other_inspection}",
    ],
    "supervisor": ["/", "/exhibits/{film}", "/cases/{case}", "/custody-log"],
    "administrator": ["/", "/recorders", "/administration"],
}  # fmt: skip
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="session")
def named(console: Console) -> dict[str, str]:
    """What the braces of PAGES stand for."""
    cases = {c["number"]: c["id"] for c in console.ask("handler", "/api/v1/cases")["items"]}
    parties = console.ask("street_officer", "/api/v1/inspections")["items"]
    inspections = {i["party"].startswith("李记"): i["id"] for i in parties}
    return {
        "film": console.labels["ZFY_HD012@430424017_20230915_100005_0003.mp4"],
        "photo": console.labels["DSCN0010.jpg"],
        "zip": console.labels["archive.mp4"],
        "lie": console.labels["lie.mp4"],
        "hostile": console.labels[HOSTILE_NAME],
        "case": cases[CASE],
        "other_case": cases[OTHER_CASE],
        "inspection": inspections[True],
        "other_inspection": inspections[False],
    }


def wrong_with(page: Page) -> list[str]:
    """What axe finds, what is wider than its window, what ran that should not."""
    found = Axe().run(page).response["violations"]
    wrong = [f"{v['id']}: {v['nodes'][0]['target']}" for v in found if v["impact"] in SERIOUS]
    return wrong + misplaced_on(page)


def misplaced_on(page: Page) -> list[str]:
    wrong = []
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        wrong.append("the page scrolls sideways")
    if page.evaluate("window.owned"):
        wrong.append("something foreign was run")
    return wrong


def looked_at(visit: Visit, path: str, language: str) -> dict[str, list[str]]:
    """The faults of one page, at both widths. Its parts are the same in every language."""
    visit.go(path)
    faults = {}
    for name, (wide, high) in WIDTHS.items():
        visit.page.set_viewport_size({"width": wide, "height": high})
        wrong = wrong_with(visit.page) if language == "zh" else misplaced_on(visit.page)
        if wrong:
            faults[f"{path} {name}"] = wrong
    return faults


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("who", PAGES)
def test_a_page_is_whole_usable_and_in_one_language(
    visit: Visitor, named: dict[str, str], who: str, language: str
) -> None:
    reader = visit(who, language)
    faults: dict[str, list[str]] = {}
    for path in PAGES[who]:
        faults |= looked_at(reader, path.format(**named), language)
        words = reader.page.locator("body").inner_text()
        if language == "zh":
            assert reader.page.get_attribute("html", "lang") == "zh-CN"
        else:
            assert reader.page.get_attribute("html", "lang") == "en"
            assert "Exhibits" in words or who in ("", "administrator", "street_officer")
    assert not faults


def test_every_page_of_the_map_is_looked_at(bureau: Bureau) -> None:
    app = create_app(bureau.environ)
    own = {"login", "workbench", "exhibits", "cases", "recorders", "inspections", "log_page",
           "administration"}  # fmt: skip
    seen = {
        re.sub(r"\{\w+\}|HD-012", "*", p).partition("?")[0] for ps in PAGES.values() for p in ps
    }
    pages = {
        re.sub(r"<[^>]+>", "*", rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] in own and "GET" in (rule.methods or ())
    }
    # One is a piece of a page, the other only sets a cookie.
    assert pages - seen == {"/exhibits/recognise", "/language/*"}


@pytest.fixture(scope="module")
def empty_console(
    bureau_template: Bureau, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    """A bureau on its first day."""
    server = LiveServer(bureau_template.copy_to(tmp_path_factory.mktemp("empty") / "data"))
    try:
        server.start()
        yield Console(server)
    finally:
        server.stop()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_bureau_on_its_first_day_is_told_what_to_do(
    visit: Visitor, empty_console: Console, language: str
) -> None:
    faults: dict[str, list[str]] = {}
    for who, paths in {
        "handler": ["/", "/exhibits", "/cases", "/inspections"],
        "administrator": ["/administration", "/recorders", "/recorders/HD-011"],
    }.items():
        reader = visit(who, language, at=empty_console)
        for path in paths:
            faults |= looked_at(reader, path, language)
            if path in ("/exhibits", "/cases", "/inspections"):
                assert reader.page.locator(".empty-state h2").inner_text()
    assert not faults


def test_what_attacks_is_shown_as_what_it_is(visit: Visitor, named: dict[str, str]) -> None:
    handler = visit("handler")
    handler.go(f"/exhibits/{named['hostile']}")
    title = handler.page.locator(".page-head .filename").inner_text()
    assert title.startswith("<img src=x onerror=")
    assert "\u202e" not in title
    handler.go(f"/cases/{named['other_case']}")
    assert "<script>window.owned=1</script>" in handler.page.locator(".page-head").inner_text()


def test_a_page_that_is_not_there_says_where_to_go(visit: Visitor) -> None:
    handler = visit("handler")
    handler.go("/exhibits/E2026-999999")
    assert not wrong_with(handler.page)
    assert handler.page.locator("main a.btn").count() == 1
    handler.eyes.expect(404, "/exhibits/E2026-999999")


def test_a_stranger_is_led_to_the_door_and_back(visit: Visitor) -> None:
    stranger = visit("")
    stranger.go("/cases")
    assert stranger.page.url.endswith("/login?next=/cases") or "/login" in stranger.page.url
    stranger.page.fill("#username", "handler")
    stranger.page.fill("#password", "not the password")
    stranger.page.click("main button[type=submit]")
    assert stranger.page.locator("main .notice-bad").inner_text()
    assert stranger.page.input_value("#username") == "handler"
    assert stranger.page.input_value("#password") == ""
    stranger.eyes.expect(401, "/login")
