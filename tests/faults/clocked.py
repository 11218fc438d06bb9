"""A live server whose clock can be set, while it runs or before it starts."""

from __future__ import annotations

from tests.faults import offset
from tests.live import BRISK_WORKER, LiveServer

_FOLLOW = "from tests.faults.offset import follow\nfollow({file!r})\n"
_WEB = "import sys\nfrom server.serve import main\nsys.exit(main())\n"


class ClockedServer(LiveServer):
    """Web and worker have one clock."""

    def set_clock(self, seconds: float) -> None:
        """So many seconds ahead of the machine's; behind it where they are negative."""
        offset.put(self.data.parent / "clock", seconds)

    def start_web(self) -> None:
        self._start("web", "-c", self._follow + _WEB, "--port", str(self.port))
        self._until_it_answers("/healthz")

    def start_brisk_worker(self) -> None:
        self._start("worker", "-c", self._follow + BRISK_WORKER)

    @property
    def _follow(self) -> str:
        return _FOLLOW.format(file=str(self.data.parent / "clock"))
