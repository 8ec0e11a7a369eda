"""The terminal under systemd: ready, one line of status, the watchdog, a stop that is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

import anyio

from posfw.app.liveness import Liveness
from posfw.board.driver.notify import ServiceManager

__all__ = ["Service"]

# Fed three times in the manager's period: one lost datagram is no reason to restart.
FEEDS_A_PERIOD = 3


@dataclass(slots=True)
class Service:
    """Feeds the manager's watchdog while nothing is stuck.

    Attributes:
        liveness: who makes progress.
        probe: work that must end in time while all is well, such as a read of the journal.
        status: the one line of `systemctl status`, in the terminal's language, no card data.
        manager: systemd, or nobody.
        sleep: waits between feeds.
        told: what was stuck at the last look, for the log and tests.
    """

    liveness: Liveness
    status: Callable[[], str]
    manager: ServiceManager = field(default_factory=ServiceManager)
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    told: list[str] = field(default_factory=list)
    probe: Callable[[], Awaitable[object]] | None = None
    _turn: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> None:
        """Say ready, then feed until cancelled; returns at once where nobody watches.

        A cancel is a stop: the manager is told, so that its stop time-out begins.
        """
        self.manager.ready(self.status())
        if not self.manager.watchdog_s:
            return
        try:
            async with anyio.create_task_group() as group:
                if self.probe is not None:
                    group.start_soon(self._probe, self.probe)
                for number in count(1):
                    self.feed()
                    await self.sleep(self.manager.watchdog_s / FEEDS_A_PERIOD)
                    if number % FEEDS_A_PERIOD == 0:
                        self._turn.set()
        finally:
            self.manager.stopping()

    async def _probe(self, probe: Callable[[], Awaitable[object]]) -> None:
        """Try the probe once in a period, with a feed; one that hangs is stuck after a period.

        With every feed would tell a hang less than a period earlier, and a timer of its own would
        wake an idle processor once more each time: bench `idle`.
        """
        with self.liveness.part("journal", self.manager.watchdog_s):
            while True:
                self._turn = anyio.Event()
                with self.liveness.work("journal"):
                    await probe()
                await self._turn.wait()

    def feed(self) -> bool:
        """Feed once, unless something is stuck; then tell what, and let the manager bite."""
        self.told = self.liveness.stuck()
        if self.told:
            self.manager.status("stuck: " + ", ".join(self.told))
            return False
        self.manager.alive()
        return True
