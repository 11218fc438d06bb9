"""tus 1.0.0, requirement by requirement, over real HTTP.

The sentences are those of the specification (tus.io/protocols/resumable-upload), section by
section: core, creation, creation with upload, expiration, checksum, termination, concatenation.
It is long because the specification is: one test a requirement.
"""

from __future__ import annotations

import email.utils
import hashlib

import pytest

from tests.api.tus import OCTETS, UPLOADS, Tus, checksum, metadata
from tests.live import LiveServer

NOWHERE = f"{UPLOADS}/7c1f5b0e-0000-4000-8000-000000000000"
EXTENSIONS = {
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "expiration",
    "checksum",
    "concatenation",
    "termination",
}


@pytest.fixture
def tus(live_server: LiveServer) -> Tus:
    return Tus(live_server)


# Core: headers.


@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
def test_tus_resumable_is_in_every_response(tus: Tus, method: str) -> None:
    where = UPLOADS if method == "POST" else NOWHERE
    assert tus.ask(method, where).headers["Tus-Resumable"] == "1.0.0"


def test_tus_resumable_is_in_a_response_about_what_is_no_upload(tus: Tus) -> None:
    answer = tus.ask("HEAD", f"{UPLOADS}/not-a-uuid")
    assert (answer.status, answer.headers["Tus-Resumable"]) == (404, "1.0.0")


@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
@pytest.mark.parametrize("version", ["0.2.2", "2.0.0", None])
def test_another_version_is_412_with_the_version_spoken(
    tus: Tus, method: str, version: str | None
) -> None:
    where = UPLOADS if method == "POST" else tus.create(3)
    answer = tus.ask(method, where, {"Tus-Resumable": version, "Upload-Length": "3"})
    assert answer.status == 412
    assert answer.headers["Tus-Version"] == "1.0.0"


def test_a_request_in_another_version_is_not_processed(tus: Tus) -> None:
    where = tus.create(3)
    assert tus.send(where, 0, b"abc", {"Tus-Resumable": "0.9.0"}).status == 412
    assert tus.ask("DELETE", where, {"Tus-Resumable": "0.9.0"}).status == 412
    assert tus.offset(where) == 0


@pytest.mark.parametrize("actual", ["POST", "GET", "PATCH"])
def test_the_method_override_is_the_method_whatever_the_actual_one(tus: Tus, actual: str) -> None:
    where = tus.create(3)
    headers = {"X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0", "Content-Type": OCTETS}
    answer = tus.ask(actual, where, headers, b"abc")
    assert (answer.status, answer.offset) == (204, 3)


def test_a_delete_and_a_head_can_be_overridden(tus: Tus) -> None:
    where = tus.create(3)
    answer = tus.ask("POST", where, {"X-HTTP-Method-Override": "HEAD"})
    assert (answer.status, answer.offset, answer.body) == (200, 0, b"")
    assert tus.ask("POST", where, {"X-HTTP-Method-Override": "DELETE"}).status == 204
    assert tus.ask("HEAD", where).status == 410


# Core: OPTIONS.


def test_options_tells_versions_extensions_and_limits_without_a_login(
    live_server: LiveServer,
) -> None:
    answer = Tus(live_server, token=None).ask("OPTIONS", UPLOADS, {"Tus-Resumable": None})
    assert answer.status in (200, 204)
    assert answer.headers["Tus-Version"].split(",")[0] == "1.0.0"
    assert set(answer.headers["Tus-Extension"].split(",")) == EXTENSIONS
    assert int(answer.headers["Tus-Max-Size"]) > 0
    assert {"sha1", "sha256"} <= set(answer.headers["Tus-Checksum-Algorithm"].split(","))


def test_options_ignores_another_version(tus: Tus) -> None:
    assert tus.ask("OPTIONS", UPLOADS, {"Tus-Resumable": "0.1.0"}).status in (200, 204)


# Core: HEAD.


