"""Every setting, read from the environment in this one place.

A wrong value stops the start with a sentence that names the variable, the value and a remedy.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from evidence.custody.cosignature import COSIGNATURE
from evidence.custody.note import Verifier
from evidence.custody.timestamp import read_authority
from evidence.errors import NoteMalformed, TimestampInvalid
from evidence.sm3 import SM3

GIB = 1024**3
_STORES = ("file", "memory", "s3")
_SIZE = re.compile(r"(\d{1,15})\s*([KMGT]?)(?:i?B)?", re.IGNORECASE | re.ASCII)
_PREFIX = re.compile(r"(/[A-Za-z0-9\-_]+)+/", re.ASCII)
_ORIGIN = re.compile(r"[A-Za-z0-9.\-_:]+(/[A-Za-z0-9.\-_]+)*", re.ASCII)


class ConfigurationError(Exception):
    """A setting is wrong; the message says which, and what would be right."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another body's server, and what its answers are checked with: a key, or a file of them."""

    url: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says, checked."""

    data: Path
    database_url: str
    store_url: str
    store_lock_days: int  # Object Lock of an S3 store that has it; 0 is none
    store_lock_mode: Literal["GOVERNANCE", "COMPLIANCE"]
    signed_urls: bool  # bytes may come from the S3 service itself
    store_old_url: str  # what is being moved from; empty: nothing is
    queue_url: str
    log_origin: str
    secret_key_file: Path
    sm3: bool  # taken beside SHA-256
    max_upload: int  # bytes
    fixity_period: dt.timedelta  # every original is read again once in so long
    fixity_rate: int  # bytes a second, at most, for that
    disk_alarm: int  # percent that must be free on each disk; 0: no alarm
    bureau: str  # its name on certificates
    public_url: str  # where outsiders check, without a trailing slash
    witnesses: tuple[Peer, ...]  # they cosign the log
    authorities: tuple[Peer, ...]  # they stamp it with the time
    stamp_every: dt.timedelta
    proxies: int  # how many of our own stand before us and speak for their clients
    accel: str  # the prefix under which they serve originals from our disk; empty: they don't

    @property
    def log_key_file(self) -> Path:
        return self.data / "keys" / "log.key"


def _size(name: str, text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if not found or int(found[1]) == 0:
        raise ConfigurationError(f"{name}={text!r} is not a size. Write bytes, or 500M, 64G, 1T.")
    power = " KMGT".index(found[2].upper()) if found[2] else 0
    return int(found[1]) * int(1024**power)


def _count(name: str, text: str) -> int:
    if not re.fullmatch("[0-9]", text.strip(), re.ASCII):
        raise ConfigurationError(f"{name}={text!r} is not a number from 0 to 9.")
    return int(text)


def _accel(name: str, text: str, proxies: int) -> str:
    if text and not _PREFIX.fullmatch(text):
        raise ConfigurationError(f"{name}={text!r} is not a path between slashes: /originals/.")
    if text and not proxies:
        raise ConfigurationError(
            f"{name} is for a proxy in front. Say ZHENGLIAN_PROXIES=1 too, or leave {name} empty."
        )
    return text


def _days(name: str, text: str) -> dt.timedelta:
    if not re.fullmatch("[1-9][0-9]{0,3}", text.strip(), re.ASCII):
        raise ConfigurationError(f"{name}={text!r} is not a number of days from 1 to 9999.")
    return dt.timedelta(days=int(text))


def _percent(name: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,2}", text.strip(), re.ASCII):
        raise ConfigurationError(f"{name}={text!r} is not a percentage from 0 to 99; 0 is never.")
    return int(text)


def _lock_days(name: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text.strip(), re.ASCII):
        raise ConfigurationError(f"{name}={text!r} is not a number of days; 0 locks nothing.")
    return int(text)


def _lock_mode(name: str, text: str) -> Literal["GOVERNANCE", "COMPLIANCE"]:
    if text.lower() == "governance":
        return "GOVERNANCE"
    if text.lower() == "compliance":
        return "COMPLIANCE"
    raise ConfigurationError(f"{name}={text!r} is neither governance nor compliance.")


def _on(name: str, text: str) -> bool:
    if text not in ("on", "off"):
        raise ConfigurationError(f"{name}={text!r} is neither on nor off.")
    return text == "on"


def _sm3(name: str, text: str) -> bool:
    wanted = _on(name, text)
    if wanted and not SM3:
        raise ConfigurationError(
            f"{name}=on: this system has no SM3, neither libgcrypt's nor OpenSSL's. Say off."
        )
    return wanted


def _minutes(name: str, text: str) -> dt.timedelta:
    if not re.fullmatch("[1-9][0-9]{0,4}", text.strip(), re.ASCII):
        raise ConfigurationError(f"{name}={text!r} is not a number of minutes from 1 to 99999.")
    return dt.timedelta(minutes=int(text))


def _peers(name: str, text: str, key: str) -> tuple[Peer, ...]:
    """`URL KEY`, several with a semicolon between them; `key` says what the second is."""
    peers = []
    for item in filter(None, (part.strip() for part in text.split(";"))):
        url, *rest = item.split()
        if len(rest) != 1 or urlsplit(url).scheme not in ("http", "https"):
            raise ConfigurationError(
                f"{name}: {item!r} is not an http(s) address, a space, and {key}. "
                "Put a semicolon between several."
            )
        peers.append(Peer(url.rstrip("/"), rest[0]))
    if len({peer.url for peer in peers}) != len(peers):
        raise ConfigurationError(f"{name} names an address twice.")
    return tuple(peers)


def _witnesses(name: str, text: str) -> tuple[Peer, ...]:
    peers = _peers(name, text, "the witness's verifier key, name+id+key")
    for peer in peers:
        try:
            Verifier.parse(peer.key, COSIGNATURE)
        except NoteMalformed as error:
            raise ConfigurationError(f"{name}: {peer.key!r} is no witness's key: {error}") from None
    return peers


def _authorities(name: str, text: str) -> tuple[Peer, ...]:
    peers = _peers(name, text, "a PEM file with the certificates it is trusted by")
    for peer in peers:
        try:
            read_authority(Path(peer.key))
        except TimestampInvalid as error:
            raise ConfigurationError(f"{name}: {error}") from None
    return peers


def _url(name: str, text: str, schemes: tuple[str, ...]) -> str:
    scheme = urlsplit(text).scheme.split("+")[0]
    if scheme not in schemes:
        offered = ", ".join(f"{s}:" for s in schemes)
        raise ConfigurationError(
            f"{name} begins with {scheme + ':'!r}; it can begin with {offered}"
        )
    return text


def _old_store(name: str, env: Mapping[str, str], store_url: str) -> str:
    text = env.get(name) or ""
    if not text:
        return ""
    if text.rstrip("/") == store_url.rstrip("/"):
        raise ConfigurationError(
            f"{name} is the same as ZHENGLIAN_STORE_URL. It is the store that is moved from: "
            "leave it empty where none is."
        )
    if _url(name, text, _STORES).startswith("file:"):
        # An empty one would be made, and every original be missing.
        folder = Path(unquote(urlsplit(text).path))
        if not (folder / "originals").is_dir():
            raise ConfigurationError(f"{name}={text}: there is no store in {folder}.")
    return text


def _store(env: Mapping[str, str], data: Path) -> dict[str, Any]:
    """What the store is, what it is moved from, and how it is locked."""
    store_url = _url(
        "ZHENGLIAN_STORE_URL",
        env.get("ZHENGLIAN_STORE_URL") or (data / "store").as_uri(),
        _STORES,
    )
    return {
        "store_url": store_url,
        "store_old_url": _old_store("ZHENGLIAN_STORE_OLD_URL", env, store_url),
        "store_lock_days": _lock_days(
            "ZHENGLIAN_STORE_LOCK_DAYS", env.get("ZHENGLIAN_STORE_LOCK_DAYS") or "180"
        ),
        "store_lock_mode": _lock_mode(
            "ZHENGLIAN_STORE_LOCK_MODE", env.get("ZHENGLIAN_STORE_LOCK_MODE") or "governance"
        ),
        "signed_urls": _on("ZHENGLIAN_SIGNED_URLS", env.get("ZHENGLIAN_SIGNED_URLS") or "off"),
    }


def _fixity_period(name: str, text: str, stored: Mapping[str, Any]) -> dt.timedelta:
    period, locked = _days(name, text), stored["store_lock_days"]
    if stored["store_url"].startswith("s3:") and 0 < locked <= period.days:
        raise ConfigurationError(
            f"{name}={period.days}: an original's lock begins anew when it is read again, and "
            f"would have ended after {locked} days. Read it again sooner, or lock it for more than "
            f"{period.days} days: ZHENGLIAN_STORE_LOCK_DAYS; 0 locks nothing."
        )
    return period


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings. Raises ConfigurationError."""
    env = os.environ if environ is None else environ
    data = Path(env.get("ZHENGLIAN_DATA") or "data").expanduser().absolute()
    origin = env.get("ZHENGLIAN_LOG_ORIGIN") or "zhenglian.local/log"
    if not _ORIGIN.fullmatch(origin):
        raise ConfigurationError(
            f"ZHENGLIAN_LOG_ORIGIN={origin!r} is not a host and path without a scheme, "
            "such as evidence.example.gov.cn/log."
        )
    return Settings(
        data=data,
        database_url=_url(
            "ZHENGLIAN_DATABASE_URL",
            env.get("ZHENGLIAN_DATABASE_URL") or f"sqlite:///{data / 'zhenglian.db'}",
            ("sqlite", "postgresql"),
        ).replace("postgresql:", "postgresql+psycopg:", 1),
        **(stored := _store(env, data)),
        queue_url=_url(
            "ZHENGLIAN_QUEUE_URL",
            env.get("ZHENGLIAN_QUEUE_URL") or f"sqlite:///{data / 'queue.db'}",
            ("sqlite", "memory", "redis", "rediss"),
        ),
        log_origin=origin,
        secret_key_file=Path(
            env.get("ZHENGLIAN_SECRET_KEY_FILE") or data / "keys" / "secret.key"
        ).expanduser(),
        sm3=_sm3("ZHENGLIAN_SM3", env.get("ZHENGLIAN_SM3") or ("on" if SM3 else "off")),
        max_upload=_size("ZHENGLIAN_MAX_UPLOAD", env.get("ZHENGLIAN_MAX_UPLOAD") or "64G"),
        fixity_period=_fixity_period(
            "ZHENGLIAN_FIXITY_DAYS", env.get("ZHENGLIAN_FIXITY_DAYS") or "90", stored
        ),
        fixity_rate=_size("ZHENGLIAN_FIXITY_RATE", env.get("ZHENGLIAN_FIXITY_RATE") or "40M"),
        disk_alarm=_percent("ZHENGLIAN_DISK_ALARM", env.get("ZHENGLIAN_DISK_ALARM") or "10"),
        bureau=(env.get("ZHENGLIAN_BUREAU") or "")[:100],
        public_url=_url(
            "ZHENGLIAN_PUBLIC_URL",
            env.get("ZHENGLIAN_PUBLIC_URL") or f"https://{origin.partition('/')[0]}",
            ("http", "https"),
        ).rstrip("/"),
        witnesses=_witnesses("ZHENGLIAN_WITNESSES", env.get("ZHENGLIAN_WITNESSES") or ""),
        authorities=_authorities("ZHENGLIAN_TIMESTAMPS", env.get("ZHENGLIAN_TIMESTAMPS") or ""),
        stamp_every=_minutes(
            "ZHENGLIAN_TIMESTAMP_MINUTES", env.get("ZHENGLIAN_TIMESTAMP_MINUTES") or "60"
        ),
        proxies=(proxies := _count("ZHENGLIAN_PROXIES", env.get("ZHENGLIAN_PROXIES") or "0")),
        accel=_accel("ZHENGLIAN_ACCEL", env.get("ZHENGLIAN_ACCEL") or "", proxies),
    )


# What our processes make is nobody's outside their group.
UMASK = 0o027


def prepare_data(settings: Settings) -> None:
    """Make the data folder, for its owner alone. Raises ConfigurationError."""
    try:
        for folder in (settings.data, settings.data / "keys"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"ZHENGLIAN_DATA={settings.data}: the folder cannot be made or written "
            f"({error.strerror}). Give one that this account owns."
        ) from None


def secret_key(settings: Settings) -> str:
    """The key that signs sessions; made on first start, 0600. Raises ConfigurationError."""
    path = settings.secret_key_file
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(48))
                file.flush()
                os.fsync(file.fileno())
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"ZHENGLIAN_SECRET_KEY_FILE={path} cannot be made or read ({error})."
        ) from None
    if len(key) < 32:
        raise ConfigurationError(
            f"ZHENGLIAN_SECRET_KEY_FILE={path} holds fewer than 32 characters. "
            "Remove the file to have a new key made (everybody must log in again)."
        )
    return key
