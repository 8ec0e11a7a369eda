"""The simulated acquirer's own books: what it has passed on, totalled by its own code.

Nothing here is shared with the terminal or the bank: three sets of books are compared at the end
of a day. It is a list of movements that only grows; a reversal is a movement too.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Disagreement", "Ledger"]

Place = tuple[str, int, int]  # terminal, batch, STAN

# +1 the card pays, -1 the card is paid. What is not named moves no money.
_SIGN = {
    "sale": 1, "completion": 1, "completion_advice": 1, "offline_sale": 1, "adjust": 1, "tip": 1,
    "instalment": 1, "qr_sale": 1,
    "void": -1, "adjust_down": -1, "refund": -1, "completion_void": -1, "instalment_void": -1,
    "qr_void": -1, "qr_refund": -1,
}  # fmt: skip


class Disagreement(StrEnum):
    """What the acquirer gets wrong at settlement when it is told to."""

    NONE = ""
    MISSING = "missing"  # it lacks the batch's first record
    EXTRA = "extra"  # it has one that the terminal never made
    AMOUNT = "amount"  # the first record has another amount


@dataclass(slots=True)
class Ledger:
    """Movements by place, what terminals uploaded, and how it disagrees.

    Attributes:
        movements: (place, signed minor units), in the order in which they happened.
        uploads: records of batch uploads by (terminal, batch) and STAN.
        vouchers: what terminals sent about single transactions (TC, script result), by place.
        disagreement: what it gets wrong.
    """

    movements: list[tuple[Place, int]] = field(default_factory=list)
    uploads: dict[tuple[str, int], dict[int, list[Any]]] = field(default_factory=dict)
    vouchers: dict[Place, list[str]] = field(default_factory=dict)
    disagreement: Disagreement = Disagreement.NONE
    _booked: set[Place] = field(default_factory=set)

    def move(self, place: Place, kind: str, minor: int) -> None:
        """Book an approved transaction; a place is booked once."""
        if place not in self._booked:
            self._booked.add(place)
            self.movements.append((place, _SIGN.get(kind, 0) * minor))

    def undo(self, place: Place) -> None:
        """Book the opposite of whatever is booked for a place."""
        left = sum(minor for booked, minor in self.movements if booked == place)
        if left:
            self.movements.append((place, -left))

    def records(self, terminal: str, batch: int) -> list[list[int]]:
        """Return [STAN, amount, direction] as the acquirer believes it, by STAN."""
        left: dict[int, int] = defaultdict(int)
        for (owner, number, stan), minor in self.movements:
            if (owner, number) == (terminal, batch):
                left[stan] += minor
        rows = [[stan, abs(sum_), 1 if sum_ > 0 else -1] for stan, sum_ in left.items() if sum_]
        return self._disagree(sorted(rows))

    def totals(self, terminal: str, batch: int) -> dict[str, int]:
        """Return counts and sums of both directions over `records`."""
        rows = self.records(terminal, batch)
        paid = [minor for _, minor, direction in rows if direction > 0]
        given = [minor for _, minor, direction in rows if direction < 0]
        return {
            "debit_count": len(paid),
            "debit_minor": sum(paid),
            "credit_count": len(given),
            "credit_minor": sum(given),
        }

    def upload(self, terminal: str, batch: int, rows: list[Any]) -> int:
        """Keep uploaded records; a repeat replaces itself. Return how many there are now."""
        kept = self.uploads.setdefault((terminal, batch), {})
        for row in rows:
            kept[row[0]] = row
        return len(kept)

    def unlike(self, terminal: str, batch: int) -> list[int]:
        """Return the STANs where the uploaded records differ from these books."""
        theirs = {
            row[0]: list(row[1:3]) for row in self.uploads.get((terminal, batch), {}).values()
        }
        ours = {
            stan: [minor, direction] for stan, minor, direction in self.records(terminal, batch)
        }
        return sorted(s for s in ours.keys() | theirs.keys() if ours.get(s) != theirs.get(s))

    def _disagree(self, rows: list[list[int]]) -> list[list[int]]:
        match self.disagreement:
            case Disagreement.MISSING:
                return rows[1:]
            case Disagreement.EXTRA:
                return [*rows, [max((row[0] for row in rows), default=0) + 1, 100, 1]]
            case Disagreement.AMOUNT if rows:
                stan, minor, direction = rows[0]
                return [[stan, minor + 1, direction], *rows[1:]]
        return rows
