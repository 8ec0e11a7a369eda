"""Totals of a batch and the comparison record by record. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from posfw.values.errors import RefusedError
from posfw.values.transaction import Transaction

__all__ = ["Difference", "Totals", "compare", "totals"]


@dataclass(frozen=True, slots=True)
class Totals:
    """Count and sum in minor units of debits and credits (ISO 8583 DE48 of a settlement)."""

    debit_count: int = 0
    debit_minor: int = 0
    credit_count: int = 0
    credit_minor: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """One record that the two sides do not have alike; None where a side does not have it."""

    stan: int
    ours_minor: int | None
    theirs_minor: int | None


def totals(transactions: Iterable[Transaction]) -> Totals:
    """Add up what counts: approved and moving money.

    Raises:
        RefusedError: two currencies in one batch; sums over both would mean nothing.
    """
    transactions = list(transactions)
    currencies = {t.begun.intent.amount.currency for t in transactions if t.counts}
    if len(currencies) > 1:
        raise RefusedError(f"The batch holds {len(currencies)} currencies.", code="SET-121")
    debits: list[int] = []
    credits_: list[int] = []
    for transaction in transactions:
        if transaction.counts:
            intent = transaction.begun.intent
            side = debits if intent.kind.direction > 0 else credits_
            side.append(intent.amount.minor)
    return Totals(len(debits), sum(debits), len(credits_), sum(credits_))


def compare(
    transactions: Iterable[Transaction], records: Sequence[Sequence[int]]
) -> tuple[Difference, ...]:
    """Compare with the acquirer's [STAN, amount, direction]; credits count as negative.

    A STAN that the acquirer has twice is a difference of its own.
    """
    ours = {
        t.key.stan: t.begun.intent.amount.minor * t.begun.intent.kind.direction
        for t in transactions
        if t.counts
    }
    theirs: dict[int, int] = {}
    doubled: list[Difference] = []
    for stan, amount, direction in records:
        if stan in theirs:
            doubled.append(Difference(stan, ours.get(stan), theirs[stan] + amount * direction))
        theirs[stan] = amount * direction
    unequal = [
        Difference(stan, ours.get(stan), theirs.get(stan))
        for stan in sorted(ours.keys() | theirs.keys())
        if ours.get(stan) != theirs.get(stan)
    ]
    return (*unequal, *doubled)
