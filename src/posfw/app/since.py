"""What happened since a transaction, over all batches: it may have been completed days later."""

from __future__ import annotations

from datetime import datetime

from posfw.journal.store import Journal
from posfw.values.transaction import Kind, Transaction

__all__ = ["since"]

NEWEST = 200  # closed batches: thirty days of several settlements each


async def since(journal: Journal, original: Transaction) -> list[Transaction]:
    """Return the transactions of every batch that was open after this one began.

    Only an authorisation is gone on with in a later batch; what belongs to a sale (tips,
    adjustments) lies in its own.
    """
    if original.begun.intent.kind is not Kind.PREAUTH:
        return list(await journal.transactions(original.key.batch))
    found = list(await journal.transactions())
    for closed in await journal.batches(NEWEST):
        if datetime.fromisoformat(str(closed["closed_at"])) < original.begun.intent.at:
            break
        number = closed["batch"]
        if isinstance(number, int):
            found += await journal.transactions(number)
    return found
