"""A board with a chip slot: the running terminal has its desk, and sells without a reader too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from posfw.app.graph import running
from posfw.app.world import World
from posfw.board.site import parse_site
from posfw.cli.places import load_board
from posfw.sim.rig import rig
from posfw.values.texts import ENGLISH

pytestmark = [pytest.mark.system, pytest.mark.may_block]

SALE = {"amount": "12.00", "keyed": {"pan": "6212345678901232", "expiry": "3012"}}


@pytest.mark.parametrize("driver", ["magstripe", "pcsc"])
async def test_a_slot_is_opened_where_the_board_has_one(tmp_path: Path, driver: str) -> None:
    host = load_board("host")
    board = replace(host, document={**host.document, "card": {"driver": driver}})
    async with rig(tmp_path) as around:
        site = parse_site(around.site.read_text(encoding="utf-8"), source=str(around.site))
        async with running(
            board=board,
            site=site,
            state=tmp_path,
            texts=ENGLISH,
            world=World(),
            stop=lambda: None,
        ) as terminal:
            assert (terminal.cashier.chips is not None) is (driver == "pcsc")
            verbs = terminal.cashier.verbs()
            with anyio.fail_after(20):
                while not terminal.uplink.online:
                    await anyio.sleep(0.01)
            await verbs["sign_on"]({}, lambda _: None)
            assert (await verbs["sale"](SALE, lambda _: None))["ending"] == "success"
