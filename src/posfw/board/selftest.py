"""The self-test's verdict: what each step saw, in the form the bench and a technician read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Step", "passed", "reading_step", "rise_step", "skipped", "verdict"]

# A head that nobody used stands near the room; outside of this the sensor is wrong, not the room.
COLD_C = -20.0
WARM_C = 60.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step: pass, fail or skip, why in words, and what was measured."""

    id: str
    state: str
    detail: str = ""
    observed: Mapping[str, object] = field(default_factory=dict)


def passed(name: str, **observed: object) -> Step:
    """Return a step that passed."""
    return Step(name, "pass", observed=observed)


def skipped(name: str, why: str) -> Step:
    """Return a step that was not run; it never counts as passed."""
    return Step(name, "skip", why)


def reading_step(celsius: float | None) -> Step:
    """Judge a head at rest."""
    if celsius is None:
        return Step("head", "fail", "the head's temperature cannot be read")
    if not COLD_C <= celsius <= WARM_C:
        return Step("head", "fail", f"{celsius:.1f} C at rest", {"celsius": celsius})
    return passed("head", celsius=celsius)


def rise_step(before_c: float | None, after_c: float | None, low_c: float, high_c: float) -> Step:
    """Judge what the test pattern did: the rise proves heater and sensor both."""
    if before_c is None or after_c is None:
        return Step("head", "fail", "the head's temperature cannot be read")
    rise = after_c - before_c
    seen = {"before_c": before_c, "after_c": after_c}
    if not low_c <= rise <= high_c:
        told = f"rose {rise:.1f} C, {low_c:g} to {high_c:g} are wanted"
        return Step("head", "fail", told, seen)
    return Step("head", "pass", "", seen)


def verdict(board: str, steps: Sequence[Step]) -> dict[str, object]:
    """Return the JSON document; `ok` only where every step ran and passed."""
    rows = [
        {"id": s.id, "state": s.state, "detail": s.detail, "observed": dict(s.observed)}
        for s in steps
    ]
    good = bool(steps) and all(step.state == "pass" for step in steps)
    return {
        "schema": "posfw.selftest",
        "schema_version": 1,
        "board": board,
        "ok": good,
        "steps": rows,
    }
