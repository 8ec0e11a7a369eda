"""The rule book of heat: may this strip be fired now, and if not, when. Pure.

Values in, values out: the task tells what was read and what was fired, and asks before every
strip. Rules, all of which must agree:

1. The higher of model and measurement rules. The model is fed by the dots really fired.
2. Zones with hysteresis (`_ZONES`): normal runs at full speed; slow fires at the rate that lets
   the head approach `stop_c - HELD_BELOW_C` and stay there, where it gives off the most heat;
   stop fires nothing until `resume_c`.
3. No strip is fired that would lift the head above that target.
4. Without a sensor nothing corrects the model: it takes heads 20 % off the profile for granted,
   begins at `stop_c`, and a budget of dots per minute by ambient temperature holds beside it.
5. A sensor that cannot be believed means hot: nothing is fired.
6. A permission is a lease of `LEASE_S`; who comes later asks again.
7. A job is looked at whole before it begins: it starts slowly rather than stopping in its middle.

What must change with it: docs/thermal.md, the cross-checks of `board.profile`, sim.head.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from posfw.printer.budget import Budget, duty_at
from posfw.printer.sensor import Sensor
from posfw.printer.strip import Strip
from posfw.printer.thermal import HeatModel
from posfw.values.hardware import PrinterProfile, ThermalProfile

__all__ = [
    "BUDGET_USED",
    "HEAD_HOT",
    "MARGIN_C",
    "TOO_COLD",
    "TOO_WARM_AROUND",
    "Go",
    "Start",
    "Throttle",
    "Wait",
    "Zone",
]

HEAD_HOT = "PRN-201"
TOO_COLD = "PRN-217"
BUDGET_USED = "PRN-218"
TOO_WARM_AROUND = "PRN-219"

# A head's dead-man: permission to heat ends by itself (boards page, section 4 point 7).
LEASE_S = 1.0
# By how much a head inside the tolerances may pass stop_c; shown by tests/printer/test_proof.py.
MARGIN_C = 5.0
# Held this much under the stop, so that holding does not trip it.
HELD_BELOW_C = 1.0
# Time constant of the approach as a part of tau: 5 s of 45 s, slow enough for a thermometer that
# lags by 1 or 2 s to be heard before the target is passed.
APPROACH = 1 / 9
SLOW_HYSTERESIS_C = 3.0
# Spread of heads and wiring that a model without a sensor has to expect, in gain and in tau.
UNSEEN = 1.2
# A printer buffers: strips may be handed over this much before the paper has come that far.
LEAD_S = 0.25
# How much slower than the mechanism a job may run before waiting first is better.
SLOWEST = 6.0
LONGEST_S = 30.0
BISECTIONS = 30


class Zone(StrEnum):
    """What the head's temperature allows."""

    NORMAL = "normal"
    SLOW = "slow"
    STOP = "stop"


# (zones it applies to, key of the limit, degrees below it, next zone): the first row that fits a
# zone and whose limit is reached decides.
_EVERY = frozenset(Zone)
_ZONES: tuple[tuple[frozenset[Zone], str, float, Zone], ...] = (
    (_EVERY, "stop_c", 0.0, Zone.STOP),
    (frozenset({Zone.STOP}), "resume_c", 0.0, Zone.STOP),
    (_EVERY, "slow_c", 0.0, Zone.SLOW),
    (frozenset({Zone.SLOW, Zone.STOP}), "slow_c", SLOW_HYSTERESIS_C, Zone.SLOW),
)


def next_zone(zone: Zone, head_c: float, limits: ThermalProfile) -> Zone:
    """Return the zone that follows at a temperature."""
    for zones, key, below_c, following in _ZONES:
        if zone in zones and head_c >= getattr(limits, key) - below_c:
            return following
    return Zone.NORMAL


