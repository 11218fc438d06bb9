"""The custody log where its tiles find no room: it waits, and goes on from where it stood."""

from __future__ import annotations

import json

import pytest

from tests.api.tus import Tus
from tests.faults.people import People
from tests.faults.small_disk import SmallDisk, place_for_all, small_disk
from tests.faults.test_kill import rows, until
from tests.live import LiveServer

__all__ = ["place_for_all", "small_disk"]

_EVENTS = 3


@pytest.mark.one_box("on S3 the disk is the service's")
@pytest.mark.parametrize("names", [True, False], ids=["nothing fits", "only names fit"])
def test_a_log_whose_tiles_find_no_room_signs_nothing_until_they_do(
    own_server: LiveServer, small_disk: SmallDisk, names: bool
) -> None:
    own_server.environ["ZHENGLIAN_STORE_URL"] = (small_disk.path / "store").as_uri()
    own_server.start_brisk_worker()
    own_server.start()
    people = People(own_server)
    people.begin(100_000, 50_000)
    until(lambda: _head(own_server)[0] == _indices(own_server) == _events(own_server))
    size, checkpoint = _head(own_server)
    with small_disk.full(names=names):
        for number in range(_EVENTS):
            _file_case(own_server, number)
        until(lambda: own_server.said("worker").count("sequencer failed") > 2)
        # Those of the batch whose tiles find no room have their indices; the rest wait for it.
        assert size < _indices(own_server) <= _events(own_server) == size + _EVENTS
        assert _head(own_server) == (size, checkpoint)
        until(lambda: "has waited" in people.unready().get("custody_log", ""))
    until(lambda: people.unready() == {})
    assert _head(own_server)[0] == size + _EVENTS
    people.finish_all()
    people.assert_nothing_is_lost()
    assert small_disk.drafts() == []


def _file_case(server: LiveServer, number: int) -> None:
    """An event that needs no room in the store."""
    case = {
        "number": f"衡东市监罚字〔2023〕{number + 1}号",
        "party": "王记食品店",
        "sector": "food",
        "filed_on": "2023-09-15",
    }
    handler = Tus(server, server.tokens["handler"])
    told = {"Content-Type": "application/json"}
    filed = handler.ask("POST", "/api/v1/cases", told, json.dumps(case).encode())
    assert filed.status == 201, filed.body


def _head(server: LiveServer) -> tuple[int, str]:
    ((size, checkpoint),) = rows(server, "SELECT size, checkpoint FROM log_heads")
    return size, checkpoint


def _indices(server: LiveServer) -> int:
    ((highest,),) = rows(server, "SELECT max(leaf_index) FROM custody_events")
    return int(highest) + 1


def _events(server: LiveServer) -> int:
    ((count,),) = rows(server, "SELECT count(*) FROM custody_events")
    return int(count)
