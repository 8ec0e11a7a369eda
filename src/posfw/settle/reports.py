"""X and Z: what a batch holds, by currency, kind and operator. X looks, Z is of a closed batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from posfw.values.transaction import State, Transaction

__all__ = ["Line", "Report", "report"]

_FAILED = (State.DECLINED, State.CANCELLED, State.REVERSED, State.CLEARED)


@dataclass(frozen=True, slots=True)
class Line:
    """Count and sum of what counts, of one currency under one heading."""

    currency: str
    heading: str
    count: int
    minor: int  # credits are negative


@dataclass(frozen=True, slots=True)
class Report:
    """A batch in figures.

    Attributes:
        letter: X for the open batch, Z for a closed one.
        kinds: by currency and kind.
        operators: by currency and operator.
        states: transactions that do not count, by state.
        in_doubt: begun or reversing: the figures can still change.
        offline_open: approved offline, not yet acknowledged by the acquirer.
        tips_minor: tips inside the amounts, by currency code.
        vouchers: first and last STAN, (0, 0) for an empty batch.
    """

    letter: str
    batch: int
    opened_at: datetime | None
    closed_at: datetime | None
    kinds: tuple[Line, ...]
    operators: tuple[Line, ...]
    states: Mapping[str, int]
    in_doubt: int
    offline_open: int
    tips_minor: Mapping[str, int]
    vouchers: tuple[int, int]

    def body(self) -> dict[str, Any]:
        """Return it JSON-able."""
        return asdict(self) | {
            "opened_at": self.opened_at.isoformat() if self.opened_at else "",
            "closed_at": self.closed_at.isoformat() if self.closed_at else "",
            "kinds": [asdict(line) for line in self.kinds],
            "operators": [asdict(line) for line in self.operators],
            "vouchers": list(self.vouchers),
        }


def report(
    batch: int,
    transactions: Iterable[Transaction],
    *,
    opened_at: datetime | None = None,
    closed_at: datetime | None = None,
) -> Report:
    """Return the report of a batch; closed_at makes it a Z."""
    every = list(transactions)
    counted = [t for t in every if t.counts]
    stans = [t.key.stan for t in every]
    tips: dict[str, int] = {}
    for transaction in counted:
        tip = transaction.begun.intent.tip
        if tip is not None:
            tips[tip.currency.code] = tips.get(tip.currency.code, 0) + tip.minor
    return Report(
        letter="Z" if closed_at else "X",
        batch=batch,
        opened_at=opened_at,
        closed_at=closed_at,
        kinds=_lines(counted, lambda t: t.begun.intent.kind.value),
        operators=_lines(counted, lambda t: t.begun.intent.operator),
        states={
            state.value: count
            for state in _FAILED
            if (count := sum(t.state is state for t in every))
        },
        in_doubt=sum(not t.state.final for t in every),
        offline_open=sum(t.offline and not t.acknowledged for t in counted),
        tips_minor=tips,
        vouchers=(stans[0], stans[-1]) if stans else (0, 0),
    )


def _lines(
    counted: Sequence[Transaction], heading: Callable[[Transaction], str]
) -> tuple[Line, ...]:
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for transaction in counted:
        intent = transaction.begun.intent
        place = (intent.amount.currency.code, heading(transaction))
        count, minor = sums.get(place, (0, 0))
        sums[place] = (count + 1, minor + intent.amount.minor * intent.kind.direction)
    return tuple(Line(*place, *figures) for place, figures in sorted(sums.items()))
