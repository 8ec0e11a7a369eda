"""When the day is settled: a fixed local time with warning, window and a run made up at boot.

All comparisons are of wall-clock readings as people and records have them. So a repeated hour
(clocks set back) does not settle twice, a skipped hour settles right after it, and a terminal that
was off at the time settles when it is on again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from posfw.values.errors import RefusedError
from posfw.values.transaction import Standing

__all__ = [
    "Escalation",
    "Level",
    "Notice",
    "Phase",
    "Plan",
    "Schedule",
    "agrees",
    "check_clock",
    "notices",
]


class Phase(StrEnum):
    """Where the day stands."""

    WAIT = "wait"
    WARN = "warn"  # soon: finish the queue at the till
    DUE = "due"
    MISSED = "missed"  # past the window: done at once, and told as late


@dataclass(frozen=True, slots=True)
class Plan:
    """What the schedule says now; `at` is the wall time of the run that it speaks of."""

    phase: Phase
    at: datetime

    @property
    def runs(self) -> bool:
        """Whether to settle now."""
        return self.phase in (Phase.DUE, Phase.MISSED)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The daily settlement (S30).

    Attributes:
        at: local time.
        warn_min: minutes of warning before it.
        window_min: minutes after it in which a run still counts as in time.
    """

    at: time = time(23, 0)
    warn_min: int = 15
    window_min: int = 60

    def plan(self, opened_at: datetime, now: datetime) -> Plan:
        """Return what to do about the batch opened at `opened_at`; both with zone."""
        wall, opened = now.replace(tzinfo=None), opened_at.replace(tzinfo=None)
        today = datetime.combine(wall.date(), self.at)
        last = today if today <= wall else today - timedelta(days=1)
        if opened < last:
            in_time = wall - last <= timedelta(minutes=self.window_min)
            return Plan(Phase.DUE if in_time else Phase.MISSED, last)
        following = last + timedelta(days=1)
        warned = following - wall <= timedelta(minutes=self.warn_min)
        return Plan(Phase.WARN if warned else Phase.WAIT, following)

    def sleep_s(self, plan: Plan, now: datetime) -> float:
        """Return the seconds until the phase can change, ten minutes at most.

        Never long enough to sleep over a clock that somebody sets.
        """
        wall = now.replace(tzinfo=None)
        warning = plan.at - timedelta(minutes=self.warn_min)
        nearest = min((t for t in (warning, plan.at) if t > wall), default=wall)
        return max(1.0, min(600.0, (nearest - wall).total_seconds()))


class Level(StrEnum):
    """How loud: a warning, or no new sale."""

    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Notice:
    """One reason to settle, and how urgent it is."""

    level: Level
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Escalation:
    """Warn, then refuse new sales (S29), by age, count and amount of the open batch."""

    warn_age_h: float = 20.0
    refuse_age_h: float = 26.0
    warn_count: int = 450
    refuse_count: int = 500
    warn_minor: int = 50_000_000
    refuse_minor: int = 100_000_000


def notices(
    rules: Escalation, standing: Standing, debit_minor: int, now: datetime
) -> Sequence[Notice]:
    """Return what is to be said about the open batch, refusals first."""
    opened = standing.batch_opened_at
    age_h = 0.0
    if opened is not None and standing.records:
        age_h = (now - opened).total_seconds() / 3600
    measured = (
        ("SET-104", "The batch is {0:.0f} h old.", age_h, rules.warn_age_h, rules.refuse_age_h),
        (
            "SET-103",
            "The batch holds {0:.0f} records.",
            float(standing.records),
            float(rules.warn_count),
            float(rules.refuse_count),
        ),
        (
            "SET-105",
            "The batch's sum has reached {0:.0f} minor units.",
            float(debit_minor),
            float(rules.warn_minor),
            float(rules.refuse_minor),
        ),
    )
    found = [
        Notice(Level.REFUSE if value >= refuse else Level.WARN, code, text.format(value))
        for code, text, value, warn, refuse in measured
        if value >= min(warn, refuse)  # a refusal set below its warning still refuses
    ]
    return sorted(found, key=lambda notice: notice.level is not Level.REFUSE)


def check_clock(
    now: datetime, batch_opened_at: datetime | None, newest_at: datetime | None
) -> None:
    """Refuse a settlement under a clock that is behind the batch's own records.

    Raises:
        RefusedError: the clock is wrong; the totals would carry a wrong date.
    """
    for known in (batch_opened_at, newest_at):
        # Two minutes: the host's time may have set the clock back a little since.
        if known is not None and now < known - timedelta(minutes=2):
            raise RefusedError(
                f"The clock says {now:%Y-%m-%d %H:%M}, the batch has records of"
                f" {known:%Y-%m-%d %H:%M}.",
                code="SET-126",
                next_step="Set the clock, or sign on: the acquirer tells the time.",
            )


def agrees(now: datetime, host_time: str) -> bool:
    """Whether the clock shows what the acquirer's does, a quarter of an hour apart at most.

    Args:
        now: local time.
        host_time: YYYYMMDDhhmmss, the acquirer's local time; anything else agrees with nothing.
    """
    try:
        told = datetime.strptime(host_time, "%Y%m%d%H%M%S")  # noqa: DTZ007 - local, as `now` is shown
    except ValueError:
        return False
    return abs(now.replace(tzinfo=None) - told) <= timedelta(minutes=15)
