"""What the journal of an upload says is read by the version that wrote it, and by the others."""

from __future__ import annotations

import json

from evidence.storage.s3_journal import Journal

JOURNAL = Journal(multipart="m", length=7, numbers=3)


def test_it_is_read_as_it_was_written() -> None:
    for journal in (JOURNAL, JOURNAL.but(surplus=True), JOURNAL.but(removed=True, completed=True)):
        assert Journal.read(journal.written()) == journal


def test_words_of_a_newer_version_are_left_to_it() -> None:
    said = {**json.loads(JOURNAL.written()), "what is to come": True}
    assert Journal.read(json.dumps(said).encode()) == JOURNAL


def test_an_older_version_meets_a_word_that_it_does_not_know_only_where_it_matters() -> None:
    assert {"surplus", "removed"} & json.loads(JOURNAL.written()).keys() == set()
