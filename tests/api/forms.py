"""Forms of the console, filled in and sent as a browser would."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import select

from server.accounts.models import Account
from server.extensions import db
from tests.api.office import Office

# How the first password is shown: letters and digits that nobody takes for another.
PASSWORD = re.compile(r'<pre class="note"[^>]*>([a-z2-9]{4}(?:-[a-z2-9]{4}){3})</pre>')
ENGLISH = {"Accept-Language": "en"}


def posted(client: FlaskClient, path: str, **said: Any) -> tuple[int, str]:
    """What a form answers that was just opened, unless `seen` is given."""
    if re.search(r"/[0-9a-f-]{36}", path) and "seen" not in said:
        page = client.get(path.removesuffix("/password")).text
        said["seen"] = seen_in(page)
    answer = client.post(path, data=said, headers=ENGLISH)
    return answer.status_code, answer.text


def seen_in(page: str) -> str:
    found = re.search(r'name="seen" value="(\d+)"', page)
    return found[1] if found else ""


def only(office: Office, model: Any, **members: Any) -> Any:
    with office.app.app_context():
        return db.session.scalars(select(model).filter_by(**members)).one()


def logged_in(office: Office, username: str, password: str) -> FlaskClient | None:
    said = {"username": username, "password": password}
    answer = office.client().post("/api/v1/auth/token", json=said)
    if answer.status_code == 401:
        return None
    client = office.app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {answer.json['token']}"
    return client


def opened(office: Office, username: str, role: str = "auditor") -> tuple[UUID, str]:
    """A new account's id and first password."""
    status, page = posted(office.client("administrator"), "/accounts", username=username, role=role)
    shown = PASSWORD.search(page)
    assert status == 200
    assert shown is not None
    account: Account = only(office, Account, username=username)
    return account.id, shown[1]
