"""People who bring recordings in step by step, and hold the server to what each was told."""

from __future__ import annotations

from tests.api.tus import Answer, Tus, checksum, metadata
from tests.contracts.stores import sha256
from tests.faults.reckoning import audited, losses, settle
from tests.faults.storm import Storm
from tests.faults.told import Told
from tests.live import LiveServer


class People:
    """Recordings that were begun, and what each of those who brought them was told."""

    def __init__(self, server: LiveServer) -> None:
        self.server, self.tus = server, Tus(server)
        self.storm = Storm(server, server.url, 20230915)

    def begin(
        self, size: int, brought: int = 0, *, deferred: bool = False, given: bytes = b""
    ) -> Told:
        """A recording of `size` bytes, of which so many have come; its length said later."""
        told = Told(self.storm.chance.getrandbits(64), size, given=given)
        told.sha256 = sha256(told.content())
        claims: dict[str, str | None] = {
            "Upload-Metadata": metadata(filename="a.mp4", sha256=told.sha256)
        }
        told.where = self.tus.create(None if deferred else size, claims)
        self.storm.told.append(told)
        if brought:
            assert self.send(told, brought).status == 204
        return told

    def send(self, told: Told, size: int, *, vouched: bool = False) -> Answer:
        """The next `size` bytes, with a checksum or without; what is acknowledged is noted."""
        at = told.acknowledged
        body = told.content()[at : at + size]
        vouching = {"Upload-Checksum": checksum("sha256", body)} if vouched else None
        sent = self.tus.send(told.where, at, body, vouching)
        if sent.status == 204:
            told.acknowledged = sent.offset
        return sent

    def finish_all(self) -> None:
        """Each from where it stands, as tus tells a client to; then all of it is so."""
        for told in self.storm.told:
            asked = self.tus.ask("HEAD", told.where)
            assert asked.status == 200
            assert asked.offset >= told.acknowledged, "an acknowledged byte is gone"
            told.acknowledged = asked.offset
            if "Upload-Defer-Length" in asked.headers:
                length: dict[str, str | None] = {"Upload-Length": str(told.size)}
                sent = self.tus.send(
                    told.where, asked.offset, told.content()[asked.offset :], length
                )
            elif told.acknowledged < told.size:
                sent = self.send(told, told.size)
            else:
                continue
            assert sent.status == 204, sent.body
            told.acknowledged = told.size
        settle(self.storm, 30)
        assert not self.storm.done["worker began in vain"], "the worker ended by itself"

    def assert_nothing_is_lost(self) -> None:
        """Each upload, its exhibit and its events, and the log over all of them."""
        assert losses(self.storm, []) == []
        assert audited(self.server) == ""

    def assert_refused_for_lack_of_room(self, answer: Answer) -> None:
        """507, with words that tell a person what to do."""
        assert (answer.status, answer.code) == (507, "storage_full")
        assert "Free space" in answer.json["title"]

    def assert_told_to_try_again(self, answer: Answer) -> None:
        """503, and when: what failed is for those who run the service."""
        assert answer.status == 503, answer.body
        assert answer.code in ("database_unavailable", "storage_unavailable")
        assert answer.headers["Retry-After"]

    def unready(self) -> dict[str, str]:
        """What is not ready; the process lives all the same."""
        assert self.tus.ask("GET", "/healthz").status == 200
        items = self.tus.ask("GET", "/readyz").json["items"]
        return {name: words for name, words in items.items() if words != "ready"}
