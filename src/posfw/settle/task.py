"""结算: freeze, wait for what is owed, exchange totals, compare record by record, close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from posfw.ports import Acquirer, BatchJournal, Clock, OwedJournal
from posfw.settle.totals import Difference, Totals, compare, totals
from posfw.values.errors import CodecError, RefusedError

__all__ = ["SettlementResult", "settle"]


@dataclass(frozen=True, slots=True)
class SettlementResult:
    """How a settlement ended; the batch is closed either way, differences go to a person."""

    batch: int
    next_batch: int
    ours: Totals
    balanced: bool
    differences: tuple[Difference, ...]


async def settle(
    journal: BatchJournal, acquirer: Acquirer, owed: OwedJournal, clock: Clock
) -> SettlementResult:
    """Settle the open batch. Interrupted anywhere, a second call goes on: the batch is frozen.

    Raises:
        RefusedError: something is still owed to the acquirer, or it refused the settlement.
        LinkError: the acquirer did not answer.
    """
    # Asked before the batch is frozen: a settlement that cannot go through must not stop selling.
    await _nothing_owed(owed)
    batch = await journal.freeze(clock.now())
    await _nothing_owed(owed)
    transactions = await journal.transactions(batch)
    ours = totals(transactions)
    answer = await acquirer.call("settle", {"batch": batch, **asdict(ours)})
    if answer.get("response_code") != "00":
        raise RefusedError(
            f"The acquirer refused the settlement: {answer.get('response_code')}.",
            code="SET-122",
            next_step="Call the acquirer; the batch stays frozen until it settles.",
        )
    differences = compare(transactions, _records(answer.get("records")))
    same = all(answer.get(name) == value for name, value in asdict(ours).items())
    balanced = answer.get("result") == 1 and same and not differences
    body = {
        "balanced": balanced,
        **asdict(ours),
        "differences": [[d.stan, d.ours_minor, d.theirs_minor] for d in differences],
    }
    following = await journal.close(batch, body, clock.now())
    return SettlementResult(batch, following, ours, balanced, differences)


async def _nothing_owed(owed: OwedJournal) -> None:
    if await owed.owed(1):
        raise RefusedError(
            "Messages are still owed to the acquirer.",
            code="SET-120",
            next_step="Wait until the line is up, then settle again.",
        )


def _records(value: object) -> Sequence[Sequence[int]]:
    """Check the acquirer's records: [STAN, amount, direction] each."""
    rows = value if isinstance(value, (list, tuple)) else None
    if rows is None or not all(
        isinstance(row, (list, tuple))
        and len(row) == 3
        and all(type(cell) is int for cell in row)
        and row[2] in (1, -1)
        for row in rows
    ):
        raise CodecError("The acquirer's records have another form.")
    return rows
