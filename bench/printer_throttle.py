"""The throttle's claims: lines per minute under sustained load, on virtual time.

Head, from published figures: stop above 80 C, resume below 60 C (EC-PM-80320 service manual p20);
384 dots, 0.125 mm rows, 60 mm/s, tau 45 s and the gain of `PrinterProfile`'s defaults. Streams:
the nine cells of the duty table (HP receipt printer guide p20): coverage 20, 40 and 100 % at 25,
35 and 50 C ambient, slips of 100 mm without a pause. The first
5 minutes warm up and are not counted, the next 15 are.

Both rules read the same ideal thermometer four times a second: without a lag the other controller
overshoots least, so this is its best case. The figures are geometric means over the nine streams,
so no stream weighs more because it is faster; the plain sum is in the note.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import geometric_mean

from bench.claim import Claim
from posfw.printer.strip import Strip
from posfw.printer.throttle import Go, Start, Throttle, Wait
from posfw.sim.head import HeadSim
from posfw.sim.heat import Job, Rule, Throttled, VirtualClock, run
from posfw.values.hardware import PrinterProfile, ThermalProfile

WARM_S = 5 * 60
SECONDS = 15 * 60
ROWS = 800
STOP_C, RESUME_C = 80.0, 60.0
AMBIENTS_C = (25.0, 35.0, 50.0)
COVERAGES = (0.20, 0.40, 1.00)
CASES = tuple(itertools.product(AMBIENTS_C, COVERAGES))


THERMAL = ThermalProfile(stop_c=STOP_C, resume_c=RESUME_C, max_c=85.0)
BOARD = replace(PrinterProfile(), thermal=THERMAL)
RuleOf = Callable[[HeadSim], Rule]


@dataclass(slots=True)
class StopResume:
    """The usual controller: full speed until 80 C, nothing until 60 C."""

    rows_per_s: float
    head_c: float = 25.0
    stopped: bool = False
    ready_at: float = 0.0

    def observed(self, taken_c: float | None, now: float) -> None:
        del now
        if taken_c is None:
            return
        self.head_c = taken_c
        self.stopped = taken_c > STOP_C or (self.stopped and taken_c >= RESUME_C)

    def admit(self, rows: int, dots: int, now: float) -> Start | Wait:
        del rows, dots, now
        return Start(1.0)

    def ask(self, strip: Strip, now: float) -> Go | Wait:
        del strip
        if self.stopped:
            return Wait(now + 1.0, "PRN-201")
        return Wait(self.ready_at) if now < self.ready_at else Go(now + 1)

    def fired(self, strip: Strip, now: float, stretch: float) -> None:
        del stretch
        self.ready_at = max(now, self.ready_at) + strip.rows / self.rows_per_s

    def shown(self, now: float) -> tuple[float, str]:
        del now
        return self.head_c, "stop" if self.stopped else "normal"


@dataclass(slots=True)
class Optimum:
    """The best schedule: knows the head exactly and fires as soon as it stays at or below 80 C.

    Firing earlier never makes a later strip wait longer: the hotter head gives off more
    (tests/bench/test_printer_throttle.py compares it with exhaustive search).
    """

    head: HeadSim
    rows_per_s: float
    ready_at: float = 0.0

    def observed(self, taken_c: float | None, now: float) -> None:
        del taken_c, now

    def admit(self, rows: int, dots: int, now: float) -> Start | Wait:
        del rows, dots, now
        return Start(1.0)

    def ask(self, strip: Strip, now: float) -> Go | Wait:
        if now < self.ready_at:
            return Wait(self.ready_at)
        from_c = self.head.settle()
        below_c = STOP_C - self.head.rise_c_per_kdot * strip.dots / 1000
        if from_c <= below_c:
            return Go(now + 1)
        around_c = self.head.ambient_c
        return Wait(now + self.head.tau_s * math.log((from_c - around_c) / (below_c - around_c)))

    def fired(self, strip: Strip, now: float, stretch: float) -> None:
        del stretch
        self.ready_at = max(now, self.ready_at) + strip.rows / self.rows_per_s

    def shown(self, now: float) -> tuple[float, str]:
        del now
        return self.head.body_c, "normal"


def measure(case: tuple[float, float], rule_of: RuleOf) -> tuple[float, float]:
    """Return the lines per minute of one stream and the head's true peak."""
    ambient_c, coverage = case
    clock = VirtualClock()
    head = HeadSim.like(THERMAL, clock, ambient_c=ambient_c, lag_s=0.0)
    rule = rule_of(head)
    jobs = itertools.repeat(Job(ROWS, coverage))
    run(rule, head, clock, jobs, seconds=WARM_S)
    trace = run(rule, head, clock, jobs, seconds=SECONDS)
    return trace.rows * 60 / SECONDS, head.peak_c


def ours(head: HeadSim) -> Rule:
    """Return the product's throttle with both sensors."""
    return Throttled(Throttle.begin(BOARD, 0.0, sensor=True, ambient_c=head.ambient_c))


def blind(head: HeadSim) -> Rule:
    """Return the product's throttle without a head sensor: model and budget only."""
    return Throttled(Throttle.begin(BOARD, 0.0, sensor=False, ambient_c=head.ambient_c))


def controller(head: HeadSim) -> Rule:
    del head
    return StopResume(BOARD.max_speed_mm_s / BOARD.line_mm)


def optimum(head: HeadSim) -> Rule:
    return Optimum(head, BOARD.max_speed_mm_s / BOARD.line_mm)


@cache
def streams(rule_of: RuleOf) -> tuple[tuple[float, float], ...]:
    """Return (lines per minute, true peak) of every stream."""
    return tuple(measure(case, rule_of) for case in CASES)


def _claim(mine: Sequence[float], other: Sequence[float], limit: float, note: str) -> Claim:
    each = [m / o for m, o in zip(mine, other, strict=True)]
    return Claim(
        geometric_mean(mine),
        geometric_mean(other),
        "lines/min",
        limit,
        f"9 streams, ratios {min(each):.2f} to {max(each):.2f}, of the sums"
        f" {sum(mine) / sum(other):.2f}; {note}",
        higher_is_better=True,
    )


def throttle_controller() -> Claim:
    """Lines per minute against stop-80/resume-60, never with a higher peak.

    Raises:
        AssertionError: a head got hotter than under the other controller.
    """
    mine, theirs = streams(ours), streams(controller)
    hotter = [c for c, m, t in zip(CASES, mine, theirs, strict=True) if m[1] > t[1]]
    if hotter:
        raise AssertionError(f"hotter than the controller in {hotter}")
    peaks = f"peak {max(m[1] for m in mine):.1f} C, theirs {max(t[1] for t in theirs):.1f} C"
    return _claim([m[0] for m in mine], [t[0] for t in theirs], 1.3, peaks)


def throttle_optimum() -> Claim:
    """Lines per minute against the best possible schedule of the same head."""
    best = [b[0] for b in streams(optimum)]
    unseen = geometric_mean([u[0] for u in streams(blind)]) / geometric_mean(best)
    note = f"without a head sensor {unseen:.2f} (20 % spread taken for granted, dot budget)"
    return _claim([m[0] for m in streams(ours)], best, 0.95, note)


CLAIMS = {"throttle_controller": throttle_controller, "throttle_optimum": throttle_optimum}
