"""A server whose whole data folder is on a disk of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.bureau import Bureau
from tests.faults.mounting import Mounted
from tests.live import LiveServer


class ServerWithin(LiveServer):
    """With all of its data on the disk, and run where that is mounted."""

    def __init__(self, bureau: Bureau, disk: Mounted) -> None:
        shutil.copytree(bureau.data, disk.path / "data")
        # What stood there before the test began shall outlive it.
        subprocess.run(["sync", "--file-system", str(disk.path)], check=True)
        super().__init__(bureau, _environ(bureau, disk.inside / "data"))
        self._disk = disk

    def _start_program(self, name: str, *command: str) -> None:
        super()._start_program(name, *self._disk.entering, *command)

    def take_out(self, data: Path) -> None:
        """Copy what is on the disk, to be looked at from outside."""
        shutil.copytree(self._disk.path / "data", data)
        self.bureau.data = data
        self.environ |= _environ(self.bureau, data)


def _environ(bureau: Bureau, data: Path) -> dict[str, str]:
    return {
        "ZHENGLIAN_DATA": str(data),
        "ZHENGLIAN_DATABASE_URL": f"sqlite:///{data / bureau.database.name}",
    }