@dataclass(frozen=True, slots=True)
class Go:
    """Fire now; the permission ends at `until` (monotonic seconds)."""

    until: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Do not fire. Ask again at `until` at the latest; infinite where no time can be told.

    Attributes:
        reason: a stable code, "" where only the paper is still moving or the pace holds back.
    """

    until: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """The job may begin, `stretch` times slower than the mechanism could (1 or more)."""

    stretch: float


@dataclass(frozen=True, slots=True)
class Throttle:
    """State of one head; make it with `begin`.

    Attributes:
        head_c: the temperature that rules: the higher of model and measurement.
        at: monotonic seconds it is true for.
        zone: what it allows.
        stops: how often the stop was reached by heating.
    """

    profile: PrinterProfile
    model: HeatModel
    head_c: float
    at: float
    zone: Zone
    sensor: Sensor | None
    budget: Budget | None
    ready_at: float
    stops: int = 0

    @classmethod
    def begin(
        cls,
        profile: PrinterProfile,
        now: float,
        *,
        sensor: bool,
        ambient_c: float | None = None,
    ) -> Throttle:
        """Return the state at power-on: nothing is known, so nothing is allowed yet.

        Args:
            profile: the mechanism; its contradictions are refused by `board.profile`.
            now: monotonic seconds.
            sensor: whether readings will come.
            ambient_c: measured, and not lower than the truth; the profile's where None.
        """
        limits = profile.thermal
        spread = 1.0 if sensor else UNSEEN
        model = HeatModel(
            limits.tau_s * spread,
            limits.rise_c_per_kdot * spread,
            limits.ambient_c if ambient_c is None else ambient_c,
        )
        return cls(
            profile=profile,
            model=model,
            # A process that begins does not know what the one before it fired a moment ago.
            head_c=model.ambient_c if sensor else limits.stop_c,
            at=now,
            zone=Zone.NORMAL if sensor else Zone.STOP,
            sensor=Sensor() if sensor else None,
            budget=None if sensor else Budget.of(profile, model.ambient_c),
            ready_at=now,
        )

    @property
    def limits(self) -> ThermalProfile:
        """The profile's thermal part."""
        return self.profile.thermal

    @property
    def target_c(self) -> float:
        """The temperature that is approached and held."""
        return self.limits.stop_c - HELD_BELOW_C

    @property
    def rows_per_s(self) -> float:
        """Dot rows the mechanism prints at full speed."""
        return self.profile.max_speed_mm_s / self.profile.line_mm

    def advanced(self, now: float) -> Throttle:
        """Return the state at `now`, nothing fired since; an earlier `now` changes nothing."""
        if now <= self.at:
            return self
        head_c = self.model.cooled(self.head_c, now - self.at)
        return replace(self, at=now, head_c=head_c, zone=next_zone(self.zone, head_c, self.limits))

    def observed(self, taken_c: float | None, now: float) -> Throttle:
        """Take a sample of the sensor; None where none came."""
        if self.sensor is None:
            return self
        state = self.advanced(now)
        sensor = self.sensor.reading(taken_c, now, state.head_c, self.limits)
        if sensor.fault or sensor.good_c is None or sensor.good_at < now:
            return replace(state, sensor=sensor)
        return _heated_to(state, max(state.head_c, sensor.good_c), sensor=sensor)

    def surrounded(self, ambient_c: float) -> Throttle:
        """Take a measured ambient temperature."""
        model = replace(self.model, ambient_c=ambient_c)
        budget = self.budget and self.budget.at_ambient(self.profile, ambient_c)
        return replace(self, model=model, budget=budget)

    def fired(self, strip: Strip, now: float, *, stretch: float = 1.0) -> Throttle:
        """Take note of a strip that was handed over, whether or not it was asked for."""
        state = self.advanced(now)
        state = _heated_to(state, state.head_c + state.model.rise_c(strip.dots))
        return replace(
            state,
            budget=state.budget and state.budget.used(strip.dots, now),
            ready_at=max(now, state.ready_at) + _interval_s(state, strip, stretch),
        )

    def ask(self, strip: Strip, now: float) -> Go | Wait:
        """Say whether a strip may be fired at `now`."""
        state = self.advanced(now)
        refusal = _refusal(state, now)
        if refusal is not None:
            return refusal
        if now < state.ready_at - LEAD_S:
            return Wait(state.ready_at - LEAD_S)
        below_c = state.target_c - state.model.rise_c(strip.dots)
        if strip.dots and state.head_c > below_c:
            return Wait(now + state.model.seconds_to_cool(state.head_c, below_c), HEAD_HOT)
        free_at = state.budget.free_at(strip.dots, now) if state.budget else now
        return Wait(free_at, BUDGET_USED) if free_at > now else Go(now + LEASE_S)

    def admit(self, rows: int, dots: int, now: float) -> Start | Wait:
        """Say whether a job may begin and how slowly, so that it need not stop in its middle."""
        state = self.advanced(now)
        refusal = _refusal(state, now)
        if refusal is not None:
            return refusal
        quick_s = max(rows / self.rows_per_s, 1e-3)
        if not dots:
            return Start(1.0)
        paced_s = quick_s
        if state.budget is not None:
            free_at = state.budget.free_at(min(dots, state.budget.dots), now)
            if free_at > now:
                return Wait(free_at, BUDGET_USED)
            paced_s = max(
                quick_s, dots / state.budget.dots_per_s if dots > state.budget.dots else 0
            )
        return _paced(state, dots, quick_s, paced_s)

    def resumes_at(self, now: float) -> float:
        """Return when printing may go on: `now` where it may, infinite where nobody can tell."""
        refusal = _refusal(self.advanced(now), now)
        return refusal.until if refusal else now


