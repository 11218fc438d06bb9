"""A bureau's database between two revisions, and how one is made that was never beyond each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Engine, text

from server import migrate
from tests import databases
from tests.bureau import Bureau
from tests.tables import form
from tests.worked import opened

Forms = dict[str, dict[str, str]]

_scripts = ScriptDirectory.from_config(migrate.alembic_config()).walk_revisions()
REVISIONS = [script.revision for script in _scripts][::-1]  # from the first to the last


@dataclass(frozen=True)
class Stage:
    """A database of the bureau, in a file of its own where it is not the bureau's first."""

    bureau: Bureau
    file: Path
    engine: Engine

    @property
    def config(self) -> Config:
        return migrate.alembic_config(self.engine)

    @property
    def revision(self) -> str:
        with self.engine.connect() as connection:
            query = text("SELECT version_num FROM alembic_version")
            return str(connection.execute(query).scalar_one())

    def down(self) -> str:
        """By one revision; the one that it has now."""
        command.downgrade(self.config, "-1")
        return self.revision

    def up(self) -> str:
        command.upgrade(self.config, "+1")
        return self.revision

    def opened(self) -> AbstractContextManager[Flask]:
        """The application over this database and the bureau's folder."""
        return opened(self.bureau, ZHENGLIAN_DATABASE_URL=databases.database_url(self.file))


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """A copy of the bureau whose template is named; the whole one, where none is."""
    template: Bureau = request.getfixturevalue(getattr(request, "param", "whole_template"))
    bureau = template.copy_to(tmp_path / "data")
    engine = databases.open_database(bureau.database)
    yield Stage(bureau, bureau.database, engine)
    engine.dispose()


@pytest.fixture(scope="session")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Forms:
    """How a database is made that was never beyond a revision, by revision."""
    engine = databases.open_database(tmp_path_factory.mktemp("fresh") / "zhenglian.db")
    found = {}
    for revision in REVISIONS:
        command.upgrade(migrate.alembic_config(engine), revision)
        found[revision] = form(engine)
    engine.dispose()
    return found