def test_head_tells_the_offset_even_at_zero(tus: Tus) -> None:
    answer = tus.ask("HEAD", tus.create(5))
    assert (answer.status, answer.offset) == (200, 0)


def test_head_tells_the_offset_of_a_complete_upload(tus: Tus) -> None:
    where = tus.create(5)
    tus.send(where, 0, b"whole")
    answer = tus.ask("HEAD", where)
    assert (answer.status, answer.offset, answer.headers["Upload-Length"]) == (200, 5, "5")


def test_head_tells_the_length_when_it_is_known(tus: Tus) -> None:
    assert tus.ask("HEAD", tus.create(5)).headers["Upload-Length"] == "5"


def test_head_must_not_be_cached(tus: Tus) -> None:
    assert "no-store" in tus.ask("HEAD", tus.create(5)).headers["Cache-Control"]


def test_head_of_nothing_is_404_without_an_offset(tus: Tus) -> None:
    answer = tus.ask("HEAD", NOWHERE)
    assert (answer.status, answer.headers["Upload-Offset"]) == (404, None)


# Core: PATCH.


def test_patch_answers_204_with_the_new_offset(tus: Tus) -> None:
    where = tus.create(10)
    answer = tus.send(where, 0, b"01234")
    assert (answer.status, answer.offset, answer.body) == (204, 5, b"")
    answer = tus.send(where, 5, b"56789")
    assert (answer.status, answer.offset) == (204, 10)


@pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain", None])
def test_patch_of_another_content_type_is_415(tus: Tus, kind: str | None) -> None:
    where = tus.create(5)
    assert tus.send(where, 0, b"01234", {"Content-Type": kind}).status == 415
    assert tus.offset(where) == 0


@pytest.mark.parametrize("offset", [1, 4, 10, 10**17])
def test_patch_at_another_offset_is_409_and_changes_nothing(tus: Tus, offset: int) -> None:
    where = tus.create(10)
    tus.send(where, 0, b"012")
    assert tus.send(where, offset, b"xx").status == 409
    assert tus.offset(where) == 3


@pytest.mark.parametrize("offset", ["-1", "x", "", "1.0", None])
def test_patch_without_a_count_for_an_offset_is_400(tus: Tus, offset: str | None) -> None:
    where = tus.create(10)
    assert tus.send(where, 0, b"xx", {"Upload-Offset": offset}).status == 400
    assert tus.offset(where) == 0


def test_patch_of_nothing_is_404(tus: Tus) -> None:
    assert tus.send(NOWHERE, 0, b"abc").status == 404


def test_patch_of_no_bytes_is_a_question_and_no_harm(tus: Tus) -> None:
    where = tus.create(5)
    answer = tus.send(where, 0, b"")
    assert (answer.status, answer.offset) == (204, 0)


def test_patch_takes_chunked_bodies(tus: Tus) -> None:
    where = tus.create(10)
    headers = {"Upload-Offset": "0", "Content-Type": OCTETS}
    answer = tus.ask("PATCH", where, headers, iter([b"0", b"1234", b"56789"]))
    assert (answer.status, answer.offset) == (204, 10)


def test_more_than_the_declared_length_is_never_kept(tus: Tus) -> None:
    where = tus.create(5)
    assert tus.send(where, 0, b"0123456789").status in (400, 413)
    headers = {"Upload-Offset": "0", "Content-Type": OCTETS}
    assert tus.ask("PATCH", where, headers, iter([b"012", b"3456789"])).status in (400, 413)
    assert tus.offset(where) <= 5


def test_a_complete_upload_takes_no_more(tus: Tus) -> None:
    where = tus.create(3)
    tus.send(where, 0, b"abc")
    assert tus.send(where, 3, b"d").status == 409
    assert tus.send(where, 0, b"xyz").status == 409


def test_the_last_answer_can_be_asked_for_again(tus: Tus) -> None:
    where = tus.create(3)
    tus.send(where, 0, b"abc")
    answer = tus.send(where, 3, b"")
    assert (answer.status, answer.offset) == (204, 3)


