"""Totals of a batch and the comparison record by record. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from posfw.values.errors import RefusedError
from posfw.values.money import MAX_MINOR
from posfw.values.transaction import Transaction

__all__ = ["MAX_COUNT", "Difference", "Totals", "compare", "overflows", "totals"]

MAX_COUNT = 999


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
        RefusedError: two currencies in one batch (sums over both would mean nothing), or more
            than the settlement's fields hold.
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
    sums = Totals(len(debits), sum(debits), len(credits_), sum(credits_))
    if overflows(sums):
        raise RefusedError(
            "The batch's totals are larger than a settlement can carry.",
            code="SET-123",
            next_step="Call the acquirer; no sale is taken until this batch is settled.",
        )
    return sums


def overflows(sums: Totals, more_minor: int = 0) -> bool:
    """Whether a settlement could not carry these totals, or not after one more debit.

    ISO 8583 DE48 of a UnionPay settlement: amounts n12, counts n3.
    """
    one = 1 if more_minor else 0
    return (
        sums.debit_minor + more_minor > MAX_MINOR
        or sums.credit_minor > MAX_MINOR
        or sums.debit_count + one > MAX_COUNT
        or sums.credit_count > MAX_COUNT
    )


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
