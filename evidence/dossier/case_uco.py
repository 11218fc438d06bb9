"""The dossier for forensic tools: CASE 1.4 / UCO 1.4 as JSON-LD (caseontology.org).

Every exhibit is a file with its digests, its provenance record, and an investigative action for
each event that made it what it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

from evidence.dossier.describing import Described, Event

_CONTEXT = {
    "kb": "urn:zhenglian:",
    "case-investigation": "https://ontology.caseontology.org/case/investigation/",
    "uco-action": "https://ontology.unifiedcyberontology.org/uco/action/",
    "uco-core": "https://ontology.unifiedcyberontology.org/uco/core/",
    "uco-identity": "https://ontology.unifiedcyberontology.org/uco/identity/",
    "uco-observable": "https://ontology.unifiedcyberontology.org/uco/observable/",
    "uco-tool": "https://ontology.unifiedcyberontology.org/uco/tool/",
    "uco-types": "https://ontology.unifiedcyberontology.org/uco/types/",
    "uco-vocabulary": "https://ontology.unifiedcyberontology.org/uco/vocabulary/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_ACTS = ("exhibit:acquired", "exhibit:sealed", "exhibit:quarantined", "exhibit:exported")


def case_uco(dossier_id: UUID, label: str, title: str, exhibits: Sequence[Described]) -> str:
    """The graph; `title` is the case's number, or the exhibit's label."""
    graph: list[dict[str, Any]] = []
    records = []
    actors: dict[str, dict[str, Any]] = {}
    for described in exhibits:
        file, record = _file(described), _record(described)
        graph += [file, record]
        records.append({"@id": record["@id"]})
        for event in described.events:
            if event.kind in _ACTS:
                graph.append(_action(event, file["@id"], actors))
    graph += actors.values()
    graph.append(
        {
            "@id": _iri("investigation", dossier_id),
            "@type": "case-investigation:Investigation",
            "uco-core:name": title,
            "uco-core:description": f"Zhenglian dossier {label}",
            "uco-core:object": records,
        }
    )
    return json.dumps({"@context": _CONTEXT, "@graph": graph}, ensure_ascii=False, indent=1) + "\n"


def _iri(kind: str, identifier: UUID | str) -> str:
    return f"kb:{kind}-{identifier}"


def _typed(kind: str, value: object) -> dict[str, Any]:
    return {"@type": f"xsd:{kind}", "@value": str(value)}


def _file(described: Described) -> dict[str, Any]:
    exhibit = described.exhibit
    content: dict[str, Any] = {
        "@id": _iri("content", uuid5(exhibit.id, "content")),
        "@type": "uco-observable:ContentDataFacet",
        "uco-observable:hash": [
            {
                "@id": _iri("hash", uuid5(exhibit.id, "SHA256")),
                "@type": "uco-types:Hash",
                "uco-types:hashMethod": "SHA256",
                "uco-types:hashValue": _typed("hexBinary", exhibit.sha256),
            }
        ],
        "uco-observable:sizeInBytes": _typed("integer", exhibit.size),
    }
    if exhibit.media_type:
        content["uco-observable:mimeType"] = exhibit.media_type
    # Its vocabulary of digests does not have SM3 yet.
    sm3 = {"uco-core:description": f"SM3 (GB/T 32905): {exhibit.sm3}"} if exhibit.sm3 else {}
    return {
        "@id": _iri("file", exhibit.id),
        "@type": "uco-observable:File",
        **sm3,
        "uco-core:hasFacet": [
            {
                "@id": _iri("file-facet", uuid5(exhibit.id, "file")),
                "@type": "uco-observable:FileFacet",
                "uco-observable:fileName": exhibit.filename,
                "uco-observable:sizeInBytes": _typed("integer", exhibit.size),
            },
            content,
        ],
    }


def _record(described: Described) -> dict[str, Any]:
    exhibit = described.exhibit
    return {
        "@id": _iri("provenance", uuid5(exhibit.id, "provenance")),
        "@type": "case-investigation:ProvenanceRecord",
        "case-investigation:exhibitNumber": exhibit.label,
        "uco-core:objectCreatedTime": _time(described.events[0]),
        "uco-core:object": {"@id": _iri("file", exhibit.id)},
    }


def _time(event: Event) -> dict[str, Any]:
    return _typed("dateTime", event.said.get("at"))


def _action(event: Event, file: str, actors: dict[str, dict[str, Any]]) -> dict[str, Any]:
    actor = event.said.get("actor", {})
    performer = _iri("actor", str(actor.get("id")))
    person = actor.get("type") == "officer"
    actors.setdefault(
        performer,
        {
            "@id": performer,
            "@type": "uco-identity:Person" if person else "uco-tool:Tool",
            "uco-core:name": event.actor_name or str(actor.get("type")),
        },
    )
    role = "uco-action:performer" if person else "uco-action:instrument"
    return {
        "@id": _iri("action", event.id),
        "@type": "case-investigation:InvestigativeAction",
        "uco-core:name": event.kind,
        "uco-action:startTime": _time(event),
        role: {"@id": performer},
        "uco-action:object": {"@id": file},
    }
