"""What a server answers, and what the dock should do about it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scripts.docking.troubles import Delayed, Refused, TokenRefused, UploadGone

_WAITABLE = frozenset({408, 409, 423, 425, 429, 460})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said; `json` is {} where the body is no JSON object."""

    status: int
    headers: Mapping[str, str]
    json: dict[str, Any]


def read(connection: http.client.HTTPConnection) -> Answer:
    """The whole answer. Raises OSError or HTTPException where the connection breaks."""
    response = connection.getresponse()
    content = response.read()
    try:
        document = json.loads(content) if content else {}
    except ValueError:
        document = {}
    return Answer(
        status=response.status,
        headers={name.lower(): value for name, value in response.getheaders()},
        json=document if isinstance(document, dict) else {},
    )


def offset_of(answer: Answer) -> int:
    """Upload-Offset. Raises Refused where there is none."""
    text = answer.headers.get("upload-offset", "")
    if not (text.isascii() and text.isdigit()):
        raise Refused("not_zhenglian")
    return int(text)


def require(answer: Answer, *wanted: int) -> None:
    """Turn any other status into what the dock should do about it."""
    status = answer.status
    if status in wanted:
        return
    title = str(answer.json.get("title") or "")
    if status == 401:
        raise TokenRefused("token_refused")
    if status == 507:
        raise Refused("server_full")
    if status in (404, 410):
        raise UploadGone("upload_gone")
    if status in _WAITABLE or status >= 500:
        key = "other_writer" if answer.json.get("code") == "upload_leased" else "server_busy"
        raise Delayed(key, _retry_after(answer), status=status, title=title)
    if 300 <= status < 400:
        raise Refused("redirected", to=answer.headers.get("location", ""))
    raise Refused("refused", status=status, title=title)


def _retry_after(answer: Answer) -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None
