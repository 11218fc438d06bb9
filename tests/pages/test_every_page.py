"""Every page of the console: both languages, both widths, full, empty and attacked."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from server import create_app
from tests.bureau import Bureau
from tests.live import LiveServer
from tests.pages.conftest import Visitor
from tests.pages.console import (
    CASE,
    FILM,
    HOSTILE_NAME,
    HOSTILE_PARTY,
    OTHER_CASE,
    PHOTO,
    Console,
)
from tests.pages.eyes import WIDTHS, Visit
from tests.pages.faults import foreign_words, misplaced, unusable

# Who looks at which page; what stands in braces is filled in from the console.
PAGES = {
    "": ["/login"],
    "handler": [
        "/",
        "/exhibits",
        "/exhibits?text=nothing-like-it",
        "/exhibits?state=quarantined",
        "/exhibits/{film}",
        "/exhibits/{photo}",
        "/exhibits/{zip}",
        "/exhibits/{lie}",
        "/exhibits/{hostile}",
        "/cases",
        "/cases/{case}",
        "/cases/{other_case}",
        "/dossiers/ask?case={case}",
        "/dossiers/ask?exhibit={hostile_id}",
        "/dossiers/{dossier}",
    ],
    "street_officer": [
        "/",
        "/recorders",
        "/recorders/HD-012",
        "/inspections",
        "/inspections/{inspection}",
        "/inspections/{other_inspection}",
    ],
    "supervisor": [
        "/",
        "/exhibits/{film}",
        "/cases/{case}",
        "/people",
        "/people/{officer}",
        "/units",
        "/custody-log",
        "/fixity",
    ],
    "administrator": [
        "/",
        "/recorders",
        "/people",
        "/people?text=nothing-like-it",
        "/people/{officer}",
        "/units",
        "/units/{unit}",
        "/administration",
        "/accounts",
        "/accounts/{account}",
        "/accounts/own",
    ],
}
FIRST_DAY = {
    "handler": ["/", "/exhibits", "/cases", "/inspections"],
    "administrator": ["/recorders/HD-011"],
}  # fmt: skip


@pytest.fixture(scope="session")
def named(console: Console) -> dict[str, str]:
    """What the braces of PAGES stand for."""
    cases = {c["number"]: c["id"] for c in console.ask("handler", "/api/v1/cases")["items"]}
    parties = console.ask("street_officer", "/api/v1/inspections")["items"]
    inspections = {i["party"].startswith("李记"): i["id"] for i in parties}
    return {
        "film": console.labels[FILM],
        "photo": console.labels[PHOTO],
        "zip": console.labels["archive.mp4"],
        "lie": console.labels["lie.mp4"],
        "hostile": console.labels[HOSTILE_NAME],
        "hostile_id": console.exhibit_id(HOSTILE_NAME),
        "dossier": console.dossier(HOSTILE_PARTY),
        "case": cases[CASE],
        "other_case": cases[OTHER_CASE],
        "inspection": inspections[True],
        "other_inspection": inspections[False],
        "officer": console.officer,
        "unit": console.unit,
        "account": str(console.server.bureau.accounts["street_officer"]),
    }


def looked_at(visit: Visit, path: str, language: str, width: str = "desk") -> dict[str, list[str]]:
    """The faults of one page: loaded at one width, then made as wide as the other."""
    page = visit.page
    visit.go(path)
    faults = {path: foreign_words(page, language)}
    for name in (width, *(WIDTHS.keys() - {width})):
        wide, high = WIDTHS[name]
        page.set_viewport_size({"width": wide, "height": high})
        faults[f"{path} {name}"] = misplaced(page)
        # In English it has the same parts and colours: they are looked at once.
        if name == width:
            faults[f"{path} {name}"] += unusable(page, contrast=language == "zh")
    wide, high = WIDTHS[width]
    page.set_viewport_size({"width": wide, "height": high})
    return {where: wrong for where, wrong in faults.items() if wrong}


@pytest.mark.parametrize(("language", "width"), [("zh", "desk"), ("en", "phone")])
@pytest.mark.parametrize("who", PAGES)
def test_a_page_is_whole_usable_and_in_one_language(
    visit: Visitor, named: dict[str, str], who: str, language: str, width: str
) -> None:
    reader = visit(who, language, width)
    faults: dict[str, list[str]] = {}
    for path in PAGES[who]:
        faults |= looked_at(reader, path.format(**named), language, width)
    assert not faults


def test_every_page_of_the_map_is_looked_at(bureau: Bureau) -> None:
    app = create_app(bureau.environ)
    own = {"login", "workbench", "exhibits", "cases", "recorders", "inspections", "log_page",
           "administration", "dossiers", "people", "units_page", "accounts_page"}  # fmt: skip
    seen = {
        re.sub(r"\{\w+\}|HD-012", "*", p).partition("?")[0] for ps in PAGES.values() for p in ps
    }
    pages = {
        re.sub(r"<[^>]+>", "*", rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] in own and "GET" in (rule.methods or ())
    }
    # One is a piece of a page, one only sets a cookie; two lead on from what a form answered.
    assert pages - seen == {
        "/exhibits/recognise",
        "/language/*",
        "/accounts/*/password",
        "/accounts/own/password",
    }


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


def test_a_bureau_on_its_first_day_is_told_what_to_do(
    visit: Visitor, empty_console: Console
) -> None:
    faults: dict[str, list[str]] = {}
    for who, paths in FIRST_DAY.items():
        for language, width in (("zh", "desk"), ("en", "phone")):
            reader = visit(who, language, width, at=empty_console)
            for path in paths:
                faults |= looked_at(reader, path, language, width)
                assert reader.page.locator(".empty-state :is(h2, h3)").first.inner_text(), path
    assert not faults


def test_what_attacks_is_shown_as_what_it_is(visit: Visitor, named: dict[str, str]) -> None:
    handler = visit("handler")
    handler.go(f"/exhibits/{named['hostile']}")
    title = handler.page.locator(".page-head .filename").inner_text()
    assert title.startswith("=cmd|'<script>window.owned=1</script><img src=x onerror=")
    assert "⟨U+202E⟩gpj.exe" in title
    handler.go(f"/cases/{named['other_case']}")
    assert "<script>window.owned=1</script>" in handler.page.locator(".page-head").inner_text()


def test_a_page_that_is_not_there_says_where_to_go(visit: Visitor) -> None:
    handler = visit("handler")
    handler.go("/exhibits/E2026-999999")
    assert not misplaced(handler.page) + unusable(handler.page, contrast=True)
    assert not foreign_words(handler.page, "zh")
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
