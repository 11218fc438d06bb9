"""A browser a run, a furnished console a run, a context of its own for each visit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, StorageState, sync_playwright

from tests.bureau import Bureau
from tests.live import LiveServer
from tests.pages.console import Console, furnish
from tests.pages.eyes import Eyes, Keys, Visit, open_context

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
Visitor = Callable[..., Visit]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys()


@pytest.fixture(scope="session")
def console(bureau_template: Bureau, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Shared by a run: what a test adds, it leaves."""
    server = LiveServer(bureau_template.copy_to(tmp_path_factory.mktemp("console") / "data"))
    try:
        server.start()
        yield furnish(server)
    finally:
        server.stop()


@pytest.fixture
def visit(browser: Browser, keys: Keys, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """`visit("handler")` is a page where the handler is logged in; "" is a stranger.

    Whatever went wrong on it that the test did not expect fails the test.
    """
    opened = []

    def begin(
        who: str, language: str = "zh", width: str = "desk", at: Console | None = None
    ) -> Visit:
        place: Console = at or request.getfixturevalue("console")

        def arrive(session: StorageState | None = None) -> Visit:
            page = open_context(browser, language, width, session).new_page()
            opened.append(Visit(page, Eyes(page), place))
            return opened[-1]

        return arrive(keys.session(who, place, arrive)) if who else arrive()

    yield begin
    seen = [wrong for visit in opened for wrong in visit.eyes.seen]
    for visit in opened:
        visit.page.context.close()
    assert not seen, seen
