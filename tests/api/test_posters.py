"""A still of a recording: a derivative for lists, for whoever may see the recording."""

from __future__ import annotations

from server.extensions import store
from tests.api.office import Office


def test_a_poster_is_served_privately_and_is_no_event(office: Office) -> None:
    with office.app.app_context():
        digest = store().put_derivative(b"jpeg")
    exhibit = office.exhibit(poster_sha256=digest)
    bare = office.exhibit()
    client = office.client("officer")
    answer = client.get(f"/api/v1/exhibits/{exhibit}/poster")
    assert (answer.data, answer.content_type) == (b"jpeg", "image/jpeg")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    headers = {"If-None-Match": answer.headers["ETag"]}
    again = client.get(f"/api/v1/exhibits/{exhibit}/poster", headers=headers)
    assert again.status_code == 304
    stranger = office.app.test_client().get(f"/api/v1/exhibits/{exhibit}/poster", headers=headers)
    assert stranger.status_code == 401
    # Nor does it tell whoever logs in there next that what the browser keeps is still right.
    other = office.client("other_handler")
    assert other.get(f"/api/v1/exhibits/{exhibit}/poster", headers=headers).status_code == 404
    assert client.get(f"/api/v1/exhibits/{bare}/poster").status_code == 404
    assert office.kinds(exhibit) == ["exhibit:sealed"]
