"""The terminal of `sale_cpu`: the whole application in this process, its keys pressed from inside.

A cashier's keypad calls the same verbs; a control socket would add a client that no keypad has.
Run as `python -m bench.till STATE SITE SALES`; prints the CPU time in microseconds a sale.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import anyio

from posfw.app.graph import running
from posfw.app.world import World
from posfw.board.site import parse_site
from posfw.cli.places import load_board
from posfw.values.texts import ENGLISH

SALE = {"amount": "12.00", "keyed": {"pan": "6212345678901232", "expiry": "3012"}}
WARM_UP = 20


async def sell(state: Path, site_path: Path, sales: int) -> float:
    """Return microseconds of user and system time a sale."""
    site = parse_site(site_path.read_text(encoding="utf-8"), source=str(site_path))
    async with running(
        board=load_board("host"),
        site=site,
        state=state,
        texts=ENGLISH,
        world=World(),
        stop=lambda: None,
    ) as terminal:
        verbs = terminal.cashier.verbs()
        while not terminal.uplink.online:
            await anyio.sleep(0.01)
        await verbs["sign_on"]({}, lambda _: None)
        began = 0.0
        for number in range(-WARM_UP, sales):
            if number == 0:
                began = time.process_time()
            ending = await verbs["sale"](SALE, lambda _: None)
            assert ending["ending"] == "success", ending
        return (time.process_time() - began) / sales * 1e6


if __name__ == "__main__":
    print(anyio.run(sell, Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
