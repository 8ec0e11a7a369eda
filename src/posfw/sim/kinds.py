"""Other ways to pay in a day: tips, a telephone call, instalments, authorisations, QR codes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

import anyio

from posfw.sim.bank import Place
from posfw.sim.day import Day
from posfw.sim.rig import TERMINAL
from posfw.sim.script import Step
from posfw.sim.shift import approval, refused

__all__ = ["KINDS"]

PERIODS, FEW = 3, 5  # instalments that the acquirer has, and does not have
LEAST_MINOR = 60_000  # of its plans
MOST_MINOR = 40_000  # of what may grow here: what the acquirer allows is never reached
PAYMENT_CODE = "281234567890123456"
TYPES_A_PASSWORD = 9  # cents


def _text(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


async def _done(day: Day, what: str, request: Mapping[str, Any], ending: str = "success") -> str:
    """Ask for something that must end so; return its key."""
    result = await day.result(request)
    found = result["ending"]
    day.report.counts[f"{what}: {found}"] += 1
    if found != ending:
        day.report.problems.append(f"{what} ended as {found}: {result.get('lines')}")
    return str(result.get("key", ""))


def _keyed(step: Step) -> dict[str, Any]:
    return {"keyed": {"pan": step.card, "expiry": "3012"}}


async def _tips(day: Day, step: Step) -> None:
    """With the sale, after it, too much of it; a void takes sale and tip back."""
    minor = min(step.amount_minor, MOST_MINOR)
    sale = {"do": "sale", "amount": _text(minor), **_keyed(step)}
    await _done(day, "sale with tip", {**sale, "tip": _text(minor // 10)})
    for taken_back in (False, True):
        key = {"key": await _done(day, "sale to be tipped", sale)}
        await _done(day, "tip", {"do": "tip", **key, "amount": _text(minor // 20)})
        too_much = {"do": "tip", **key, "amount": _text(minor // 10)}
        await refused(day, "tip above the percentage", "SAL-314", too_much)
        await day.until("offline_count", value=0)
        if taken_back:
            await _done(day, "void with its tip", {"do": "void", **key, **approval("00")})
            again = {"do": "tip", **key, "amount": "0.01"}
            await refused(day, "tip on a voided sale", "SAL-302", again)


async def _by_telephone(day: Day, step: Step) -> None:
    """离线结算 and 离线调整, up and down."""
    minor = min(step.amount_minor, MOST_MINOR)
    called = {"do": "offline_sale", "amount": _text(minor), **_keyed(step)}
    await refused(day, "sale by telephone without a code", "SAL-319", called)
    key = {"key": await _done(day, "sale by telephone", {**called, "auth_code": "A1B2C3"})}
    await day.until("offline_count", value=0)
    more = {"do": "adjust", **key, "amount": _text(minor * 6 // 5)}
    await _done(day, "adjust", more)
    await refused(day, "adjust too far", "SAL-321", {**more, "amount": _text(minor * 6 // 5 + 1)})
    await day.until("offline_count", value=0)
    less = {"do": "adjust", **key, "amount": _text(minor // 2)}
    await refused(day, "adjust down without approval", "OPR-120", less)
    await _done(day, "adjust down", less | approval("00"))
    await day.until("offline_count", value=0)


async def _instalment(day: Day, step: Step) -> None:
    """分期: by the acquirer's plans only."""
    listed = (await day.result({"do": "instalments", "amount": _text(LEAST_MINOR)}))["plans"]
    if not any(plan["periods"] == PERIODS and plan["fits"] for plan in listed):
        day.report.problems.append(f"the instalment plans are {listed}")
    asked = {"do": "instalment", "amount": _text(LEAST_MINOR), **_keyed(step)}
    await _done(day, "instalment", {**asked, "periods": PERIODS})
    await refused(day, "instalment without a plan", "SAL-315", {**asked, "periods": FEW})
    small = {**asked, "amount": _text(LEAST_MINOR - 100), "periods": PERIODS}
    await refused(day, "instalment of too little", "SAL-316", small)
    key = await _done(day, "instalment", {**asked, "periods": PERIODS})
    await _done(day, "instalment void", {"do": "void", "key": key, **approval("00")})


