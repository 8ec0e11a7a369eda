"""The merchant's part of a day: activation, who works, goods and deliveries, reports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio

from posfw.sim.certifier import CODE
from posfw.sim.day import Day
from posfw.sim.rig import MERCHANT, TERMINAL
from posfw.sim.script import Step

__all__ = ["PASSWORDS", "SHIFT", "approval", "refused"]

# Of the simulated people; whoever reads this can sign in at a simulated terminal, and only there.
PASSWORDS = MappingProxyType({"99": "48213907", "00": "482139", "01": "4821", "02": "7351"})
FACTORY = MappingProxyType({"99": "12345678", "00": "123456", "01": "0000"})
APPLICATION = MappingProxyType({"merchant_name": "测试商户", "account_name": "王小店"})
WRONG = "9182"

CATALOGUE = """\
gtin,name,price,description,quantity
4006381333931,铅笔 Pencil,1.50,HB,100
96385074,牛奶 Milk,6.80,250 ml,24
"""
# What the acquirer allows; the script's sales stay below.
LIMITS = {"version": 1, "per_transaction_minor": 60_000}
BASKET = (("4006381333931", 3), ("96385074", 2))


def approval(number: str) -> dict[str, Any]:
    """Return what a request carries when somebody types number and password."""
    return {"approval": {"operator": number, "password": PASSWORDS[number]}}


async def refused(day: Day, what: str, code: str, request: Mapping[str, Any]) -> None:
    """Ask for something that must be refused with this code."""
    body = await day.ask(request)
    found = str(body.get("error", body.get("result", {})).get("code", ""))
    day.report.counts[f"{what}: {'refused' if found == code else 'NOT refused'}"] += 1
    if found != code:
        day.report.problems.append(f"{what} was answered with {found or 'success'}, not {code}")


async def _activation(day: Day, _: Step) -> None:
    """From the factory's state to live sales, by code over the line; then the paper is checked."""
    day.rig.acquirer.parameters["limits"] = LIMITS
    sale = {"do": "sale", "amount": "1.00", "keyed": {"pan": "6212345678901232", "expiry": "3012"}}
    await refused(day, "sale before activation", "ACT-101", sale)
    await refused(day, "sign_on before activation", "ACT-102", {"do": "sign_on"})
    for number, old in FACTORY.items():
        new = PASSWORDS[number]
        changed = {"do": "operator_password", "operator": number, "password": old, "new": new}
        await day.result(changed)
    await day.result({"do": "activate_profile", "profile": "unionpay"})
    await day.result({"do": "activate_check"})
    status = await day.result({"do": "activate_status"})
    for paper in status["papers"]:
        noted = {"do": "activate_paper", "paper": paper["id"], "reference": "A-1001"}
        await day.result(noted)
    await day.result({"do": "activate_apply", "application": dict(APPLICATION)})
    issued = {"terminal": TERMINAL, "merchant": MERCHANT, "card": CODE}
    await day.result({"do": "activate_issued", **issued, **approval("99")})
    await day.until("online", value=True)
    await refused(day, "wrong code", "ACT-120", {"do": "activate_online", "code": "JH-0000"})
    await day.result({"do": "activate_online", "code": CODE})
    await day.result({"do": "activate_confirm", **approval("99")})
    await day.result({"do": "activate_provision"})
    tested = await day.result({"do": "activate_test"})
    day.report.counts["acceptance rounds: passed"] += tested["report"]["rounds"]
    if not tested["ok"]:
        day.report.problems.append(f"acceptance: {tested['report']['failures']}")
    live = await day.result({"do": "activate_live", **approval("99")})
    day.report.counts[f"activation: {live['state']}"] += 1
    await day.until("waiting_prints", value=0)
    await day.put_trial_aside()


async def _shift(day: Day, _: Step) -> None:
    """The cashier signs in; a slip of the finger costs nothing."""
    amount = {"do": "sale", "amount": "1.00"}
    await refused(day, "sale before sign-in", "OPR-131", amount)
    mistyped = {"do": "operator_in", "operator": "01", "password": WRONG}
    await refused(day, "wrong password", "OPR-123", mistyped)
    await day.result({**mistyped, "password": PASSWORDS["01"]})
    day.report.counts["operator_in: success"] += 1
    ready = await day.result({"do": "ready"})
    day.report.counts["ready: yes" if ready["ok"] else "ready: no"] += 1
    if not ready["ok"] or ready["parameters"] != {"limits": 1}:
        day.report.problems.append(f"not ready in the morning: {ready['lines']}")
    keyed = {"pan": "6212345678901232", "expiry": "3012"}
    too_much = {"do": "sale", "amount": "600.01", "keyed": keyed}
    await refused(day, "sale above the acquirer's limit", "SAL-202", too_much)


