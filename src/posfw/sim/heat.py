"""Hours of printing in milliseconds: a rule, a simulated head, a stream of jobs, virtual time.

What `posfw printer plot` draws, `bench/printer_throttle.py` measures and the tests judge: the rule
sees the thermistor and what it is asked, the trace holds the true temperature.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from posfw.printer.strip import Strip
from posfw.printer.throttle import Go, Start, Throttle, Wait
from posfw.sim.head import HeadSim

__all__ = ["Job", "Rule", "Sample", "Throttled", "Trace", "run", "strips_of"]

STRIP_ROWS = 24
# Nothing moves time by less: two events closer than this are one.
TICK_S = 1e-4


@dataclass(frozen=True, slots=True)
class Job:
    """One slip to print: `rows` dot rows of which `coverage` is black, `gap_s` after the last."""

    rows: int
    coverage: float
    gap_s: float = 0.0


class Rule(Protocol):
    """Whatever decides when a strip is fired."""

    def observed(self, taken_c: float | None, now: float) -> None:
        """Take a sample of the thermistor."""

    def admit(self, rows: int, dots: int, now: float) -> Start | Wait:
        """Say whether a job may begin."""

    def ask(self, strip: Strip, now: float) -> Go | Wait:
        """Say whether a strip may be fired."""

    def fired(self, strip: Strip, now: float, stretch: float) -> None:
        """Take note of a strip that was fired."""

    def shown(self, now: float) -> tuple[float, str]:
        """Return the temperature and the zone it goes by."""


@dataclass(slots=True)
class Throttled:
    """The product's rule book as a Rule."""

    state: Throttle

    def observed(self, taken_c: float | None, now: float) -> None:
        """Take a sample of the thermistor."""
        self.state = self.state.observed(taken_c, now)

    def admit(self, rows: int, dots: int, now: float) -> Start | Wait:
        """Say whether a job may begin."""
        return self.state.admit(rows, dots, now)

    def ask(self, strip: Strip, now: float) -> Go | Wait:
        """Say whether a strip may be fired."""
        return self.state.ask(strip, now)

    def fired(self, strip: Strip, now: float, stretch: float) -> None:
        """Take note of a strip that was fired."""
        self.state = self.state.fired(strip, now, stretch=stretch)

    def shown(self, now: float) -> tuple[float, str]:
        """Return the temperature and the zone it goes by."""
        state = self.state.advanced(now)
        return state.head_c, state.zone.value


@dataclass(frozen=True, slots=True)
class Sample:
    """How it stood at one moment; `reason` is the code of the wait that began there, or ""."""

    at: float
    true_c: float
    ruling_c: float
    zone: str
    rows: int
    reason: str


@dataclass(slots=True)
class Trace:
    """What happened.

    Attributes:
        rows: dot rows fired, those of finished strips only.
        strips: (job, strip) in the order they were fired.
        samples: every `sample_s` and at every wait with a reason.
        seconds: how long it took.
    """

    rows: int = 0
    jobs: int = 0
    seconds: float = 0.0
    strips: list[tuple[int, int]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


@dataclass(slots=True)
class VirtualClock:
    """Seconds that pass when told to."""

    now: float = 0.0

    def __call__(self) -> float:
        """Return the time, as HeadSim's clock."""
        return self.now


def strips_of(job: Job, width_dots: int) -> list[Strip]:
    """Cut a job into strips with the job's coverage."""
    full, rest = divmod(job.rows, STRIP_ROWS)
    heights = [STRIP_ROWS] * full + ([rest] if rest else [])
    return [Strip(b"", rows, round(rows * width_dots * job.coverage)) for rows in heights]


@dataclass(slots=True)
class _Run:
    rule: Rule
    head: HeadSim
    clock: VirtualClock
    until: float
    period_s: float
    sample_s: float
    watch: Callable[[float, HeadSim], None] | None
    trace: Trace = field(default_factory=Trace)
    next_reading: float = 0.0
    next_sample: float = 0.0

    def pass_until(self, when: float) -> None:
        """Let time pass, at most to `when`, reading the thermistor on the way."""
        step = min(when, self.next_reading, self.until)
        self.clock.now = max(self.clock.now + TICK_S, step) if step < math.inf else self.until
        self.sense()

    def sense(self) -> None:
        now = self.clock.now
        if self.watch:
            self.watch(now, self.head)
        if now >= self.next_reading:
            self.rule.observed(self.head.reading(), now)
            self.next_reading = now + self.period_s
        if now >= self.next_sample:
            self.note("")
            self.next_sample = now + self.sample_s

    def note(self, reason: str) -> None:
        now = self.clock.now
        ruling_c, zone = self.rule.shown(now)
        sample = Sample(now, self.head.settle(), ruling_c, zone, self.trace.rows, reason)
        self.trace.samples.append(sample)

    def wait(self, refusal: Wait) -> None:
        if refusal.reason and self.sample_s < math.inf:
            self.note(refusal.reason)
        self.pass_until(max(refusal.until, self.clock.now + TICK_S))

    def begin(self, strips: list[Strip]) -> float | None:
        rows, dots = sum(s.rows for s in strips), sum(s.dots for s in strips)
        while self.clock.now < self.until:
            answer = self.rule.admit(rows, dots, self.clock.now)
            if isinstance(answer, Start):
                return answer.stretch
            self.wait(answer)
        return None

    def fire(self, strip: Strip, stretch: float) -> bool:
        while self.clock.now < self.until:
            answer = self.rule.ask(strip, self.clock.now)
            if isinstance(answer, Go):
                self.head.fire(strip.dots)
                self.rule.fired(strip, self.clock.now, stretch)
                return True
            self.wait(answer)
        return False


def run(
    rule: Rule,
    head: HeadSim,
    clock: VirtualClock,
    jobs: Iterable[Job],
    *,
    seconds: float,
    width_dots: int = 384,
    period_s: float = 0.25,
    sample_s: float = math.inf,
    watch: Callable[[float, HeadSim], None] | None = None,
) -> Trace:
    """Print jobs one after another until `seconds` have passed or none is left.

    Args:
        rule: decides.
        head: gets hot; its clock is `clock`.
        clock: virtual seconds.
        jobs: may be endless.
        seconds: end of the run.
        width_dots: of the mechanism.
        period_s: between samples of the thermistor.
        sample_s: between samples of the trace.
        watch: called with the time whenever it moved; may break the head's sensor.
    """
    state = _Run(rule, head, clock, clock.now + seconds, period_s, sample_s, watch)
    begun = state.next_reading = state.next_sample = clock.now
    state.sense()
    for number, job in enumerate(jobs):
        pause_until = clock.now + job.gap_s
        while clock.now < min(pause_until, state.until):
            state.pass_until(pause_until)
        strips = strips_of(job, width_dots)
        stretch = state.begin(strips)
        if stretch is None:
            break
        for at, strip in enumerate(strips):
            if not state.fire(strip, stretch):
                break
            state.trace.rows += strip.rows
            state.trace.strips.append((number, at))
        else:
            state.trace.jobs += 1
    state.trace.seconds = clock.now - begun
    return state.trace
