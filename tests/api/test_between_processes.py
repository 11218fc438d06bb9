"""People between three web processes: one login, one logout, one count of wrong passwords."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.bureau import PASSWORD
from tests.front import WEBS, Front

Browser = Callable[[int], httpx.Client]
WRONG = "not the password"


@pytest.fixture
def browser(front: Front) -> Iterator[Browser]:
    """One browser, with one jar of cookies, at whichever process a test says."""
    jar = httpx.Cookies()
    clients = [
        httpx.Client(base_url=front.web_url(number), cookies=jar, timeout=30)
        for number in range(WEBS)
    ]
    for client in clients:
        client._cookies = jar
    yield clients.__getitem__
    for client in clients:
        client.close()


def form_token(client: httpx.Client, path: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found is not None
    return found[1]


def log_in(form: httpx.Client, sent: httpx.Client, who: str, password: str = PASSWORD) -> int:
    """The form comes from one process and goes to another."""
    said = {"username": who, "password": password, "csrf_token": form_token(form, "/login")}
    return sent.post("/login", data=said).status_code


def cases(client: httpx.Client) -> int:
    return client.get("/cases").status_code


def test_a_login_at_one_process_holds_at_the_others_and_ends_at_all(browser: Browser) -> None:
    assert [cases(browser(n)) for n in range(WEBS)] == [302] * WEBS
    assert log_in(browser(0), browser(1), "handler") == 302
    assert [cases(browser(n)) for n in range(WEBS)] == [200] * WEBS
    kept = dict(browser(0).cookies)
    token = form_token(browser(2), "/cases")
    assert browser(0).post("/logout", data={"csrf_token": token}).status_code == 302
    # Not by the cookie alone: one that was kept is worth nothing at any process.
    for number in range(WEBS):
        browser(number).cookies.update(kept)
        assert cases(browser(number)) == 302


def test_a_form_without_the_token_of_any_process_is_refused(browser: Browser) -> None:
    assert log_in(browser(0), browser(0), "handler") == 302
    for number in range(WEBS):
        assert browser(number).post("/logout", data={"csrf_token": "x"}).status_code == 400
    assert cases(browser(1)) == 200


def test_a_token_that_one_process_gave_and_another_revoked_is_worth_nothing(
    front: Front,
) -> None:
    said = {"username": "reviewer", "password": PASSWORD}
    answer = httpx.post(f"{front.web_url(0)}/api/v1/auth/token", json=said)
    headers = {"Authorization": f"Bearer {answer.json()['token']}"}
    asked = [f"{front.web_url(n)}/api/v1/cases" for n in range(WEBS)]
    assert [httpx.get(url, headers=headers).status_code for url in asked] == [200] * WEBS
    url = f"{front.web_url(1)}/api/v1/auth/token"
    assert httpx.delete(url, headers=headers).status_code == 204
    assert [httpx.get(url, headers=headers).status_code for url in asked] == [401] * WEBS


def attempt(front: Front, number: int, who: str, password: str, address: str) -> int:
    """By way of nginx a process sees the client's address; each here has one of its own."""
    return httpx.post(
        f"{front.web_url(number)}/api/v1/auth/token",
        json={"username": who, "password": password},
        headers={"X-Forwarded-For": address},
        timeout=30,
    ).status_code


def test_wrong_passwords_are_counted_over_all_processes(front: Front) -> None:
    # Three are free; the fourth makes the next one wait, wherever it comes.
    seen = [attempt(front, n % WEBS, "archivist", WRONG, f"10.0.0.{n}") for n in range(4)]
    assert seen == [401] * 4
    refused = [attempt(front, n, "archivist", PASSWORD, f"10.0.1.{n}") for n in range(WEBS)]
    assert refused == [429] * WEBS


def test_of_guesses_at_every_process_at_once_none_is_forgotten(front: Front) -> None:
    def guess(n: int) -> int:
        return attempt(front, n % WEBS, "auditor", WRONG, f"10.0.2.{n}")

    began = time.monotonic()
    with ThreadPoolExecutor(12) as pool:
        seen = list(pool.map(guess, range(24)))
    assert set(seen) == {401, 429}
    # Four, and one more each time that the waiting is over: after 1 s, 2 s more, 4 s more.
    waited_for = int(math.log2(time.monotonic() - began + 1))
    assert 4 <= seen.count(401) <= 4 + waited_for


def test_an_address_is_counted_over_all_processes(front: Front) -> None:
    """Forty wrong ones are an office's share; names of their own do not help."""
    seen = [attempt(front, n % WEBS, f"nobody{n}", WRONG, "10.9.9.9") for n in range(43)]
    assert 429 in seen[41:]
    assert set(seen[:40]) == {401}
