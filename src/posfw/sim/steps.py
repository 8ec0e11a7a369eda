"""What happens in each step of a day, and what must come of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import anyio

from posfw.sim.day import STEP_S, Day
from posfw.sim.kinds import KINDS
from posfw.sim.rig import FACTOR, TERMINAL
from posfw.sim.script import Step
from posfw.sim.shift import PASSWORDS, SHIFT, approval, refused
from posfw.sim.taps import TAPS

__all__ = ["STEPS"]

HOT_C = 78.0  # above the profile's stop, below what the mechanism's own firmware stops at
SEEN_S = 0.2
SLOWLY = 0.05  # so that a person, or a step, can act in the middle of a slip
INTO_ROWS = 150


async def _sign_on(day: Day, _: Step) -> None:
    await day.result({"do": "sign_on"})
    day.report.counts["sign_on: success"] += 1


async def _settle(day: Day, _: Step) -> None:
    await day.until("reversals", value=0)
    await day.until("offline_count", value=0)
    await day.until("waiting_prints", value=0)
    batch = int((await day.result({"do": "status"}))["batch"])
    day.report.bank = day.rig.acquirer.bank.totals(TERMINAL, batch)
    day.report.settlement = await day.result({"do": "settle"})
    day.report.counts["settle: success"] += 1
    if day.report.settlement["ours"] != day.report.bank:
        day.report.problems.append("the bank's totals differ")
    await day.until("waiting_prints", value=0)


async def _sale(day: Day, step: Step) -> None:
    await day.sale(step)


async def _against(day: Day, step: Step) -> None:
    key, _ = day.approved.pop(0)
    request: dict[str, Any] = {"do": step.what, "key": key}
    if step.what == "refund":
        request["amount"] = f"0.{step.amount_minor:02d}"
    await refused(day, f"{step.what} without approval", "OPR-120", request)
    by_a_cashier = {"approval": {"operator": "01", "password": PASSWORDS["01"]}}
    await refused(day, f"{step.what} approved by a cashier", "OPR-122", request | by_a_cashier)
    day.judge(step, await day.result(request | approval("00")))


async def _lost_answer(day: Day, step: Step) -> None:
    day.rig.acquirer.faults.lose_answers = 1
    await day.sale(step)


async def _late_answer(day: Day, step: Step) -> None:
    day.rig.acquirer.faults.hold_answers = 1
    day.rig.acquirer.faults.lose_inquiries = 1
    await day.sale(step)
    await day.until("reversals", value=0)


async def _line_down(day: Day, step: Step) -> None:
    await day.rig.acquirer.set_down(down=True)
    await day.until("online", value=False)
    if (await day.sale(step))["kind"] != "approved_offline":
        day.report.problems.append("a swiped sale was not taken offline")
    await day.sale(replace(step, swiped="", expect="failed"))  # keyed: never offline
    await day.rig.acquirer.set_down(down=False)
    await day.until("online", value=True)
    await day.until("offline_count", value=0)


async def _chip_swipe(day: Day, step: Step) -> None:
    result = await day.sale(step)
    if "此卡为芯片卡,请插卡" not in str(result.get("lines")):
        day.report.problems.append("a chip card was not asked to be inserted")


async def _power_cut(day: Day, step: Step) -> None:
    await day.until("waiting_prints", value=0)  # what a cut does to paper is a step of its own
    acquirer = day.rig.acquirer
    acquirer.faults.hold_answers = 1
    asked = acquirer.asked
    keyed = {"pan": step.card, "expiry": "3012"}
    amount = f"{step.amount_minor // 100}.00"

    async def sell() -> None:
        try:
            await day.ask({"do": "sale", "amount": amount, "keyed": keyed})
        except (OSError, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.EndOfStream):
            day.report.counts["power_cut: cut"] += 1

    async with anyio.create_task_group() as group:
        group.start_soon(sell)
        with anyio.fail_after(STEP_S):
            while acquirer.asked == asked:  # noqa: ASYNC110 - another process asks
                await anyio.sleep(0.005)
        await day.cut()
    if day.report.counts["power_cut: cut"] != 1:
        day.report.problems.append("the power cut came after the answer")
    await day.start()
    await day.until("reversals", value=0)
    if (await day.result({"do": "status"}))["in_doubt"]:
        day.report.problems.append("a power cut left doubt")


async def _into_a_slip(day: Day, step: Step) -> None:
    """Sell, and come back when the receipt hangs half out of the printer."""
    printer = day.rig.printer
    await day.until("waiting_prints", value=0)
    printer.factor = SLOWLY
    await day.sale(step)
    with anyio.fail_after(STEP_S):
        while len(printer.hanging.rows) <= INTO_ROWS:  # noqa: ASYNC110 - another process prints
            await anyio.sleep(0.005)


async def _paper_out(day: Day, step: Step) -> None:
    await _into_a_slip(day, step)
    day.rig.printer.end_paper(after_rows=5)
    await day.until("printer_reason", value="PRN-202")
    day.rig.printer.load_paper()
    day.rig.printer.factor = FACTOR
    await day.until("waiting_prints", value=0)


async def _cover_open(day: Day, step: Step) -> None:
    await _into_a_slip(day, step)
    day.rig.printer.open_cover()
    await day.until("printer_reason", value="PRN-203")
    day.rig.printer.close_cover()
    day.rig.printer.factor = FACTOR
    await day.until("waiting_prints", value=0)


async def _hot_head(day: Day, step: Step) -> None:
    await day.until("waiting_prints", value=0)
    async with anyio.create_task_group() as sun:
        sun.start_soon(_heat, day)
        await anyio.sleep(SEEN_S)  # until the kernel's file says so
        await day.sale(step)  # a hot head holds up no sale
        await day.until("printer_reason", value="PRN-201")
        sun.cancel_scope.cancel()
    await day.until("waiting_prints", value=0)


async def _heat(day: Day) -> None:
    """Keep the head hot, as the sun through a window does."""
    while True:
        day.rig.head.set_body(HOT_C)
        await anyio.sleep(0.01)


async def _print_cut(day: Day, step: Step) -> None:
    """Cut the power in the middle of a slip: nobody knows, a person decides, it is marked."""
    await _into_a_slip(day, step)
    await day.cut()
    day.rig.printer.factor = FACTOR
    await day.start()
    unknown = (await day.result({"do": "status"}))["unknown_prints"]
    day.report.unknown += unknown
    if unknown != 1:
        day.report.problems.append(f"{unknown} slips are unknown after a cut in the middle of one")
    await day.result({"do": "unknown_prints", "decision": "reprint"})
    await day.until("waiting_prints", value=0)


STEPS: Mapping[str, Callable[[Day, Step], Awaitable[None]]] = MappingProxyType(
    {
        **SHIFT,
        **KINDS,
        **TAPS,
        "sign_on": _sign_on,
        "sale": _sale,
        "void": _against,
        "refund": _against,
        "lost_answer": _lost_answer,
        "late_answer": _late_answer,
        "line_down": _line_down,
        "chip_swipe": _chip_swipe,
        "power_cut": _power_cut,
        "paper_out": _paper_out,
        "cover_open": _cover_open,
        "hot_head": _hot_head,
        "print_cut": _print_cut,
        "settle": _settle,
    }
)
