"""What a person does with the own account, and an administrator cannot do for them."""

from __future__ import annotations

from flask import request

from evidence.errors import AccessDenied, NotAuthenticated
from server.accounts import tokens
from server.accounts.changing import change_own_password
from server.accounts.current import current_actor, current_token, remember
from server.accounts.models import Token, TokenKind
from server.accounts.passwords import admit, check_password
from server.unit_of_work import unit_of_work


def renew_password(old: str, new: str) -> tuple[Token, str]:
    """Put `new` in place of `old`. Every login of the account ends, also one that a thief shares
    with its owner; who asks goes on with a token of its own, whose secret is given.

    Raises LoginFailed, LoginRefused, PasswordLength; AccessDenied for a station, which has none.
    """
    actor, asking = current_actor(), current_token()
    if asking is None or asking.account is None:
        raise AccessDenied("A station has no password.")
    asking_id, kind = asking.id, asking.kind
    verified = check_password(asking.account.username, old, request.remote_addr)
    with unit_of_work() as session:
        account = admit(session, verified)
        if session.get_one(Token, asking_id, populate_existing=True).revoked_at is not None:
            raise NotAuthenticated
        change_own_password(session, account, actor, new)
        token, secret = tokens.issue(session, kind, account, actor)
    if kind is TokenKind.SESSION:
        remember(secret)
    return token, secret
