"""分期: an acquirer's instalment plans as data, and what a plan makes of an amount. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from posfw.sale.limits import Refusal
from posfw.values.errors import ConfigError
from posfw.values.money import Money
from posfw.values.transaction import Instalment

__all__ = ["Plan", "chosen", "mistakes", "parse", "refusal"]

MILLION = 1_000_000
MOST_PERIODS = 60


@dataclass(frozen=True, slots=True)
class Plan:
    """One row of an acquirer's table.

    Attributes:
        plan: the acquirer's code, 1 to 8 letters or digits.
        periods: 2 to 60.
        rate_ppm: what the cardholder pays beside the amount, in parts per million of it.
        least_minor, most_minor: for which amounts; `most_minor` 0 for no upper limit.
    """

    plan: str
    periods: int
    rate_ppm: int = 0
    least_minor: int = 0
    most_minor: int = 0

    def of(self, amount: Money) -> Instalment:
        """Return what the plan makes of an amount; the fee is rounded half up."""
        fee = (amount.minor * self.rate_ppm + MILLION // 2) // MILLION
        return Instalment(self.plan, self.periods, fee)


def chosen(plans: Sequence[Plan], periods: int, plan: str = "") -> Plan | None:
    """Return the plan of so many periods: of that code, else the first in the acquirer's order."""
    fitting = (p for p in plans if p.periods == periods and plan in ("", p.plan))
    return next(fitting, None)


def refusal(amount: Money, wanted: Instalment | None, plans: Sequence[Plan]) -> Refusal | None:
    """Return why an amount is not paid in these instalments, or None."""
    plan = chosen(plans, wanted.periods, wanted.plan) if wanted else None
    if plan is None or wanted != plan.of(amount):
        return Refusal("SAL-315", "The acquirer has no such instalment.", "Choose other periods.")
    if amount.minor < plan.least_minor:
        return Refusal("SAL-316", "The amount is too small for instalments.", "Make a sale.")
    if plan.most_minor and amount.minor > plan.most_minor:
        return Refusal("SAL-318", "The amount is too large for this plan.", "Choose another plan.")
    return None


def mistakes(rows: object) -> list[str]:
    """Return what is wrong with rows of plans, each with its number."""
    if not isinstance(rows, (list, tuple)):
        return [" are not a list"]
    faults = [f"[{n}]: {fault}" for n, row in enumerate(rows, 1) for fault in _faults(row)]
    codes = [(row.get("plan"), row.get("periods")) for row in rows if isinstance(row, Mapping)]
    return faults + [f": {code!r} twice" for code in {c for c in codes if codes.count(c) > 1}]


def parse(rows: Sequence[Mapping[str, Any]], *, source: str) -> tuple[Plan, ...]:
    """Read plans from an acquirer's profile or its parameters.

    Raises:
        ConfigError: CFG-032, every mistake at once.
    """
    faults = [f"{source}{fault}" for fault in mistakes(rows)]
    if faults:
        raise ConfigError("\n".join(faults), code="CFG-032")
    return tuple(Plan(**row) for row in rows)


def _faults(row: object) -> list[str]:
    if not isinstance(row, Mapping):
        return ["is not a table"]
    found = [f"{key}: is not known here" for key in row.keys() - set(Plan.__slots__)]
    plan, periods = row.get("plan"), row.get("periods")
    if not (type(plan) is str and 1 <= len(plan) <= 8 and plan.isascii() and plan.isalnum()):
        found.append("plan: has 1 to 8 letters or digits")
    if not (type(periods) is int and 2 <= periods <= MOST_PERIODS):
        found.append(f"periods: is 2 to {MOST_PERIODS}")
    numbers = ("rate_ppm", "least_minor", "most_minor")
    found += [f"{n}: is not negative" for n in numbers if not _count(row.get(n, 0))]
    return found


def _count(value: object) -> bool:
    return type(value) is int and value >= 0
