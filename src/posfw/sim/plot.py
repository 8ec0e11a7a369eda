"""A picture of a day at a print head: temperature, duty, zones and pauses."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from PIL import Image, ImageDraw

from posfw.printer.throttle import Throttle
from posfw.sim.head import HeadSim
from posfw.sim.heat import Job, Sample, Throttled, Trace, VirtualClock, run
from posfw.values.hardware import PrinterProfile

__all__ = ["Day", "draw", "simulated_day"]

HOURS = 10
SAMPLE_S = 5.0
RECEIPT_MM = 100
# Two rushes, at noon and in the evening: mean pause between two sales in seconds, by hour.
PAUSES_S = (90, 60, 45, 12, 2, 20, 60, 45, 6, 3)
LOGO_PART = 0.3  # of the slips carry a logo and codes, 30 % black instead of 12 %

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, DUTY_H = 1200, 640, 60, 30, 40, 120
PAPER, INK, GRID = (255, 255, 255), (40, 40, 40), (220, 220, 220)
TRUE, RULING, DUTY = (200, 60, 30), (60, 90, 180), (90, 140, 90)
Scale: TypeAlias = Callable[[float], float]
ZONES = {"normal": (255, 255, 255), "slow": (255, 246, 214), "stop": (255, 220, 214)}


@dataclass(frozen=True, slots=True)
class Day:
    """A simulated day and how it ended."""

    trace: Trace
    profile: PrinterProfile
    peak_c: float
    stops: int

    @property
    def paused_s(self) -> float:
        """Seconds in the stop zone, by samples."""
        return sum(SAMPLE_S for s in self.trace.samples if s.zone == "stop" and not s.reason)


def simulated_day(
    profile: PrinterProfile, *, ambient_c: float, seed: int, sensor: bool, hours: float = HOURS
) -> Day:
    """Print a day of two-copy receipts; it gets ten degrees warmer until the afternoon.

    Args:
        profile: the mechanism; the simulated head is exactly its model.
        ambient_c: in the morning.
        seed: same seed, same day.
        sensor: whether the head has one.
        hours: how much of the day.
    """
    clock = VirtualClock()
    head = HeadSim.like(profile.thermal, clock, ambient_c=ambient_c)
    rule = Throttled(Throttle.begin(profile, 0.0, sensor=sensor, ambient_c=ambient_c))

    def warm(now: float, sim: HeadSim) -> None:
        sim.settle()
        sim.ambient_c = ambient_c + 10 * math.sin(min(now / 3600 / HOURS, 1.0) * math.pi)
        rule.state = rule.state.surrounded(sim.ambient_c)

    trace = run(
        rule,
        head,
        clock,
        _sales(random.Random(seed), profile, clock),
        seconds=hours * 3600,
        width_dots=profile.dots,
        period_s=1.0,
        sample_s=SAMPLE_S,
        watch=warm,
    )
    return Day(trace, profile, head.peak_c, rule.state.stops)


def _sales(chance: random.Random, profile: PrinterProfile, clock: VirtualClock) -> Iterator[Job]:
    rows = round(RECEIPT_MM / profile.line_mm)
    while True:
        hour = min(int(clock.now // 3600), HOURS - 1)
        coverage = 0.30 if chance.random() < LOGO_PART else 0.12
        yield Job(rows, coverage, chance.expovariate(1 / PAUSES_S[hour]))
        yield Job(rows, coverage)


def draw(day: Day) -> Image.Image:
    """Draw a day."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(picture)
    samples = [s for s in day.trace.samples if not s.reason]
    limits = day.profile.thermal
    low_c, high_c = 10.0, limits.max_c + 5
    floor = HEIGHT - BOTTOM - DUTY_H

    def x_of(at: float) -> float:
        return LEFT + (WIDTH - LEFT - 20) * at / (HOURS * 3600)

    def y_of(c: float) -> float:
        return floor - (floor - TOP) * (c - low_c) / (high_c - low_c)

    for now, then in pairwise(samples):
        box = (x_of(now.at), TOP, x_of(then.at), floor)
        pen.rectangle(box, fill=ZONES[now.zone])
    _grid(pen, x_of, y_of, floor)
    marks = (("stop", limits.stop_c), ("resume", limits.resume_c), ("slow", limits.slow_c))
    for step, (name, c) in enumerate(marks):
        pen.line((LEFT, y_of(c), WIDTH - 20, y_of(c)), fill=(150, 150, 150))
        pen.text((LEFT + 4 + step * 90, y_of(c) - 12), f"{name} {c:g} C", fill=INK)
    pen.line([(x_of(s.at), y_of(s.ruling_c)) for s in samples], fill=RULING, width=1)
    pen.line([(x_of(s.at), y_of(s.true_c)) for s in samples], fill=TRUE, width=1)
    _duty(pen, samples, day.profile, x_of)
    title = (
        f"true (red) and ruling (blue) head temperature; slips {day.trace.jobs},"
        f" peak {day.peak_c:.1f} C, stops {day.stops}, paused {day.paused_s:.0f} s"
    )
    pen.text((LEFT, 10), title, fill=INK)
    return picture


def _grid(pen: ImageDraw.ImageDraw, x_of: Scale, y_of: Scale, floor: float) -> None:
    for hour in range(HOURS + 1):
        x = x_of(hour * 3600)
        pen.line((x, TOP, x, HEIGHT - BOTTOM), fill=GRID)
        pen.text((x - 6, HEIGHT - BOTTOM + 6), f"{hour} h", fill=INK)
    for c in range(20, 90, 10):
        pen.text((LEFT - 40, y_of(c) - 6), f"{c} C", fill=INK)
        pen.line((LEFT, y_of(c), LEFT + 4, y_of(c)), fill=INK)
    pen.line((LEFT, floor, WIDTH - 20, floor), fill=INK)


def _duty(
    pen: ImageDraw.ImageDraw, samples: list[Sample], profile: PrinterProfile, x_of: Scale
) -> None:
    """Draw the share of each minute in which paper moved."""
    foot = HEIGHT - BOTTOM
    full = profile.max_speed_mm_s / profile.line_mm
    step = round(60 / SAMPLE_S)
    for first, last in zip(samples[::step], samples[step::step], strict=False):
        seconds = last.at - first.at
        part = min((last.rows - first.rows) / full / seconds, 1.0) if seconds else 0.0
        top = foot - part * (DUTY_H - 20)
        pen.rectangle((x_of(first.at), top, x_of(last.at), foot), fill=DUTY)
    pen.text((LEFT + 4, foot - DUTY_H + 6), "duty: paper moving, part of each minute", fill=INK)
