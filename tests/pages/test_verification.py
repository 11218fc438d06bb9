"""Anybody checks a file against the log, without a login and without sending it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.pages.conftest import Visitor
from tests.pages.console import MEDIA, PHOTO, Console
from tests.pages.faults import foreign_words, misplaced, unusable

BYTES = (MEDIA / PHOTO).read_bytes()
DIGEST = hashlib.sha256(BYTES).hexdigest()


def test_a_strangers_file_is_digested_in_the_browser_and_found_in_the_log(
    visit: Visitor, tmp_path: Path
) -> None:
    stranger = visit("", "en", "phone")
    page = stranger.page
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    stranger.go("/verify")
    page.set_input_files("#file", MEDIA / PHOTO)
    page.wait_for_url(f"**/verify/{DIGEST}")
    assert page.locator(".status-good").count() == 1
    assert set(sent) == {"GET"}
    page.set_input_files("#file", MEDIA / PHOTO)
    page.wait_for_selector("#same:not([hidden])")
    changed = bytearray(BYTES)
    changed[1000] ^= 1
    (tmp_path / PHOTO).write_bytes(changed)
    page.set_input_files("#file", tmp_path / PHOTO)
    page.wait_for_selector("#other:not([hidden])")
    assert not page.is_visible("#same")
    assert misplaced(page) == []
    assert page.inner_text("#other .found") == hashlib.sha256(changed).hexdigest()


def test_a_large_and_an_empty_file_have_the_digest_that_everybody_else_computes(
    visit: Visitor, tmp_path: Path
) -> None:
    stranger = visit("")
    for name, size in (("large", 9 * 1024 * 1024 + 7), ("empty", 0)):
        content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        (tmp_path / name).write_bytes(content)
        stranger.go("/verify")
        stranger.page.set_input_files("#file", tmp_path / name)
        stranger.page.wait_for_url(f"**/verify/{hashlib.sha256(content).hexdigest()}")
        assert stranger.page.locator(".status-warn").count() == 1


def test_it_names_no_person_no_case_and_no_recorder(visit: Visitor, console: Console) -> None:
    stranger = visit("")
    stranger.go(f"/verify/{DIGEST}")
    said = stranger.page.content()
    exhibit = console.ask("handler", f"/api/v1/exhibits?text={console.labels[PHOTO]}")["items"][0]
    secret = [exhibit["id"], exhibit["label"], PHOTO, "451号", "453号", "赵记"]
    secret += [exhibit[who]["name"] for who in ("officer", "unit") if exhibit[who]]
    assert not [word for word in secret if word in said]


def test_what_is_not_a_digest_is_not_found(visit: Visitor) -> None:
    stranger = visit("")
    for digest in ("0" * 63, "g" * 64, "E2026-000001"):
        stranger.go(f"/verify/{digest}")
        stranger.eyes.expect(404, digest)


def test_it_is_whole_usable_and_in_one_language(visit: Visitor) -> None:
    for language, width in (("zh", "desk"), ("en", "phone")):
        stranger = visit("", language, width)
        for path in ("/verify", f"/verify/{DIGEST}", f"/verify/{'0' * 64}"):
            stranger.go(path)
            faults = foreign_words(stranger.page, language) + misplaced(stranger.page)
            assert faults + unusable(stranger.page, contrast=language == "zh") == [], path
