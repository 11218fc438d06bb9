"""A reader of the console in a browser, and eyes that see what goes wrong on a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    StorageState,
)

from tests.bureau import PASSWORD
from tests.pages.console import Console

WIDTHS = {"desk": (1440, 900), "phone": (390, 844)}
LOCALES = {"zh": "zh-CN", "en": "en-US"}


class Eyes:
    """What goes wrong on a page: its console, its network, the policy that it must keep."""

    def __init__(self, page: Page) -> None:
        self.seen: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.seen.append(f"error: {error}"))
        page.on("response", self._answered)
        page.on("requestfailed", self._failed)

    def _said(self, message: ConsoleMessage) -> None:
        # A refusal is seen as the answer that it is, once.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.seen.append(f"{message.type}: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.seen.append(f"{response.status} {response.url}")

    def _failed(self, request: Request) -> None:
        # Given up by the browser: a player that has enough, a page that is left, a file saved.
        if request.failure != "net::ERR_ABORTED":
            self.seen.append(f"{request.failure} {request.url}")

    def expect(self, status: int, path: str) -> None:
        """That this was refused was right: it is not held against the page."""
        found = [s for s in self.seen if s.startswith(f"{status} ") and path in s]
        assert found, self.seen
        self.seen = [s for s in self.seen if s not in found]


@dataclass(frozen=True, slots=True)
class Visit:
    """One reader at one console, in one language and width."""

    page: Page
    eyes: Eyes
    console: Console

    def go(self, path: str) -> None:
        self.page.goto(self.console.server.url + path)

    def open_exhibit(self, filename: str) -> None:
        self.go(f"/exhibits/{self.console.labels[filename]}")

    def tab_to(self, selector: str) -> None:
        """As far as the keyboard leads; fails where it does not."""
        for _ in range(150):
            if self.page.evaluate("s => document.activeElement.matches(s)", selector):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"no way by keyboard to {selector}")


def log_in(visit: Visit, who: str) -> None:
    """Through the door, as a person does."""
    visit.go("/login")
    visit.page.fill("#username", who)
    visit.page.fill("#password", PASSWORD)
    visit.page.click("main button[type=submit]")
    visit.page.wait_for_url("**/")


class Keys:
    """Sessions that are open already: each reader comes through each door once a run."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], StorageState] = {}

    def session(self, who: str, console: Console, enter: Callable[[], Visit]) -> StorageState:
        door = (console.server.url, who)
        if door not in self._held:
            visit = enter()
            log_in(visit, who)
            self._held[door] = visit.page.context.storage_state()
        return self._held[door]


def open_context(
    browser: Browser, language: str, width: str, session: StorageState | None = None
) -> BrowserContext:
    wide, high = WIDTHS[width]
    return browser.new_context(
        viewport={"width": wide, "height": high},
        locale=LOCALES[language],
        timezone_id="Asia/Shanghai",
        accept_downloads=True,
        storage_state=session,
    )
