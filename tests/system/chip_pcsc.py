"""Runs inside private network and mount namespaces: chip sales through pcscd's virtual reader.

The whole terminal side is real: PC/SC slot, desk, kernel, sales, journal, uplink, TLS. Prints one
JSON object of what happened; `test_chip_pcsc.py` judges it.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio

from posfw.app.chip_slot import SlotState
from posfw.card.pcsc.driver import PcscSlot
from posfw.sale.limits import Refusal
from posfw.sim.chip.card import ChipCard
from posfw.sim.chip.faults import CardPulled
from posfw.sim.chip.issuer import UNBLOCK, Script
from posfw.sim.chip.profile import MASTERCARD, UNIONPAY
from posfw.sim.chip.vpcd import Slot
from tests.card.pcsc.inside import READER, start_pcscd
from tests.system.chip_counter import Counter, counter
from tests.system.test_money_path import TERMINAL, balanced


def a_card(profile: Any) -> ChipCard:
    return ChipCard(profile, random.Random(6).randbytes, protocol=0)


async def until(made: Counter, *states: SlotState) -> None:
    """Wait for pcscd to see what the hand did: it polls its readers."""
    with anyio.fail_after(10):
        while made.desk.slot.state not in states:
            await anyio.sleep(0.02)


async def sale(made: Counter, hardware: Slot, card: Any, minor: int) -> dict[str, Any]:
    await anyio.to_thread.run_sync(hardware.insert, card)
    ending = await made.take(minor)
    # vpcd misses a card that comes soon after one that was pulled while still powered (measured).
    await until(made, SlotState.LEFT_IN, SlotState.EMPTY)
    await anyio.to_thread.run_sync(hardware.remove)
    await until(made, SlotState.EMPTY)
    if isinstance(ending, Refusal):
        return {"refused": ending.code}
    await made.bench.until_nothing_is_owed()
    return {"ending": ending.ending.value, "reason": ending.reason}


async def main() -> dict[str, Any]:
    hardware, found = Slot(35963), dict[str, Any]()
    with tempfile.TemporaryDirectory() as folder:
        async with counter(
            Path(folder), UNIONPAY, MASTERCARD, open_slot=lambda: PcscSlot(READER, 0)
        ) as made:
            made.acquirer.scripts = (Script(0x72, [UNBLOCK]),)
            for profile in (UNIONPAY, MASTERCARD):
                card = a_card(profile)
                found[profile.scheme] = await sale(made, hardware, card, 30_000)
                found[profile.scheme]["unlocked"] = card.unlocked
            found["declined"] = await sale(made, hardware, a_card(UNIONPAY), 30_051)
            torn, asked = a_card(UNIONPAY), made.acquirer.asked

            class Torn:
                reset = staticmethod(torn.reset)

                @staticmethod
                def transmit(command: bytes) -> bytes:
                    if made.acquirer.asked > asked:
                        raise CardPulled  # the first command after the bank's answer
                    return torn.transmit(command)

            found["torn"] = await sale(made, hardware, Torn(), 30_000)
            found["checked"] = made.acquirer.issuer.checked
            found["balanced"] = await balanced(made.bench)
            found["records"] = len(made.acquirer.bank.records(TERMINAL, 1))
            stans = made.acquirer.ledger.vouchers.items()
            found["vouchers"] = sorted([place[2], sorted(names)] for place, names in stans)
    return found


if __name__ == "__main__":
    daemon = start_pcscd()
    try:
        json.dump(anyio.run(main), sys.stdout)
    finally:
        daemon.terminate()
        daemon.wait(10)
