"""`scripts/qemu/run`: the image of a board in QEMU, a short day, then by hand until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
from anyio.abc import SocketStream

from emulated.day import GuestDay, opened, play, short_script
from emulated.machine import MACHINES, REPOSITORY, missing
from posfw.app.control import serve
from posfw.app.verbs import dispatcher
from posfw.sim.desk import RigDesk

__all__ = ["main"]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="run", description=(__doc__ or "").splitlines()[0])
    made.add_argument("--board", choices=sorted(MACHINES), default="qemu-virt-arm64")
    made.add_argument("--out", type=Path, help="folder of disk, console, slips [out/qemu/BOARD]")
    made.add_argument("--by-hand", action="store_true", help="no day; serve until Ctrl-C")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Boot, play, tell; 0 balanced, 1 not, 3 cannot be emulated here."""
    options = parser().parse_args(arguments)
    if why := missing(options.board):
        sys.stderr.write(f"{why}\n")
        return 3
    out = (options.out or REPOSITORY / "out/qemu" / options.board).resolve()
    shutil.rmtree(out, ignore_errors=True)
    return anyio.run(_main, options.board, out, options.by_hand)


async def _main(board: str, out: Path, by_hand: bool) -> int:  # noqa: FBT001 - from the command line
    async with opened(board, out, slips=out / "slips") as day:
        await day.start()
        print(f"power-on to ready: {day.laps[0]} s", flush=True)
        if by_hand:
            await _serve(day, out)
            return 0
        report = await play(day, short_script(), lambda told: print(told, flush=True))
        print(json.dumps(report.document(), ensure_ascii=False, indent=1))
        return 0 if report.balanced else 1


async def _serve(day: GuestDay, out: Path) -> None:
    """Let `posfw ... --state OUT` reach guest and rig as if both ran here, until Ctrl-C."""

    async def relay(near: SocketStream) -> None:
        far = await anyio.connect_tcp("127.0.0.1", day.port)
        async with near, far, anyio.create_task_group() as group:
            group.start_soon(_pump, near, far)
            group.start_soon(_pump, far, near)

    listener = await anyio.create_unix_listener(out / "control.sock", mode=0o600)
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, relay)
        rig = dispatcher(RigDesk(day.rig).verbs())
        await group.start(serve, out / "rig/control.sock", rig, group)
        print(f"posfw status --state {out}   (Ctrl-C ends it)", flush=True)
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                group.cancel_scope.cancel()
                return


async def _pump(source: SocketStream, target: SocketStream) -> None:
    async for data in source:
        await target.send(data)
    await target.send_eof()
