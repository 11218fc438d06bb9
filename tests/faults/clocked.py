"""Live servers whose clock can be set, while they run or before they start."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from tests.bureau import Bureau
from tests.faults import offset
from tests.front import WEBS, Front
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


class ClockedFront(ClockedServer, Front):
    """Three web processes behind nginx. They are killed in turn, one at a time."""

    def __init__(self, bureau: Bureau, environ: Mapping[str, str]) -> None:
        Front.__init__(self, bureau)
        # The dock has to trust the certificate, too.
        self.environ |= {**environ, "SSL_CERT_FILE": str(self.folder / "tls.pem")}
        self._turns = itertools.cycle(range(WEBS))

    def begin_web(self, number: int) -> None:
        port = str(self.webs[number])
        self._start(f"web{number}", "-c", self._follow + _WEB, "--port", port)

    def kill_web(self) -> None:
        self.kill(next(self._turns))

    def start_web(self) -> None:
        """Those that do not run."""
        ended = [number for number in range(WEBS) if not self.runs(f"web{number}")]
        for number in ended:
            self.begin_web(number)
        for number in ended:
            self.until_web(number)
