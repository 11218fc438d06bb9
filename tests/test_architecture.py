"""The house's rules, read from the imports: who may import whom, and how long things may be.

The table is architecture.md's. A rule that is broken is named with its file and line.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("evidence", "schemas", "server", "scripts", "tests")

# Nouns may use each other only downwards. `storage` and `media` are ports that know no noun.
NOUNS = (
    "people",
    "custody",
    "roster",
    "recorders",
    "storage",
    "media",
    "uploads",
    "exhibits",
    "inspections",
    "cases",
    "dossier",
)
# Two nouns of one height, which do not know each other.
STRANGERS = {("cases", "inspections"), ("inspections", "cases")}
WEB = {"flask", "werkzeug", "marshmallow", "flask_smorest", "flask_sqlalchemy", "flask_security"}

# Packages outside the standard library, by who may import them.
ALLOWED = {
    "evidence": {"sqlalchemy", "rfc8785", "cryptography"},
    "evidence.custody": {"rfc3161_client"},
    "evidence.dossier": {"lxml", "metsrw", "segno", "typst"},
    "evidence.storage": {"boto3", "botocore"},
    "evidence.media": {"ffmpeg", "PIL"},
    "schemas": {"marshmallow"},
}
# Rules are pure: values in, values out.
RULES = {
    "evidence/cases/numbers.py",
    "evidence/custody/merkle.py",
    "evidence/digests.py",
    "evidence/exhibits/order.py",
    "evidence/grams.py",
    "evidence/people/access.py",
    "evidence/people/actor.py",
    "evidence/people/certificates.py",
    "evidence/recorders/names.py",
    "server/ranges.py",
}
LONGEST_MODULE = 400
LONGEST_FUNCTION = 50


def _sources() -> Iterator[tuple[str, ast.Module, str]]:
    """Every Python file of the project, its path from the root, with or without `.py`."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*")):
            relative = path.relative_to(ROOT)
            if {"vendor", "node_modules", "versions", "__pycache__"} & set(relative.parts):
                continue
            if path.suffix not in ("", ".py") or not path.is_file():
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            if path.suffix == ".py" or text.startswith("#!/usr/bin/env python"):
                yield relative.as_posix(), ast.parse(text), text


