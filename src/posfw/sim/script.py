"""The script of a business day: a seed becomes a list of steps; what must happen always does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

__all__ = ["Step", "script"]

CARDS = ("6212345678901232", "4111111111111111", "5555555555554444", "6216261000000000018")
SWIPED = ("unionpay", "unionpay-19", "visa", "mastercard")
CHIP = "visa-chip"
DECLINES = ("51", "05", "41", "55")
SALES = 20


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens.

    Attributes:
        what: a name of `posfw.sim.steps.STEPS`.
        amount_minor: of a sale or refund.
        card: test card number, keyed by hand.
        swiped: name of a test card that is swiped instead, or "".
        expect: how it must end: success, failed or unknown.
        code: response code of a decline.
    """

    what: str
    amount_minor: int = 0
    card: str = ""
    expect: str = "success"
    code: str = ""
    swiped: str = ""


def script(seed: int) -> tuple[Step, ...]:
    """Return the day of a seed: the same seed gives the same day."""
    random = Random(seed)
    sales = [_sale(random) for _ in range(SALES)]
    declines = [_decline(random, code) for code in DECLINES]
    troubles = [
        _trouble(random, "lost_answer", "success"),
        _trouble(random, "late_answer", "unknown"),
        _trouble(random, "line_down", "success"),
        _trouble(random, "chip_swipe", "failed"),
        _trouble(random, "power_cut", ""),
        _trouble(random, "paper_out", "success"),
        _trouble(random, "cover_open", "success"),
        _trouble(random, "hot_head", "success"),
        _trouble(random, "print_cut", "success"),
        _trouble(random, "lock", "success"),
        _trouble(random, "basket", "success"),
        _trouble(random, "tips", "success"),
        _trouble(random, "by_telephone", "success"),
        _trouble(random, "instalment", "success"),
        _trouble(random, "held", "success"),
        _trouble(random, "scanned", "success"),
        _trouble(random, "shown", "success"),
        _trouble(random, "taps", "success"),
        Step("lock_out"),
        Step("x_report"),
        Step("void"),
        Step("refund", amount_minor=random.randrange(1, 100)),
    ]
    sales[0] = replace(sales[0], swiped=SWIPED[0])
    sales[1] = replace(sales[1], swiped="")
    first, rest = sales[:3], [*sales[3:], *declines, *troubles]
    random.shuffle(rest)
    morning = (Step("activation"), Step("sign_on"), Step("shift"))
    evening = (Step("settle"), Step("z_report"), Step("sign_off"))
    return (*morning, *first, *rest, *evening)


def _sale(random: Random) -> Step:
    amount = random.randrange(1, 500) * 100  # no cents: no decline
    swiped = random.choice(("", *SWIPED))
    return Step("sale", amount, random.choice(CARDS), swiped=swiped)


def _decline(random: Random, code: str) -> Step:
    amount = random.randrange(1, 500) * 100 + int(code)
    return Step("sale", amount, random.choice(CARDS), "failed", code)


def _trouble(random: Random, what: str, expect: str) -> Step:
    swiped = {"chip_swipe": CHIP, "line_down": SWIPED[0]}.get(what, "")
    limit = 250 if what == "line_down" else 500  # the offline limit of the rig's site file
    amount = random.randrange(1, limit) * 100
    return Step(what, amount, random.choice(CARDS), expect, swiped=swiped)
