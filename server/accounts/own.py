"""What a person does with the own account, and an administrator cannot do for them."""

from __future__ import annotations

from flask import request

from evidence.errors import AccessDenied
from server.accounts.changing import change_own_password
from server.accounts.current import current_actor, current_token
from server.accounts.models import Account
from server.accounts.passwords import check_password
from server.unit_of_work import unit_of_work


def renew_password(old: str, new: str) -> None:
    """Put `new` in place of `old`; every other login of this account ends.

    Raises LoginFailed, LoginRefused, PasswordLength; AccessDenied for a station, which has none.
    """
    actor, token = current_actor(), current_token()
    if token is None or token.account is None:
        raise AccessDenied("A station has no password.")
    account = check_password(token.account.username, old, request.remote_addr)
    with unit_of_work() as session:
        account = session.get_one(Account, account.id)
        change_own_password(session, account, actor, new, token)
