"""What is pending while the store is moved: on the administrator's page, and for monitoring."""

from __future__ import annotations

import os

import pytest
from flask import Flask

from evidence.storage.filesystem import FilesystemStore
from server import config, create_app
from server.moving import FILE
from server.store_move import alone
from tests.bureau import Bureau, Clients
from tests.contracts.stores import staged
from tests.day import run


@pytest.fixture
def moved(bureau: Bureau) -> dict[str, str]:
    """The settings after the switch; two originals are in the former store."""
    former = FilesystemStore(bureau.data / "former")
    for content in (b"one", b"two"):
        upload_id = staged(former, content)
        former.file(upload_id, former.read_back(upload_id))
        former.remove(upload_id)
    return {
        **bureau.environ,
        "ZHENGLIAN_STORE_URL": (bureau.data / "new").as_uri(),
        "ZHENGLIAN_STORE_OLD_URL": former.root.as_uri(),
    }


def page(app: Flask, bureau: Bureau) -> str:
    client = Clients(app, bureau)("administrator")
    return client.get("/administration", headers={"Accept-Language": "en"}).text


def figures(app: Flask) -> list[str]:
    lines = app.test_client().get("/metrics").text.splitlines()
    return [line for line in lines if line.startswith("zhenglian_store_pending{")]


def test_what_is_pending_is_seen_until_nothing_is(bureau: Bureau, moved: dict[str, str]) -> None:
    app = create_app(moved, TESTING=True)
    assert "not counted yet on this machine" in page(app, bureau)
    assert 'zhenglian_store_pending{kind="originals"} NaN' in figures(app)
    assert run("move-store", "--check", **moved)[0] == 1
    assert "In the former store alone: 2 originals, 0 in quarantine" in page(app, bureau)
    assert 'zhenglian_store_pending{kind="originals"} 2.0' in figures(app)
    assert 'zhenglian_store_pending{kind="uploads under way"} 0.0' in figures(app)
    assert run("move-store", **moved)[0] == 0
    assert "In the former store alone: 0 originals, 0 in quarantine" in page(app, bureau)
    assert len(figures(app)) == 5
    assert all(line.endswith(" 0.0") for line in figures(app))


def test_what_is_pending_is_seen_before_anything_is_copied(
    bureau: Bureau, moved: dict[str, str]
) -> None:
    """A run may take days, or be killed."""
    with alone(config.read(moved)):
        assert run("move-store", **moved)[0] == 2
    assert "In the former store alone: 2 originals" in page(create_app(moved, TESTING=True), bureau)


def test_what_was_counted_of_another_move_or_before_the_switch_is_not_shown(
    bureau: Bureau, moved: dict[str, str]
) -> None:
    here = {**moved, "ZHENGLIAN_STORE_OLD_URL": ""}
    here["ZHENGLIAN_STORE_URL"] = moved["ZHENGLIAN_STORE_OLD_URL"]
    assert run("move-store", "--to", moved["ZHENGLIAN_STORE_URL"], **here)[0] == 0
    app = create_app(moved, TESTING=True)
    assert "not counted yet on this machine" in page(app, bureau)
    assert run("move-store", **moved)[0] == 0
    assert "not counted yet" not in page(app, bureau)
    back = {
        "ZHENGLIAN_STORE_URL": moved["ZHENGLIAN_STORE_OLD_URL"],
        "ZHENGLIAN_STORE_OLD_URL": moved["ZHENGLIAN_STORE_URL"],
    }
    assert "not counted yet" in page(create_app({**moved, **back}, TESTING=True), bureau)
    (bureau.data / FILE).write_bytes(os.urandom(20))
    assert "not counted yet" in page(app, bureau)


def test_where_nothing_is_moved_nothing_is_said_of_it(app: Flask, bureau: Bureau) -> None:
    assert "The store is being moved" not in page(app, bureau)
    assert figures(app) == []


def test_that_nothing_can_be_noted_keeps_nothing_from_being_copied(
    bureau: Bureau, moved: dict[str, str]
) -> None:
    (bureau.data / FILE).mkdir()  # as where the disk is full
    code, said = run("move-store", **moved)
    assert code == 0, said
    assert "cannot be shown on the page" in said
