"""A database that is not, or no longer, the one whose log stands in the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from evidence.storage.filesystem import FilesystemStore
from server import config, migrate
from server.config import ConfigurationError
from tests.api.test_own_log import begin
from tests.day import Day, day, day_template, run

__all__ = ["day", "day_template"]

# It brings its databases itself.
pytestmark = pytest.mark.one_box


def test_no_database_is_begun_beside_the_log_of_another(day: Day, tmp_path: Path) -> None:
    other = {"ZHENGLIAN_DATABASE_URL": f"sqlite:///{tmp_path / 'other.db'}"}
    with pytest.raises(ConfigurationError, match=r"is empty, and the store \S+ holds the log of"):
        migrate.to_present({**day.bureau.environ, **other})
    code, said = begin(day.bureau, "first start", other)
    assert (code, "scripts/move-database" in said, "scripts/restore" in said) == (2, True, True)
    # Its own is as good as it was.
    assert migrate.to_present(day.bureau.environ)[0] == migrate.head()


def test_beside_a_store_without_a_log_one_is_begun(day: Day, tmp_path: Path) -> None:
    fresh = {
        **day.bureau.environ,
        "ZHENGLIAN_DATABASE_URL": f"sqlite:///{tmp_path / 'fresh.db'}",
        "ZHENGLIAN_STORE_URL": (tmp_path / "fresh").as_uri(),
    }
    assert migrate.to_present(fresh) == ("", migrate.head())


def test_a_backup_of_a_database_that_the_log_has_left_behind_is_not_whole(
    day: Day, tmp_path: Path
) -> None:
    store = FilesystemStore(config.read(day.bureau.environ).data / "store")
    store.put_tile("tile/0/000.p/255", b"\0" * 32 * 255)
    code, said = run("backup", tmp_path / "backups", "--data", day.data)
    assert code == 1, said
    assert "✗ The store holds tiles of a longer log than the database" in said
    assert "NOT WHOLE" in said
    (made,) = (tmp_path / "backups").iterdir()
    # It is put back all the same, where there is no other; its own tiles agree with it.
    code, said = run("restore", made, "--data", tmp_path / "again")
    assert code == 0, said
