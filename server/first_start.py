"""The first accounts, and what scripts/run prints: `python -m server.first_start --url U [--demo]`.

With --wait SECONDS a database that is away is asked again for so long: after a power cut this
machine may be up before the database's. Secrets that a person must read once are kept in 0600
files in the data folder.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from evidence.errors import InvalidInput
from evidence.people.actor import Role
from evidence.storage.durable import replace_file
from server import config, create_app, migrate, starting
from server.accounts.creation import create_account
from server.accounts.models import Account
from server.extensions import db, settings
from server.unit_of_work import unit_of_work

ADMINISTRATOR = "administrator"
_MARKER = "demo"
_AGAIN_SECONDS = 2
_DOCK = Path(__file__).resolve().parent.parent / "scripts" / "dock"


def has_accounts() -> bool:
    found = db.session.scalar(select(Account.id).limit(1)) is not None
    db.session.rollback()
    return found


def empty(url: str) -> str:
    """The one administrator of an empty system; the password is shown once. Raises InvalidInput."""
    data = settings().data
    if (data / _MARKER).exists():
        raise InvalidInput(
            f"{data} is a demonstration's, with accounts that anybody may know. "
            "Start with --demo, or give another --data."
        )
    path = data / "administrator-password"
    greeting = f"\nZhenglian 证链 is ready: {url}\n"
    if has_accounts():
        kept = f"  user      {ADMINISTRATOR}\n  password  in {path}\n" if path.exists() else ""
        return greeting + kept
    password = secrets.token_urlsafe(12)
    # The file before the account: a password that nobody has read would lock everybody out.
    replace_file(path, f"{password}\n".encode())
    with unit_of_work() as session:
        create_account(session, ADMINISTRATOR, password, {Role.ADMINISTRATOR})
    return (
        f"{greeting}"
        f"  user      {ADMINISTRATOR}\n"
        f"  password  {password}\n"
        f"It is shown this once, and kept in {path}. Log in, then remove the file.\n"
    )


def demonstration(url: str) -> str:
    """The demonstration bureau, made if it is not there; its logins, and the next command.

    Raises InvalidInput.
    """
    from server.demo import bureau

    data = settings().data
    path = data / "demo-password"
    marker = data / _MARKER
    if has_accounts() and not marker.exists():
        raise InvalidInput(
            f"{data} belongs to a real bureau. Start without --demo, or give another --data."
        )
    kept = path.read_text("utf-8").strip() if path.exists() else ""
    password = os.environ.get("ZHENGLIAN_DEMO_PASSWORD") or kept or secrets.token_urlsafe(9)
    # Before the first account: what is half made must not be taken for a real bureau.
    marker.touch(0o600)
    bureau.make(password, password != kept)
    replace_file(path, f"{password}\n".encode())
    roles = ", ".join(role.value for role in Role if role is not Role.STATION)
    return (
        f"\nZhenglian 证链 is ready: {url}\n"
        f"  users     {roles}\n"
        f"  password  {password}\n"
        f"\nDock a recorder's card (made up, three recordings):\n"
        f"  {_shown(_DOCK)} {_shown(data / 'demo-card')} --server {url} "
        f"--token-file {_shown(data / 'demo-dock-token')}\n"
    )


def _shown(path: Path) -> str:
    """Short where it is below the folder that the person stands in, and quoted for a shell."""
    here = Path(os.environ.get("PWD") or "/")
    if not path.is_relative_to(here):
        return shlex.quote(str(path))
    below = str(path.relative_to(here))
    return shlex.quote(f"./{below}" if path == _DOCK else below)


def _begun(url: str, demo: bool) -> str:
    starting.require(config.read())
    migrate.to_present()
    with create_app().app_context():
        return demonstration(url) if demo else empty(url)


def _once_it_is_there(begin: Callable[[], str], seconds: float) -> str:
    """What `begin` says; where the database is away, it begins anew until `seconds` are over."""
    until = time.monotonic() + seconds
    while True:
        try:
            with starting.refused_in_words():
                return begin()
        except starting.Away as error:
            if time.monotonic() >= until:
                raise
            print(f"{error} Trying again.", file=sys.stderr, flush=True)  # noqa: T201
            time.sleep(_AGAIN_SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--wait", type=float, default=0, metavar="SECONDS")
    chosen = parser.parse_args()
    os.umask(config.UMASK)
    try:
        with starting.told():
            words = _once_it_is_there(lambda: _begun(chosen.url, chosen.demo), chosen.wait)
    except InvalidInput as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    print(words)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
