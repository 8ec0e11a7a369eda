"""`idle`: how often a terminal that nobody uses wakes the processor.

A blocked thread that runs again is one voluntary context switch (voluntary_ctxt_switches of
proc(5)): timers, messages and hand-overs between threads all count. The kernel's work does not.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio

from bench.claim import Claim
from posfw.board.site import Timing
from posfw.sim.day import Day, Report
from posfw.sim.rig import rig

IDLE_S = float(os.environ.get("BENCH_IDLE_S", "30"))
LIMIT = 60.0
SETTLE_S = 5.0  # tails of the start and of the sale: modules loaded behind the first card
WATCHDOG_US = 10_000_000  # WatchdogSec of deploy/posfw.service
SALE = {"do": "sale", "amount": "12.00", "keyed": {"pan": "6212345678901232", "expiry": "3012"}}


def switches(pid: int) -> dict[str, int]:
    """Return voluntary context switches so far of each thread of a process, by thread id."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                found[task.name] = int(line.split()[1])
    return found


@contextmanager
def _watched(folder: Path) -> Iterator[None]:
    """Be the service manager of child processes: they feed a watchdog, as on a counter."""
    path = folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        os.environ |= {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(WATCHDOG_US)}
        try:
            yield
            manager.settimeout(0)
            heard = manager.recv(4096)
            assert heard.startswith(b"READY=1"), heard
            assert manager.recv(4096) == b"WATCHDOG=1"
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]


async def _wakes(state: Path) -> float:
    """Return wake-ups per minute of a terminal that is online and has sold and printed."""
    async with rig(state) as around, anyio.create_task_group() as group:
        echo = f"heartbeat_s = {Timing().heartbeat_s}"
        quick = around.site.read_text(encoding="utf-8")
        around.site.write_text(quick.replace("heartbeat_s = 5.0", echo), encoding="utf-8")
        assert echo in around.site.read_text(encoding="utf-8")
        day = Day(around, state, Report(1), group)
        try:
            await day.start()
            assert day.process is not None
            await day.result({"do": "sign_on"})
            assert (await day.result(SALE))["ending"] == "success"
            await day.until("waiting_prints", value=0)
            await anyio.sleep(SETTLE_S)
            before = switches(day.process.pid)
            await anyio.sleep(IDLE_S)
            after = switches(day.process.pid)
            assert (await day.result({"do": "status"}))["online"]
        finally:
            await day.cut()
        group.cancel_scope.cancel()
    woken = sum(number - before.get(thread, 0) for thread, number in after.items())
    return woken / IDLE_S * 60


def idle() -> Claim:
    """Wake-ups of the terminal's process in an idle minute against the most that it may have."""
    with tempfile.TemporaryDirectory() as folder, _watched(Path(folder)):
        ours = anyio.run(_wakes, Path(folder) / "state")
    return Claim(
        ours,
        LIMIT,
        "wakes/min",
        1.0,
        f"voluntary context switches of all threads in {IDLE_S:g} s, after a sale, online,"
        f" an echo every {Timing().heartbeat_s:g} s as by default, watchdog fed; host board;"
        " other: the limit",
    )


CLAIMS = {"idle": idle}