SOURCES = list(_sources())


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import; for `from a import b` both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def _top(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def _every_import() -> Iterator[tuple[str, int, str]]:
    for path, tree, _ in SOURCES:
        for line, name in _imports(tree):
            yield path, line, name


def _noun(dotted: str) -> str | None:
    parts = dotted.replace("/", ".").split(".")
    return parts[1] if parts[0] == "evidence" and len(parts) > 2 and parts[1] in NOUNS else None


def test_nobody_imports_the_tests() -> None:
    assert not [
        (path, line)
        for path, line, name in _every_import()
        if _top(name) == "tests" and not path.startswith("tests/")
    ]


def test_evidence_and_schemas_import_only_what_their_room_may() -> None:
    wrong = []
    for path, line, name in _every_import():
        room = _top(path.replace("/", "."))
        top = _top(name)
        if room not in ("evidence", "schemas") or top in sys.stdlib_module_names:
            continue
        allowed = ALLOWED[room] | {"evidence"} | ({"schemas"} if room == "schemas" else set())
        for port in ("evidence.storage", "evidence.media"):
            if path.startswith(port.replace(".", "/") + "/"):
                allowed = (allowed - {"sqlalchemy"}) | ALLOWED[port]
        for package in ("evidence.custody", "evidence.dossier"):
            if path.startswith(package.replace(".", "/") + "/"):
                allowed |= ALLOWED[package]
        if top not in allowed:
            wrong.append((path, line, name))
    assert not wrong


def test_schemas_know_enums_and_limits_but_no_operation() -> None:
    operations = ("finding", "cases.cases", "recording", "viewing", "append", "ledger", "reach")
    wrong = [
        (path, line, name)
        for path, line, name in _every_import()
        if path.startswith("schemas/") and any(f".{word}." in f"{name}." for word in operations)
    ]
    assert not wrong


def test_nouns_use_each_other_only_downwards() -> None:
    wrong = []
    for path, line, name in _every_import():
        mine, other = _noun(path.removesuffix(".py")), _noun(f"{name}.")
        if mine is None or other is None or mine == other:
            continue
        # The log's tiles are kept by the storage port: a protocol, which knows no noun.
        downwards = NOUNS.index(other) < NOUNS.index(mine) or other == "storage"
        if not downwards or (mine, other) in STRANGERS:
            wrong.append((path, line, name))
    assert not wrong


def test_ports_know_no_noun() -> None:
    wrong = [
        (path, line, name)
        for path, line, name in _every_import()
        if path.startswith(("evidence/storage/", "evidence/media/"))
        and _noun(f"{name}.") not in (None, "storage", "media")
    ]
    assert not wrong


def test_only_media_calls_ffmpeg_and_pillow() -> None:
    wrong = [
        (path, line, name)
        for path, line, name in _every_import()
        if _top(name) in ("ffmpeg", "PIL")
        and not path.startswith(("evidence/media/", "tests/"))
        # The demonstration and the tests make recordings; they read none.
        and not path.startswith("scripts/")
    ]
    assert not wrong


def test_the_verifier_needs_nothing_but_python() -> None:
    found = [path for path, _, _ in SOURCES if path == "scripts/verify"]
    assert found
    wrong = [
        (line, name)
        for path, line, name in _every_import()
        if path == "scripts/verify" and _top(name) not in sys.stdlib_module_names
    ]
    assert not wrong


def test_the_server_knows_no_script() -> None:
    wrong = [
        (path, line, name)
        for path, line, name in _every_import()
        if path.startswith(("server/", "evidence/", "schemas/")) and _top(name) == "scripts"
    ]
    assert not wrong


def test_rules_are_pure() -> None:
    impure = {"sqlalchemy", "os", "pathlib", "socket", "subprocess", "random", "time", *WEB}
    paths = {path for path, _, _ in SOURCES}
    assert paths >= RULES
    wrong = [
        (path, line, name)
        for path, line, name in _every_import()
        if path in RULES and (_top(name) in impure or name == "evidence.clock.now")
    ]
    assert not wrong


def test_only_a_unit_of_work_commits() -> None:
    """Operations take a session and never commit it."""
    # The sequencer is a loop of its own, and its steps are what a crash may separate.
    own_transactions = {"evidence/custody/sequencer.py"}
    wrong = []
    for path, tree, _ in SOURCES:
        if not path.startswith("evidence/") or path in own_transactions:
            continue
        wrong += [
            (path, node.lineno)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("commit", "rollback")
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "session"
        ]
    assert not wrong


def _locks(node: ast.AST) -> bool:
    """Whether a call takes the lock of a row, through the session or through a query."""
    return isinstance(node, ast.Call) and (
        any(keyword.arg == "with_for_update" for keyword in node.keywords)
        or (isinstance(node.func, ast.Attribute) and node.func.attr == "with_for_update")
    )


def test_whoever_locks_a_row_reads_it_anew() -> None:
    """A lock that waited leaves as it is what the session had read of the row before."""
    found, wrong = 0, []
    for path, tree, text in SOURCES:
        if not path.startswith(("evidence/", "server/")):
            continue
        statements = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign | ast.Expr | ast.Return | ast.AnnAssign)
        ]
        for statement in statements:
            if not any(map(_locks, ast.walk(statement))):
                continue
            found += 1
            said = ast.get_source_segment(text, statement) or ""
            if "populate_existing=True" not in said and ".refresh(" not in said:
                wrong.append((path, statement.lineno))
    assert found
    assert not wrong


def test_a_long_module_gives_its_reason() -> None:
    """Over 400 lines needs the word `lines` or `long` in the module's docstring."""
    wrong = []
    for path, tree, text in SOURCES:
        told = (ast.get_docstring(tree) or "").lower()
        if text.count("\n") > LONGEST_MODULE and "long" not in told and "lines" not in told:
            wrong.append((path, text.count("\n")))
    assert not wrong


def test_functions_stay_within_fifty_lines() -> None:
    wrong = []
    for path, tree, _ in SOURCES:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                told = node.body[0] if ast.get_docstring(node) else None
                length = (node.end_lineno or 0) - node.lineno + 1
                if told:
                    length -= (told.end_lineno or 0) - told.lineno + 1
                if length > LONGEST_FUNCTION:
                    wrong.append((path, node.name, length))
    assert not wrong


def test_there_is_no_room_for_leftovers() -> None:
    names = {"utils", "util", "helpers", "helper", "managers", "manager", "common", "misc"}
    wrong = [path for path, _, _ in SOURCES if names & set(Path(path).with_suffix("").parts)]
    assert not wrong


def test_every_module_says_what_it_answers_for() -> None:
    wrong = [
        path
        for path, tree, text in SOURCES
        if text.strip() and not ast.get_docstring(tree) and not path.endswith("__init__.py")
    ]
    assert not wrong
