"""结算: freeze, wait for what is owed, exchange totals, compare record by record, close."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import anyio

from posfw.ports import Acquirer, BatchJournal, Clock, OwedJournal
from posfw.settle.refusals import Course, course
from posfw.settle.schedule import Plan, agrees, check_clock
from posfw.settle.totals import Difference, Totals, compare, totals
from posfw.values.errors import CodecError, LinkError, RefusedError
from posfw.values.transaction import Transaction

__all__ = ["SettlementResult", "keep_time", "settle"]

# A message holds 16 KiB; a record takes 16 bytes at most (STAN 5, amount 9, direction and head 1).
UPLOAD_RECORDS = 500
RETRY_S = 300.0  # after a settlement that did not go through


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

    Only while it is unknown whether the bank has closed the batch does it stay frozen; a clear
    refusal opens it again, so that selling goes on.

    Raises:
        RefusedError: something is still owed to the acquirer, the clock is wrong, or the acquirer
            refused the settlement.
        LinkError: the acquirer did not answer.
    """
    # Asked before the batch is frozen: a settlement that cannot go through must not stop selling.
    await _nothing_owed(owed)
    await _check_clock(await journal.transactions(), acquirer, clock)
    batch = await journal.freeze(clock.now())
    await _nothing_owed(owed)
    transactions = await journal.transactions(batch)
    ours = totals(transactions)
    answer = await acquirer.call("settle", {"batch": batch, **asdict(ours)})
    way = course(answer.get("response_code"))
    if way is Course.REOPEN:
        await _reopen(journal, batch, str(answer.get("response_code")), clock)
    same = way is Course.FETCH or (answer.get("result") == 1 and _same(ours, answer))
    records: Sequence[Sequence[int]] | None
    if way is Course.GO_ON and same:
        records = _records(answer.get("records"))
    else:
        records = await _exchange_records(acquirer, batch, transactions, answer.get("records"))
    differences = () if records is None else compare(transactions, records)
    balanced = same and records is not None and not differences
    body = {
        "balanced": balanced,
        "compared": records is not None,
        **asdict(ours),
        "differences": [[d.stan, d.ours_minor, d.theirs_minor] for d in differences],
    }
    following = await journal.close(batch, body, clock.now())
    return SettlementResult(batch, following, ours, balanced, differences)


async def keep_time(
    look: Callable[[], Awaitable[tuple[Plan, float]]],
    run: Callable[[Plan], Awaitable[object]],
    tell: Callable[[Plan, str], None],
) -> None:
    """Settle when the plan says so, until cancelled; a try that fails is repeated.

    Args:
        look: returns the plan and for how many seconds it cannot change.
        run: settles.
        tell: shows the phase, and why a try did not go through.
    """
    while True:
        plan, wait_s = await look()
        tell(plan, "")
        if plan.runs:
            try:
                await run(plan)
                continue
            except (RefusedError, LinkError) as error:
                tell(plan, str(error))
                wait_s = RETRY_S
        await anyio.sleep(wait_s)


async def _reopen(journal: BatchJournal, batch: int, code: str, clock: Clock) -> None:
    await journal.thaw(batch, code, clock.now())
    raise RefusedError(
        f"The acquirer refused the settlement: {code}.",
        code="SET-122",
        effect="The batch is open again: selling goes on.",
        next_step="Settle again later; if it stays, call the acquirer.",
    )


async def _exchange_records(
    acquirer: Acquirer, batch: int, transactions: Sequence[Transaction], told: object
) -> Sequence[Sequence[int]] | None:
    """Upload our records (批上送) and return the bank's: newly told, else `told`, else None.

    A refusal here must not stop selling: the bank has closed the batch, ours closes unbalanced.
    """
    ours = [
        [t.key.stan, t.begun.intent.amount.minor, t.begun.intent.kind.direction]
        for t in transactions
        if t.counts
    ]
    for first in range(0, max(1, len(ours)), UPLOAD_RECORDS):
        part = ours[first : first + UPLOAD_RECORDS]
        last = first + UPLOAD_RECORDS >= len(ours)
        fields = {"batch": batch, "records": part, "count": len(ours), "last": last}
        answer = await acquirer.call("upload", fields)
        if course(answer.get("response_code")) is Course.REOPEN:
            break
        told = answer.get("records", told)
    return None if told is None else _records(told)


def _same(ours: Totals, answer: Mapping[str, object]) -> bool:
    return all(answer.get(name) == value for name, value in asdict(ours).items())


async def _check_clock(
    transactions: Sequence[Transaction], acquirer: Acquirer, clock: Clock
) -> None:
    newest = max((t.begun.intent.at for t in transactions), default=None)
    try:
        check_clock(clock.now(), None, newest)
    except RefusedError:
        # Sold under a clock that was ahead and is right again: without the acquirer's word no
        # settlement, and soon no sale, would go through for as long as it was ahead.
        if not agrees(clock.now(), await _host_time(acquirer)):
            raise


async def _host_time(acquirer: Acquirer) -> str:
    """Return the acquirer's local time, "" when it does not tell."""
    try:
        return str((await acquirer.call("echo", {})).get("host_time", ""))
    except LinkError:
        return ""


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