# Creation.


def test_creation_answers_201_with_a_location(tus: Tus) -> None:
    answer = tus.ask("POST", UPLOADS, {"Upload-Length": "5"})
    assert answer.status == 201
    assert tus.offset(answer.headers["Location"]) == 0


def test_each_creation_is_another_upload(tus: Tus) -> None:
    assert tus.create(5) != tus.create(5)


def test_an_empty_upload_is_complete_when_it_is_created(tus: Tus) -> None:
    where = tus.create(0)
    assert tus.ask("HEAD", where).headers["Upload-Length"] == "0"
    assert tus.state(where)["state"] in ("sealed", "duplicate")


@pytest.mark.parametrize("length", ["-1", "five", "1.5", ""])
def test_a_length_that_is_no_count_is_400(tus: Tus, length: str) -> None:
    assert tus.ask("POST", UPLOADS, {"Upload-Length": length}).status == 400


def test_neither_or_both_of_length_and_defer_is_400(tus: Tus) -> None:
    assert tus.ask("POST", UPLOADS).status == 400
    both = {"Upload-Length": "5", "Upload-Defer-Length": "1"}
    assert tus.ask("POST", UPLOADS, both).status == 400


@pytest.mark.parametrize("value", ["0", "2", "true", "-1", ""])
def test_defer_length_can_only_be_one(tus: Tus, value: str) -> None:
    assert tus.ask("POST", UPLOADS, {"Upload-Defer-Length": value}).status == 400


def test_longer_than_the_greatest_length_is_413(tus: Tus) -> None:
    largest = int(tus.ask("OPTIONS").headers["Tus-Max-Size"])
    assert tus.ask("POST", UPLOADS, {"Upload-Length": str(largest + 1)}).status == 413


def test_metadata_comes_back_as_it_was_sent(tus: Tus) -> None:
    sent = metadata(filename="执法.mp4", unknown=b"\xff\x00") + ",empty"
    where = tus.create(5, {"Upload-Metadata": sent})
    assert tus.ask("HEAD", where).headers["Upload-Metadata"] == sent


@pytest.mark.parametrize(
    "sent",
    ["filename not*base64", "filename YQ==,filename Yg==", "file,name YQ==,,name YQ=== x"],
)
def test_metadata_that_breaks_the_rules_is_400(tus: Tus, sent: str) -> None:
    headers = {"Upload-Length": "5", "Upload-Metadata": sent}
    assert tus.ask("POST", UPLOADS, headers).status == 400


# Creation with a deferred length.


def test_a_deferred_length_is_told_as_deferred(tus: Tus) -> None:
    answer = tus.ask("HEAD", tus.create(None))
    assert answer.headers["Upload-Defer-Length"] == "1"
    assert answer.headers["Upload-Length"] is None


def test_a_deferred_length_is_settled_by_a_patch_once(tus: Tus) -> None:
    where = tus.create(None)
    assert tus.send(where, 0, b"012").status == 204
    assert tus.send(where, 3, b"34", {"Upload-Length": "8"}).offset == 5
    answer = tus.ask("HEAD", where)
    assert answer.headers["Upload-Length"] == "8"
    assert answer.headers["Upload-Defer-Length"] is None
    assert tus.send(where, 5, b"5", {"Upload-Length": "9"}).status in (400, 409, 422)
    assert tus.send(where, 5, b"567").offset == 8
    assert tus.state(where)["state"] == "sealed"


def test_a_length_settled_with_the_last_byte_completes(tus: Tus) -> None:
    where = tus.create(None)
    tus.send(where, 0, b"all there is")
    assert tus.send(where, 12, b"", {"Upload-Length": "12"}).status == 204
    assert tus.state(where)["state"] == "sealed"


def test_a_length_below_what_has_arrived_is_refused(tus: Tus) -> None:
    where = tus.create(None)
    tus.send(where, 0, b"01234")
    assert tus.send(where, 5, b"", {"Upload-Length": "3"}).status in (400, 422)
    assert tus.send(where, 5, b"56").offset == 7