async def _held(day: Day, step: Step) -> None:
    """The authorisations: more of it, completed by request or by advice, taken back."""
    minor = min(step.amount_minor, MOST_MINOR)
    hold = {"do": "preauth", "amount": _text(minor), **_keyed(step)}
    key = {"key": await _done(day, "preauth", hold)}
    await _done(day, "preauth_add", {"do": "preauth_add", **key, "amount": "10.00"})
    most = (minor + 1000) * 115 // 100
    above = {"do": "completion_advice", **key, "amount": _text(most + 1)}
    await refused(day, "completion of too much", "SAL-313", above)
    advice = {"do": "completion_advice", **key, "amount": _text(most)}
    completed = await _done(day, "completion_advice", advice)
    await refused(day, "completion twice", "SAL-311", {**advice, "do": "completion"})
    await day.until("offline_count", value=0)
    back = {"do": "completion_void", "key": completed, **approval("00")}
    await _done(day, "completion_void", back)
    await _done(day, "completion", {**advice, "do": "completion", "amount": _text(minor)})
    other = {"key": await _done(day, "preauth", hold)}
    await _done(day, "preauth_void", {"do": "preauth_void", **other, **approval("00")})


async def _scanned(day: Day, step: Step) -> None:
    """被扫: the shop scans the payer; one types a password, one is given back."""
    minor = min(step.amount_minor, MOST_MINOR)
    pay = {"do": "qr_pay", "amount": _text(minor), "code": PAYMENT_CODE}
    key = await _done(day, "qr scanned", pay)
    typing = {**pay, "amount": _text(minor + TYPES_A_PASSWORD)}
    other = await _done(day, "qr scanned, password typed", typing)
    await _done(day, "qr scanned, poor", {**pay, "amount": _text(minor + 51)}, "failed")
    await refused(day, "qr without a payment code", "SAL-220", {**pay, "code": "12345"})
    await _done(day, "qr refund", {"do": "refund", "key": key, "amount": "0.50", **approval("00")})
    await _done(day, "qr void", {"do": "void", "key": other, **approval("00")})


async def _shown(day: Day, step: Step) -> None:
    """主扫: paid; given up; paid while the line is gone, which is given back."""
    bank, minor = day.rig.acquirer.bank, min(step.amount_minor, MOST_MINOR)
    show = {"do": "qr_show", "amount": _text(minor)}
    await _done(day, "qr shown", show)
    patience, bank.pays_after = bank.pays_after, None

    async def give_up() -> None:
        place = await _waiting(day)
        if not await _given_up(day):
            day.report.problems.append("there was nobody to give up waiting for")
        del place

    async def lose_the_line() -> None:
        place = await _waiting(day)
        await day.rig.acquirer.set_down(down=True)
        await day.until("online", value=False)
        bank.pay(place)
        await _given_up(day)

    async with anyio.create_task_group() as group:
        group.start_soon(give_up)
        await _done(day, "qr shown, given up", show, "failed")
    async with anyio.create_task_group() as group:
        group.start_soon(lose_the_line)
        await _done(day, "qr shown, line lost", show, "unknown")
    bank.pays_after = patience
    await day.rig.acquirer.set_down(down=False)
    await day.until("online", value=True)
    await day.until("reversals", value=0)


async def _waiting(day: Day) -> Place:
    """Return the books' key of who is waited for now."""
    with anyio.fail_after(30):
        while not day.rig.acquirer.bank.waiting:  # noqa: ASYNC110 - another process asks
            await anyio.sleep(0.005)
    (place,) = day.rig.acquirer.bank.waiting
    if place[0] != TERMINAL:
        day.report.problems.append(f"another terminal waits: {place}")
    return place


async def _given_up(day: Day) -> bool:
    return bool((await day.result({"do": "qr_cancel"}))["ok"])


KINDS: Mapping[str, Callable[[Day, Step], Awaitable[None]]] = MappingProxyType(
    {
        "tips": _tips,
        "by_telephone": _by_telephone,
        "instalment": _instalment,
        "held": _held,
        "scanned": _scanned,
        "shown": _shown,
    }
)
