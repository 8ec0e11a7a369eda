"""Runs inside private network and mount namespaces: `posfw sim card insert` at a whole terminal.

Rig, terminal, pcscd and vpcd are the real ones. Prints one JSON object of what happened;
`test_chip_rig.py` judges it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio

from posfw.app.chip_slot import SlotState
from posfw.app.graph import running
from posfw.app.world import World
from posfw.board.site import parse_site
from posfw.cli.places import load_board
from posfw.sim.chip.hand import ChipHand, prepare
from posfw.sim.desk import RigDesk
from posfw.sim.rig import rig
from posfw.values.texts import ENGLISH
from tests.card.pcsc.inside import start_pcscd


async def sale(terminal: Any, desk: Any, way: str) -> dict[str, Any]:
    """Insert a card in a way as soon as the terminal asks for one, sell, take the card out."""
    slot = terminal.cashier.chips.slot
    with anyio.fail_after(20):
        while slot.state is not SlotState.EMPTY:
            await anyio.sleep(0.02)  # pcscd polls its readers
    async with anyio.create_task_group() as group:
        hand = {"card": "unionpay-chip", "way": way}
        asked = anyio.Event()

        async def insert() -> None:
            await desk["card_present"](hand, lambda _: None)

        def progress(_: Any) -> None:
            if not asked.is_set():
                asked.set()
                group.start_soon(insert)

        done = await terminal.cashier.verbs()["sale"]({"amount": "300.00"}, progress)
    await desk["card_remove"]({}, lambda _: None)
    return dict(done)


async def main(state: Path) -> dict[str, Any]:
    host = load_board("host")
    board = replace(host, document={**host.document, "card": {"driver": "pcsc"}})
    async with rig(state) as around:
        around.acquirer.parameters["emv"] = await anyio.to_thread.run_sync(prepare, state)
        desk = RigDesk(around, hand=ChipHand()).verbs()
        site = parse_site(around.site.read_text(encoding="utf-8"), source=str(around.site))
        async with running(
            board=board,
            site=site,
            state=state,
            texts=ENGLISH,
            world=World(),
            stop=lambda: None,
        ) as terminal:
            verbs = terminal.cashier.verbs()
            with anyio.fail_after(20):
                while not terminal.uplink.online:
                    await anyio.sleep(0.02)
            await verbs["sign_on"]({}, lambda _: None)
            done = await sale(terminal, desk, "insert")
            checked = around.acquirer.issuer.checked
        return {"sale": {key: done.get(key) for key in ("ending", "ok")}, "checked": checked}


if __name__ == "__main__":
    daemon = start_pcscd()
    try:
        with tempfile.TemporaryDirectory() as folder:
            json.dump(anyio.run(main, Path(folder)), sys.stdout)
    finally:
        daemon.terminate()
        daemon.wait(10)