def test_a_settled_length_beyond_the_greatest_is_413(tus: Tus) -> None:
    where = tus.create(None)
    largest = int(tus.ask("OPTIONS").headers["Tus-Max-Size"])
    assert tus.send(where, 0, b"", {"Upload-Length": str(largest + 1)}).status == 413


# Creation with upload.


def test_the_first_bytes_may_come_with_the_creation(tus: Tus) -> None:
    headers = {"Upload-Length": "10", "Content-Type": OCTETS}
    answer = tus.ask("POST", UPLOADS, headers, b"01234")
    assert (answer.status, answer.offset) == (201, 5)
    where = answer.headers["Location"]
    assert tus.send(where, 5, b"56789").offset == 10
    assert tus.state(where)["state"] in ("sealed", "duplicate")


def test_all_bytes_may_come_with_the_creation(tus: Tus) -> None:
    headers = {"Upload-Length": "12", "Content-Type": OCTETS}
    answer = tus.ask("POST", UPLOADS, headers, b"all together")
    assert (answer.status, answer.offset) == (201, 12)
    assert tus.state(answer.headers["Location"])["state"] == "sealed"


def test_bytes_of_another_content_type_are_not_taken_with_a_creation(tus: Tus) -> None:
    headers = {"Upload-Length": "3", "Content-Type": "text/plain"}
    assert tus.ask("POST", UPLOADS, headers, b"abc").status == 415


def test_more_bytes_than_declared_with_the_creation_are_refused(tus: Tus) -> None:
    headers = {"Upload-Length": "3", "Content-Type": OCTETS}
    assert tus.ask("POST", UPLOADS, headers, b"abcdef").status in (400, 413)


# Expiration.


def test_the_expiry_is_told_at_creation_and_with_every_patch_in_http_form(tus: Tus) -> None:
    created = tus.ask("POST", UPLOADS, {"Upload-Length": "5"})
    patched = tus.send(created.headers["Location"], 0, b"01")
    for answer in (created, patched):
        told = answer.headers["Upload-Expires"]
        assert told.endswith(" GMT")
        assert email.utils.format_datetime(email.utils.parsedate_to_datetime(told), True) == told


# Checksum.


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_right_checksum_is_204(tus: Tus, algorithm: str) -> None:
    where = tus.create(5)
    right = {"Upload-Checksum": checksum(algorithm, b"01234")}
    answer = tus.send(where, 0, b"01234", right)
    assert (answer.status, answer.offset) == (204, 5)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_wrong_checksum_is_460_and_the_bytes_are_discarded(tus: Tus, algorithm: str) -> None:
    where = tus.create(5)
    wrong = {"Upload-Checksum": checksum(algorithm, b"other")}
    assert tus.send(where, 0, b"01234", wrong).status == 460
    assert tus.offset(where) == 0
    right = {"Upload-Checksum": checksum(algorithm, b"right")}
    assert tus.send(where, 0, b"right", right).offset == 5
    read_back = hashlib.sha256(b"right").hexdigest()
    assert f"sha256 {read_back}" in tus.state(where)["receipt"]


def test_bytes_before_a_wrong_checksum_stay(tus: Tus) -> None:
    where = tus.create(10)
    tus.send(where, 0, b"012")
    assert tus.send(where, 3, b"345", {"Upload-Checksum": checksum("sha1", b"x")}).status == 460
    assert tus.offset(where) == 3


@pytest.mark.parametrize(
    "sent", ["md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha1", "sha1 x", "sha1 AAAA", "sha512 AAAA", "?"]
)
def test_a_checksum_that_is_not_offered_or_not_one_is_400(tus: Tus, sent: str) -> None:
    where = tus.create(5)
    assert tus.send(where, 0, b"01234", {"Upload-Checksum": sent}).status == 400
    assert tus.offset(where) == 0