async def _lock_out(day: Day, _: Step) -> None:
    """A new cashier guesses until the terminal makes him wait; 00 hands out another password."""
    added = {"do": "operator_add", "number": "02", "new": "6284", **approval("00")}
    await day.result(added)
    guess = {"do": "operator_in", "operator": "02", "password": WRONG}
    for _guess in range(3):
        await refused(day, "wrong password", "OPR-123", guess)
    await refused(day, "locked out", "OPR-125", {**guess, "password": "6284"})
    await day.result({**added, "new": "6285", "reset": True})
    changed = {"operator": "02", "password": "6285", "new": PASSWORDS["02"]}
    await day.result({"do": "operator_password", **changed})
    day.report.counts["password handed out: success"] += 1


async def _lock(day: Day, step: Step) -> None:
    """The cashier leaves the till for a moment."""
    await day.result({"do": "lock"})
    keyed = {"pan": step.card, "expiry": "3012"}
    await refused(
        day, "sale while locked", "OPR-130", {"do": "sale", "amount": "1.00", "keyed": keyed}
    )
    await day.result({"do": "unlock", "operator": "01", "password": PASSWORDS["01"]})
    await day.sale(step)


async def _basket(day: Day, step: Step) -> None:
    """A basket makes the amount; its goods leave the stock and are delivered."""
    path = day.state / "goods.csv"
    await anyio.to_thread.run_sync(_write, path)
    imported = await day.result({"do": "goods_import", "path": str(path)})
    day.report.counts["goods: imported"] += imported["imported"]
    lines = [list(line) for line in BASKET]
    filled = await day.result({"do": "goods_basket", "lines": lines})
    keyed = {"pan": step.card, "expiry": "3012"}
    sold = {"do": "sale", "amount": filled["amount"], "keyed": keyed, "note": "DLV-1"}
    result = await day.result(sold)
    day.judge(step, result)
    key = {"key": result["key"]}
    await day.result({"do": "goods_sold", **key, "lines": lines})
    due = {"region": "广东深圳", "due": "2099-12-31T18:00", "courier": "SF"}
    await day.result({"do": "delivery_new", "delivery": "DLV-1", **key, **due})
    for status in ("prepared", "sent", "delivered"):
        await day.result({"do": "delivery_move", "delivery": "DLV-1", "status": status})
    checked = await day.result({"do": "delivery_check"})
    day.report.counts["delivery: delivered"] += checked["deliveries"]
    stock = {
        row["gtin"]: row["stock"] for row in (await day.result({"do": "goods_list"}))["goods"]
    }
    if sorted(stock.values()) != [22, 97] or not checked["ok"]:
        day.report.problems.append(f"goods: stock {stock}, deliveries {checked['problems']}")


def _write(path: Path) -> None:
    path.write_text(CATALOGUE, encoding="utf-8")


async def _x_report(day: Day, _: Step) -> None:
    """Look at the open batch, on the screen and on paper."""
    report = await day.result({"do": "report"})
    await day.result({"do": "print", "kind": "report", "subject": f"X{report['batch']}"})
    await day.until("waiting_prints", value=0)
    day.report.counts["x_report: printed"] += 1


async def _z_report(day: Day, _: Step) -> None:
    """The closed batch, its fees, and the tick list without an open line."""
    batch = day.report.settlement["batch"]
    report = await day.result({"do": "report", "batch": batch})
    operators = {each["heading"] for each in report["operators"]}
    day.report.counts[f"operators on the z_report: {', '.join(sorted(operators))}"] += 1
    await day.result({"do": "print", "kind": "report", "subject": f"Z{batch}"})
    fees = await day.result({"do": "fees", "batch": batch})
    day.report.counts["fees: transactions"] += len(fees["fees"])
    sheet = await day.result({"do": "reconcile", "batch": batch})
    day.report.counts[f"tick list: {sheet['open']} open"] += 1
    day.report.counts["tick list: records"] += sheet["records"]
    await day.until("waiting_prints", value=0)
    day.report.counts["z_report: printed"] += 1


async def _sign_off(day: Day, _: Step) -> None:
    """The cashier goes home."""
    await day.result({"do": "operator_out"})
    amount = {"do": "sale", "amount": "1.00"}
    await refused(day, "sale after sign-out", "OPR-131", amount)
    day.report.counts["operator_out: success"] += 1


SHIFT: Mapping[str, Callable[[Day, Step], Awaitable[None]]] = MappingProxyType(
    {
        "activation": _activation,
        "shift": _shift,
        "lock_out": _lock_out,
        "lock": _lock,
        "basket": _basket,
        "x_report": _x_report,
        "z_report": _z_report,
        "sign_off": _sign_off,
    }
)
