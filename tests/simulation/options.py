"""From a seed to a shop: what is sold, and which faults are switched on at which rates.

Swarm testing: a seed leaves about half of the faults out, so that some runs have only a few, often
(Groce et al., "Swarm testing", ISSTA 2012).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

__all__ = ["FAULTS", "Options"]

# Fault -> lowest and highest rate. First per message on the line, then times a day, then per act.
_PER_MESSAGE: Final = {
    "request_lost": (0.005, 0.1),
    "answer_lost": (0.005, 0.1),
    "delayed": (0.01, 0.1),
    "doubled": (0.01, 0.2),
    "reordered": (0.02, 0.5),
    "frame_cut": (0.002, 0.03),
    "bad_mac": (0.005, 0.05),
}
_A_DAY: Final = {
    "line_down": (1, 8),
    "power_cut": (1, 10),
    "cut_in_write": (1, 6),
    "cut_in_print": (1, 6),
    "process_killed": (1, 6),
    "disk_error": (0.5, 2),
    "disk_full": (0.5, 2),
    "sync_failed": (0.5, 2),
    "clock_jump": (0.5, 4),
    "stall": (1, 20),
    "paper_out": (1, 6),
    "cover_open": (1, 6),
    "printer_off": (1, 6),
    "printer_unplugged": (1, 6),
    "head_hot": (1, 4),
    "reader_unplugged": (1, 6),
}
_PER_ACT: Final = {
    "pressed_twice": (0.02, 0.2),
    "walked_away": (0.02, 0.1),
    "client_gone": (0.02, 0.2),
    "bad_swipe": (0.02, 0.2),
    "printed_again": (0.02, 0.1),
    "settled_twice": (0.2, 1.0),
}
FAULTS: Final = (*_PER_MESSAGE, *_A_DAY, *_PER_ACT)


@dataclass(frozen=True, slots=True)
class Options:
    """One seed's shop.

    Attributes:
        seed: draws everything.
        days: virtual days until the world is healed.
        sales_a_day: how many customers come on average.
        opens_h: local hour at which the run begins.
        void_share, refund_share, keyed_share: of the acts.
        late_s: how late timers come at most.
        disk_s: how long the slowest storage call takes.
        heartbeat_s: of the line.
        paper_out: what the printer does with its buffer when paper ends.
        keep_batches: closed batches that are not archived.
        rates: the faults that are switched on.
    """

    seed: int
    days: float
    sales_a_day: int
    opens_h: int
    void_share: float
    refund_share: float
    keyed_share: float
    late_s: float
    disk_s: float
    heartbeat_s: float
    paper_out: str
    keep_batches: int
    rates: Mapping[str, float]

    def rate(self, fault: str) -> float:
        """Return a fault's rate, 0 where it is switched off."""
        return self.rates.get(fault, 0.0)

    def described(self) -> str:
        """Return the option set as one line."""
        on = " ".join(f"{name}={rate:.3g}" for name, rate in self.rates.items())
        return (
            f"seed={self.seed} days={self.days:g} sales_a_day={self.sales_a_day}"
            f" opens_h={self.opens_h} void={self.void_share:.2f} refund={self.refund_share:.2f}"
            f" keyed={self.keyed_share:.2f} late_s={self.late_s:.3g} disk_s={self.disk_s:.3g}"
            f" heartbeat_s={self.heartbeat_s:g} paper_out={self.paper_out}"
            f" keep_batches={self.keep_batches};"
            f" faults: {on or 'none'}"
        )

    @classmethod
    def of(cls, seed: int, days: float) -> Options:
        """Expand a seed."""
        chance = Random(f"options {seed}")
        share = chance.choice((0.2, 0.5, 0.5, 0.8))
        rates = {
            name: chance.uniform(low, high)
            for table in (_PER_MESSAGE, _A_DAY, _PER_ACT)
            for name, (low, high) in table.items()
            if chance.random() < share
        }
        return cls(
            seed=seed,
            days=days,
            sales_a_day=chance.choice((20, 20, 40, 40, 40, 60, 60, 60, 60, 120, 120, 240)),
            opens_h=chance.randrange(24),
            void_share=chance.choice((0.0, 0.05, 0.2)),
            refund_share=chance.choice((0.0, 0.05, 0.2)),
            keyed_share=chance.choice((0.0, 0.1, 0.5)),
            late_s=chance.choice((0.0, 0.002, 0.05)),
            disk_s=chance.choice((0.003, 0.02, 0.5)),
            heartbeat_s=chance.choice((60.0, 300.0, 300.0, 900.0)),
            paper_out=chance.choice(("keeps", "loses", "unsure")),
            keep_batches=chance.choice((0, 1, 2)),
            rates=rates,
        )
