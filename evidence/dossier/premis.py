"""PREMIS 3 (Library of Congress) of one exhibit: the object, its events, who did them."""

from __future__ import annotations

import json
from typing import Any

from lxml import etree
from metsrw.plugins.premisrw import (
    PREMIS_3_0_META,
    PREMIS_3_0_NAMESPACE,
    PREMIS_3_0_NAMESPACES,
    PREMIS_3_0_SCHEMA_LOCATION,
    XSI_NAMESPACE,
    data_to_premis,
)

from evidence.dossier.describing import Described, Event

_VERSION = "3.0"
# Where the Library of Congress's vocabulary of preservation events has the like of ours.
_TYPES = {
    "exhibit:acquired": "ingestion start",
    "exhibit:sealed": "ingestion end",
    "exhibit:quarantined": "quarantine",
    "exhibit:digested": "message digest calculation",
    "exhibit:altered": "fixity check",
    "exhibit:unreadable": "fixity check",
    "exhibit:readable_again": "fixity check",
    "exhibit:attributed": "metadata modification",
    "exhibit:probed": "metadata extraction",
    "exhibit:exported": "dissemination",
    "exhibit:downloaded": "dissemination",
}


def premis(described: Described) -> bytes:
    """The document, UTF-8."""
    root = etree.Element(
        f"{{{PREMIS_3_0_NAMESPACE}}}premis", nsmap=PREMIS_3_0_NAMESPACES, version=_VERSION
    )
    root.set(f"{{{XSI_NAMESPACE}}}schemaLocation", PREMIS_3_0_SCHEMA_LOCATION)
    agents: dict[str, tuple[Any, ...]] = {}
    entities = [_object(described)]
    for event in described.events:
        actor = event.said.get("actor", {})
        agents.setdefault(str(actor.get("id")), _agent(event))
        entities.append(_event(described, event))
    for data in (*entities, *agents.values()):
        root.append(data_to_premis(data, _VERSION))
    found: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return found


def _identified(kind: str, value: str) -> tuple[Any, ...]:
    return (
        f"{kind}_identifier",
        (f"{kind}_identifier_type", "UUID"),
        (f"{kind}_identifier_value", value),
    )


def _object(described: Described) -> tuple[Any, ...]:
    exhibit = described.exhibit
    digests = [("SHA-256", exhibit.sha256), ("SM3", exhibit.sm3)]
    fixity = [
        (
            "fixity",
            ("message_digest_algorithm", algorithm),
            ("message_digest", value),
            ("message_digest_originator", "Zhenglian"),
        )
        for algorithm, value in digests
        if value
    ]
    return (
        "object",
        {"xsi:type": "premis:file", **PREMIS_3_0_META},
        _identified("object", str(exhibit.id)),
        (
            "object_identifier",
            ("object_identifier_type", "exhibit label"),
            ("object_identifier_value", exhibit.label),
        ),
        (
            "object_characteristics",
            *fixity,
            ("size", str(exhibit.size)),
            (
                "format",
                (
                    "format_designation",
                    ("format_name", exhibit.media_type or "application/octet-stream"),
                ),
            ),
        ),
        ("original_name", _text(exhibit.filename)),
    )


def _event(described: Described, event: Event) -> tuple[Any, ...]:
    actor = event.said.get("actor", {})
    details = json.dumps(event.details, ensure_ascii=False, sort_keys=True)
    return (
        "event",
        PREMIS_3_0_META,
        _identified("event", str(event.id)),
        ("event_type", _TYPES.get(event.kind, event.kind)),
        ("event_date_time", str(event.said.get("at"))),
        (
            "event_detail_information",
            ("event_detail", _text(f"{event.kind} via {actor.get('via')}: {details}")),
        ),
        (
            "linking_agent_identifier",
            ("linking_agent_identifier_type", "UUID"),
            ("linking_agent_identifier_value", str(actor.get("id"))),
        ),
        (
            "linking_object_identifier",
            ("linking_object_identifier_type", "UUID"),
            ("linking_object_identifier_value", str(described.exhibit.id)),
        ),
    )


def _agent(event: Event) -> tuple[Any, ...]:
    actor = event.said.get("actor", {})
    kind = str(actor.get("type"))
    return (
        "agent",
        PREMIS_3_0_META,
        _identified("agent", str(actor.get("id"))),
        ("agent_name", _text(event.actor_name or kind)),
        ("agent_type", "person" if kind == "officer" else "software"),
    )


def _text(value: str) -> str:
    """Without what XML cannot hold."""
    return "".join(c if c in "\t\n\r" or ord(c) >= 0x20 else "�" for c in value).translate(
        {0xFFFE: "�", 0xFFFF: "�"}
    )
