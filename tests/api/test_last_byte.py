"""Who is told that every byte has come asks no more: its upload is being sealed by then."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from evidence.storage.memory import MemoryStore
from evidence.uploads.models import Upload, UploadState
from tests.api.office import Office
from tests.api.tus import UPLOADS, metadata

CONTENT = b"every byte."
HEADERS = {"Tus-Resumable": "1.0.0"}


def _told(office: Office, where: str, method: str) -> int:
    answer = office.client("officer").open(where, method=method, headers=HEADERS)
    assert answer.status_code == 200, answer.data
    if method == "HEAD":
        return int(answer.headers["Upload-Offset"])
    return int(answer.get_json()["offset"])


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("question", range(4))
def test_the_last_byte_is_told_of_only_once_the_row_knows_of_it(
    office: Office, monkeypatch: pytest.MonkeyPatch, question: int, method: str
) -> None:
    """A process writes it just after the `question`-th question about the offset, and is killed."""
    claims = metadata(filename="a.mp4")
    asked = {**HEADERS, "Upload-Length": str(len(CONTENT)), "Upload-Metadata": claims}
    created = office.client("officer").post(UPLOADS, headers=asked)
    where = str(created.headers["Location"])
    upload_id = UUID(where.rsplit("/", 1)[1])
    offset, questions = MemoryStore.offset, 0

    def write_then(store: MemoryStore, of: UUID) -> int:
        nonlocal questions
        found = offset(store, of)
        if questions == question:
            with store.writer(of) as writer:
                writer.write(CONTENT)
                writer.commit()
        questions += 1
        return found

    monkeypatch.setattr(MemoryStore, "offset", write_then)
    told: list[Any] = []
    while not told or told[-1] < len(CONTENT):
        told.append(_told(office, where, method))
        assert len(told) < 9
    with office.writing() as session:
        assert session.get_one(Upload, upload_id).state is not UploadState.RECEIVING
