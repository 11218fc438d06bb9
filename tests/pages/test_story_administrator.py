"""A new colleague: the administrator enters her, she comes in, and one day she leaves."""

from __future__ import annotations

import pytest

from tests.live import LiveServer
from tests.pages.conftest import Visitor
from tests.pages.console import Console
from tests.pages.eyes import Visit

NAME = "钱九"


@pytest.fixture
def own_console(own_server: LiveServer) -> Console:
    own_server.start()
    return Console(own_server)


def come_in(visit: Visit, password: str) -> None:
    visit.go("/login")
    visit.page.fill("#username", "qianjiu")
    visit.page.fill("#password", password)
    visit.page.click("main button[type=submit]")


def entered(administrator: Visit) -> str:
    """A unit, an officer of it and her account, one after the other; her first password."""
    page = administrator.page
    administrator.go("/units")
    page.click("main details.new summary")
    page.fill("#name", "城东市场监管所")
    page.select_option("#kind", "inspection")
    page.select_option("#hands_over_to", label="执法大队")
    page.click("main details.new button")
    assert "城东市场监管所" in page.locator("main .notice-good").inner_text()
    administrator.go("/people")
    page.click("main details.new summary")
    page.fill("#name", NAME)
    page.fill("#badge", "430424909")
    page.select_option("#of", label="城东市场监管所")
    page.fill("[name=number]", "湘D90909")
    page.fill("[name=valid_from]", "2023-01-01")
    page.fill("[name=valid_to]", "2039-12-31")
    page.click("main details.new button")
    assert page.locator("h1").inner_text() == NAME
    history = page.locator(".events").inner_text()
    for word in ("执法人员登记", "administrator", "城东市场监管所", "湘D90909"):
        assert word in history
    page.get_by_text("开设账户").click()
    page.fill("#username", "qianjiu")
    page.get_by_label("执法人员", exact=True).first.check()
    page.click("main details.new button")
    return page.locator("main .once pre").inner_text()


def test_a_colleague_comes_changes_her_password_and_leaves(
    visit: Visitor, own_console: Console
) -> None:
    administrator = visit("administrator", at=own_console)
    first = entered(administrator)
    hers = visit("", at=own_console)
    come_in(hers, first)
    hers.page.wait_for_url("**/")
    hers.page.click("a.person")
    assert NAME in hers.page.locator(".page-head").inner_text()
    hers.page.fill("#old", first)
    hers.page.fill("#new", "nine horses in the rain")
    hers.page.fill("#again", "nine horses in the rain")
    hers.page.click("main form.whole button")
    assert hers.page.locator("main .notice-good").inner_text()
    come_in(elsewhere := visit("", at=own_console), first)
    assert elsewhere.page.locator("main .notice-bad").inner_text()
    elsewhere.eyes.expect(401, "/login")

    administrator.go("/people?text=430424909")
    administrator.page.click("table.rows tbody th a")
    administrator.page.click("main details.new summary")
    administrator.page.select_option("#status", "left")
    administrator.page.click("main details.new button")
    assert "已离职" in administrator.page.locator(".page-head").inner_text()
    hers.go("/accounts/own")
    assert "/login" in hers.page.url


def test_a_station_gets_its_next_token_before_the_first_ends(
    visit: Visitor, own_console: Console
) -> None:
    administrator = visit("administrator", at=own_console)
    page = administrator.page
    administrator.go("/administration")
    page.click("#stations ~ .scroll details summary")
    page.click("#stations ~ .scroll details[open] button")
    token, key = page.locator("main .once pre").inner_text().splitlines()
    assert token.startswith("zl_")
    assert key.startswith("key ")
    administrator.go("/administration")
    assert page.locator("main .once").count() == 0