def _least(low: float, high: float, fits: Callable[[float], bool]) -> float:
    """Return the least value that fits, to a thousandth of a second or so; `high` fits."""
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _paced(state: Throttle, dots: int, quick_s: float, paced_s: float) -> Start | Wait:
    """Find the shortest time over which the job ends below the target, else wait first."""

    def fits(seconds: float, head_c: float) -> bool:
        return state.model.after_job(head_c, dots, seconds) <= state.target_c

    if fits(paced_s, state.head_c):
        return Start(paced_s / quick_s)
    longest_s = max(quick_s * SLOWEST, LONGEST_S, paced_s)
    if fits(longest_s, state.head_c):
        return Start(_least(paced_s, longest_s, lambda s: fits(s, state.head_c)) / quick_s)
    if not fits(longest_s, state.model.ambient_c):
        # Too black a job for this head in one go: at the rate that the target can hold.
        held = state.model.holding_dots_per_s(state.target_c)
        if held <= 0:
            return Wait(math.inf, TOO_WARM_AROUND)
        return Start(max(dots / held, longest_s) / quick_s)
    cooling_s = state.model.seconds_to_cool(state.head_c, state.model.ambient_c + 0.5)
    wait_s = _least(0, cooling_s, lambda s: fits(longest_s, state.model.cooled(state.head_c, s)))
    return Wait(state.at + wait_s, HEAD_HOT)


def _refusal(state: Throttle, now: float) -> Wait | None:
    """Return what forbids any firing at `now`; the state is already advanced to it."""
    if state.sensor is not None:
        fault = state.sensor.fault_at(now, state.limits)
        if fault is not None:
            return Wait(math.inf, fault.value)
        measured_c = state.sensor.good_c
        if measured_c is not None and measured_c < state.limits.cold_c:
            return Wait(math.inf, TOO_COLD)
    elif not duty_at(state.limits, state.model.ambient_c):
        return Wait(math.inf, TOO_WARM_AROUND)
    if state.zone is Zone.STOP:
        cooling_s = state.model.seconds_to_cool(state.head_c, state.limits.resume_c)
        return Wait(now + cooling_s, HEAD_HOT)
    return None


def _interval_s(state: Throttle, strip: Strip, stretch: float) -> float:
    """Return how long a strip takes: mechanism, the pace of its job, and when slow the heat."""
    quick_s = strip.rows / state.rows_per_s
    paced_s = quick_s * stretch
    if state.zone is Zone.NORMAL or not strip.dots:
        return paced_s
    approach_s = state.limits.tau_s * APPROACH
    approach = (state.target_c - state.head_c) / approach_s / state.model.rise_c_per_kdot * 1000
    rate = state.model.holding_dots_per_s(state.head_c) + approach
    longest_s = max(paced_s, approach_s)
    return min(max(paced_s, strip.dots / rate), longest_s) if rate > 0 else longest_s


def _heated_to(state: Throttle, head_c: float, sensor: Sensor | None = None) -> Throttle:
    zone = next_zone(state.zone, head_c, state.limits)
    stopped = zone is Zone.STOP and state.zone is not Zone.STOP
    return replace(
        state,
        head_c=head_c,
        zone=zone,
        stops=state.stops + stopped,
        sensor=sensor or state.sensor,
    )
