"""A part of the day at a counter with a reader of its own kernel and a PIN pad."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

import anyio

from posfw.sim.cards import TEST_PIN
from posfw.sim.day import STEP_S, Day
from posfw.sim.script import Step
from posfw.sim.vivotech import Presented

__all__ = ["TAPS"]

BOARD = "host-neo"
TAPPED, SWIPED = "unionpay-chip", "unionpay"


async def _taps(day: Day, step: Step) -> None:
    """The terminal is moved to the other counter: one card is tapped, one needs its PIN."""
    if not day.other_counter:
        day.report.counts["taps: no such counter"] += 1
        return
    home = day.board
    await _move(day, BOARD)
    right = day.rig.acquirer.pins_seen["right"]
    checked = day.rig.acquirer.issuer.checked
    day.rig.pad.customer = TEST_PIN
    await _sale(day, step, "tapped", TAPPED, Presented.TAP)
    if day.rig.acquirer.issuer.checked != checked + 1 or day.rig.pad.asked:
        day.report.problems.append("a tap was not checked by its bank, or asked for a PIN")
    await _sale(day, step, "with PIN", SWIPED, Presented.SWIPE)
    if day.rig.acquirer.pins_seen["right"] != right + 1:
        day.report.problems.append("the PIN did not reach the bank")
    await _move(day, home)


async def _move(day: Day, board: str) -> None:
    await day.until("waiting_prints", value=0)
    await day.cut()
    day.board = board
    await day.start()


async def _sale(day: Day, step: Step, way: str, card: str, presented: Presented) -> None:
    amount = f"{step.amount_minor // 100}.00"
    neo = day.rig.neo
    results: list[dict[str, Any]] = []
    turn = len(neo.activations) + 1
    async with anyio.create_task_group() as group:

        async def customer() -> None:
            await neo.activated(turn)
            await neo.present(day.cards[card], presented)

        group.start_soon(customer)
        with anyio.fail_after(STEP_S):
            results.append(await day.result({"do": "sale", "amount": amount}))
        group.cancel_scope.cancel()
    [result] = results
    day.report.counts[f"taps {way}: {result['ending']}"] += 1
    if result["ending"] != step.expect:
        day.report.problems.append(f"taps {way} ended as {result['ending']}")
        return
    day.approved.append((result["key"], step.amount_minor))


TAPS: Mapping[str, Callable[[Day, Step], Awaitable[None]]] = MappingProxyType({"taps": _taps})