def test_a_checksum_guards_the_bytes_of_a_creation_too(tus: Tus) -> None:
    headers = {
        "Upload-Length": "3",
        "Content-Type": OCTETS,
        "Upload-Checksum": checksum("sha1", b"x"),
    }
    assert tus.ask("POST", UPLOADS, headers, b"abc").status == 460


# Termination.


def test_a_terminated_upload_is_gone(tus: Tus) -> None:
    where = tus.create(5)
    tus.send(where, 0, b"01")
    assert tus.ask("DELETE", where).status == 204
    assert tus.ask("HEAD", where).status in (404, 410)
    assert tus.send(where, 2, b"234").status in (404, 410)
    assert tus.ask("DELETE", where).status in (404, 410)


def test_what_is_sealed_cannot_be_terminated(tus: Tus) -> None:
    where = tus.create(6)
    tus.send(where, 0, b"sealed")
    answer = tus.ask("DELETE", where)
    assert (answer.status, answer.code) == (403, "upload_sealed")
    assert tus.offset(where) == 6


def test_terminating_nothing_is_404(tus: Tus) -> None:
    assert tus.ask("DELETE", NOWHERE).status == 404


# Concatenation.


def part(tus: Tus, content: bytes) -> str:
    where = tus.create(len(content), {"Upload-Concat": "partial"})
    assert tus.send(where, 0, content).status == 204
    return where


def test_partial_uploads_are_told_as_such_and_are_not_sealed(tus: Tus) -> None:
    where = part(tus, b"part")
    assert tus.ask("HEAD", where).headers["Upload-Concat"] == "partial"
    assert tus.state(where, wait=0)["state"] == "receiving"


def test_a_final_upload_is_its_parts_in_order(tus: Tus) -> None:
    one, two = part(tus, b"first, "), part(tus, b"second")
    concat = f"final;{one} http://elsewhere.example{two}"
    answer = tus.ask(
        "POST", UPLOADS, {"Upload-Concat": concat, "Upload-Metadata": metadata(filename="a")}
    )
    assert answer.status == 201
    where = answer.headers["Location"]
    head = tus.ask("HEAD", where)
    assert head.headers["Upload-Concat"] == concat
    assert (head.headers["Upload-Length"], head.offset) == ("13", 13)
    told = tus.state(where)
    assert told["state"] == "sealed"
    assert hashlib.sha256(b"first, second").hexdigest() in told["receipt"]


def test_a_final_upload_takes_no_bytes(tus: Tus) -> None:
    parts = [part(tus, b"no bytes "), part(tus, b"of its own")]
    where = tus.ask("POST", UPLOADS, {"Upload-Concat": f"final;{' '.join(parts)}"}).headers[
        "Location"
    ]
    assert tus.send(where, 0, b"xx").status == 403
    assert tus.send(where, 19, b"xx").status == 403


def test_a_final_upload_says_no_length(tus: Tus) -> None:
    headers = {"Upload-Concat": f"final;{part(tus, b'x')}", "Upload-Length": "1"}
    assert tus.ask("POST", UPLOADS, headers).status == 400


def test_unfinished_parts_are_not_joined(tus: Tus) -> None:
    open_part = tus.create(5, {"Upload-Concat": "partial"})
    answer = tus.ask("POST", UPLOADS, {"Upload-Concat": f"final;{open_part}"})
    assert 400 <= answer.status < 500


def test_what_is_no_part_is_not_joined(tus: Tus) -> None:
    whole = tus.create(3)
    for concat in (f"final;{whole}", f"final;{NOWHERE}", "final;", "final", "partial;x", "half"):
        assert 400 <= tus.ask("POST", UPLOADS, {"Upload-Concat": concat}).status < 500


def test_the_parts_outlive_a_refused_join(tus: Tus) -> None:
    one = part(tus, b"kept")
    tus.ask("POST", UPLOADS, {"Upload-Concat": f"final;{one} {NOWHERE}"})
    assert tus.offset(one) == 4
