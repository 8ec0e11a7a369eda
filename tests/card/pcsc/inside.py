"""Runs inside private network and mount namespaces: pcscd, two virtual slots, our driver.

Prints one JSON object of what happened; `test_driver.py` judges it.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from posfw.card.pcsc.driver import PcscCard, PcscSlot, reader_names
from posfw.card.pcsc.status import Absence
from posfw.emv.apdu import Response
from posfw.emv.effects import Answer, CardGone, Effect, Finished, Request, Transmit
from posfw.emv.kernel import begin, step
from posfw.sim.chip.card import ChipCard
from posfw.sim.chip.drive import Counter, parameters
from posfw.sim.chip.faults import FAULTS, Faulty
from posfw.sim.chip.issuer import UNBLOCK, Issuer, Script
from posfw.sim.chip.profile import SCHEMES, UNIONPAY, VISA
from posfw.sim.chip.vpcd import Slot
from posfw.values.money import Money

SOCKET = Path("/run/pcscd/pcscd.comm")
READER = "Virtual PCD"
CHANCE = random.Random(6)


def start_pcscd() -> subprocess.Popen[bytes]:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    SOCKET.parent.mkdir()
    daemon = subprocess.Popen(
        ["/usr/sbin/pcscd", "--foreground"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 10
    while not SOCKET.exists():
        if time.monotonic() > deadline or daemon.poll() is not None:
            raise SystemExit("pcscd did not start")
        time.sleep(0.02)
    return daemon


async def perform(card: PcscCard, counter: Counter, effect: Effect) -> Answer:
    if not isinstance(effect, Transmit):
        return counter.perform(effect)
    answer = await card.transmit(effect.command.to_bytes(card.protocol))
    if isinstance(answer, Absence):
        return CardGone(removed=answer is Absence.REMOVED)
    return Response.from_bytes(answer)


async def transaction(slot: PcscSlot, counter: Counter, minor: int) -> tuple[Finished, int]:
    await slot.inserted()
    card = await slot.connect()
    assert isinstance(card, PcscCard), card
    request = Request(
        Money(minor), datetime(2026, 11, 24, 10, tzinfo=UTC), CHANCE.randbytes(4), 50
    )
    kernel = begin(parameters(), request)
    while (finished := kernel.finished) is None:
        kernel = step(kernel, await perform(card, counter, kernel.effect))
    await card.close()
    return finished, kernel.apdus


def counter_for(card: ChipCard, *, code: str = "00") -> Counter:
    scripts = (Script(0x72, [UNBLOCK]),)
    return Counter(
        card.transmit, CHANCE.randbytes, pins=["1234"], issuer=Issuer(), code=code, scripts=scripts
    )


async def sales(hardware: Slot, slot: PcscSlot) -> dict[str, Any]:
    found = {}
    for profile in SCHEMES:
        for code in ("00", "51"):
            card = ChipCard(profile, CHANCE.randbytes, protocol=0)
            hardware.insert(card)
            finished, apdus = await transaction(slot, counter_for(card, code=code), 30_000)
            hardware.remove()
            await slot.removed()
            found[f"{profile.scheme} {code}"] = {
                "verdict": finished.verdict.value,
                "scripts": finished.script_results.hex(),
                "unlocked": card.unlocked,
                "apdus": apdus,
            }
    return found


async def pulled(hardware: Slot, slot: PcscSlot) -> list[str]:
    """Pull the card at several commands of one sale."""
    found = []
    for at in (0, 5, 12):
        card = ChipCard(UNIONPAY, CHANCE.randbytes, protocol=0)
        faulty = Faulty(card.transmit, FAULTS["pulled"], at)

        class Pulled:
            reset = staticmethod(card.reset)
            transmit = staticmethod(faulty.transmit)

        hardware.insert(Pulled())
        finished, _ = await transaction(slot, counter_for(card), 30_000)
        hardware.remove()
        await slot.removed()
        found.append(finished.verdict.value)
    return found


async def stuck(hardware: Slot) -> dict[str, Any]:
    """A card that does not answer for longer than anybody waits; closing does not wait either."""
    card, released = ChipCard(UNIONPAY, CHANCE.randbytes, protocol=0), threading.Event()
    answered: list[bytes] = []

    class Stuck:
        reset = staticmethod(card.reset)

        @staticmethod
        def transmit(command: bytes) -> bytes:
            released.wait(20)
            answered.append(command)
            return card.transmit(command)

    async with PcscSlot(READER, 0, answer_s=0.3) as slot:
        hardware.insert(Stuck())
        finished, _ = await transaction(slot, counter_for(card), 30_000)
        waited = bool(answered)
        released.set()
    hardware.remove()
    async with PcscSlot(READER, 0) as slot:
        await slot.removed()
    return {"code": finished.code.value, "fallback": finished.fallback.value, "waited": waited}


async def two_slots(slots: list[Slot]) -> list[str]:
    """Two sales at the same time, one in each slot."""
    cards = [ChipCard(profile, CHANCE.randbytes, protocol=0) for profile in (UNIONPAY, VISA)]
    found = ["", ""]

    async def sell(number: int) -> None:
        async with PcscSlot(READER, number) as slot:
            slots[number].insert(cards[number])
            finished, _ = await transaction(slot, counter_for(cards[number]), 30_000)
            found[number] = finished.verdict.value
            slots[number].remove()
            await slot.removed()

    async with anyio.create_task_group() as group:
        for number in range(2):
            group.start_soon(sell, number)
    return found


async def empty_and_dead(hardware: Slot, slot: PcscSlot) -> list[str]:
    empty = await slot.connect()
    hardware.insert(ChipCard(UNIONPAY, CHANCE.randbytes), atr=b"")
    with anyio.move_on_after(1.0) as waited:
        await slot.inserted()
    dead = await slot.connect()
    hardware.remove()
    names = [getattr(each, "name", "card") for each in (empty, dead)]
    return [*names, str(waited.cancelled_caught)]


async def cancelled_wait(slot: PcscSlot) -> bool:
    """A cancelled wait frees its thread: the next call goes through."""
    with anyio.move_on_after(0.2) as scope:
        await slot.inserted()
    with anyio.fail_after(2.0):
        await slot.names()
    return scope.cancelled_caught


async def main() -> dict[str, Any]:
    slots = [Slot(35963), Slot(35964)]
    found: dict[str, Any] = {"readers": await reader_names(READER)}
    async with PcscSlot(READER, 0) as slot:
        found["cancelled"] = await cancelled_wait(slot)
        found["empty_and_dead"] = await empty_and_dead(slots[0], slot)
        found["sales"] = await sales(slots[0], slot)
        found["pulled"] = await pulled(slots[0], slot)
    found["stuck"] = await stuck(slots[0])
    found["two_slots"] = await two_slots(slots)
    return found


if __name__ == "__main__":
    daemon = start_pcscd()
    try:
        json.dump(anyio.run(main), sys.stdout)
    finally:
        daemon.terminate()
        daemon.wait(10)
