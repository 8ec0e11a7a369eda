"""The frame: what a claim is and how a figure is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Claim:
    """One measured claim; `ratio` is ours over the other's.

    Attributes:
        limit: the most the ratio may be, or the least where `higher_is_better`.
    """

    ours: float
    other: float
    unit: str
    limit: float
    note: str
    higher_is_better: bool = False

    @property
    def ratio(self) -> float:
        """Ours over the other's."""
        return self.ours / self.other

    @property
    def holds(self) -> bool:
        """Whether the claim stands."""
        return self.ratio >= self.limit if self.higher_is_better else self.ratio <= self.limit

    def document(self) -> dict[str, object]:
        """Return the JSON form."""
        return asdict(self) | {"ratio": self.ratio, "holds": self.holds}


def best(run: Callable[[], float]) -> float:
    """Return the least of several rounds: noise only ever adds."""
    return min(run() for _ in range(ROUNDS))
