"""What acquirer and merchant allow beside plain sales: percentages, instalments, limits by kind.

From the acquirer's profile, the sets `terms`, `plans` and `rules` of its parameters, and the site
file's `[[rules]]`. A set `terms` only makes stricter, a set `plans` takes the profile's place, and
rules add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from posfw.sale import plans, rules
from posfw.sale.family import Rules
from posfw.sale.rules import Rule
from posfw.values.errors import ConfigError

__all__ = ["Terms", "fault", "faults", "terms", "with_sets"]

Sets = Mapping[str, Mapping[str, Any]]
_FIGURES = (
    "completion_percent",
    "preauth_days",
    "tip_percent",
    "adjust_percent",
    "telephone_minor",
)
SETS = ("terms", "plans", "rules")


@dataclass(frozen=True, slots=True)
class Terms:
    """What counts now."""

    rules: Rules
    limited: tuple[Rule, ...]


def terms(
    told: Mapping[str, Any],
    plan_rows: Sequence[Mapping[str, Any]],
    rule_rows: Sequence[Mapping[str, Any]],
    *,
    site: Sequence[Mapping[str, Any]] = (),
    source: str = "acquirer",
) -> Terms:
    """Read the acquirer's profile and the site file.

    Raises:
        ConfigError: every mistake of one table at once.
    """
    wrong = _wrong(told)
    if wrong:
        raise ConfigError("\n".join(f"{source}: terms.{each}" for each in wrong), code="CFG-034")
    found = Rules(**told, plans=plans.parse(plan_rows, source=f"{source}: plans"))
    limited = (
        *rules.parse(rule_rows, source=f"{source}: rules"),
        *rules.parse(site, source="site file: rules"),
    )
    return Terms(found, limited)


def with_sets(base: Terms, sets: Sets) -> Terms:
    """Return the terms with what the acquirer's parameters say; sets with `faults` say nothing."""
    sound = {name: each for name, each in sets.items() if name in SETS and not fault(name, each)}
    told = sound.get("terms", {})
    stricter = {
        name: min(getattr(base.rules, name), told[name]) for name in _FIGURES if name in told
    }
    found = replace(base.rules, **stricter)
    if "plans" in sound:
        found = replace(found, plans=plans.parse(sound["plans"]["rows"], source="plans"))
    rows = sound.get("rules", {}).get("rows", ())
    return Terms(found, (*base.limited, *rules.parse(rows, source="rules")))


def fault(name: str, values: Mapping[str, Any]) -> str:
    """Return what is wrong with a set of the acquirer's, "" for a sound or unknown one."""
    if name == "terms":
        found = _wrong({key: each for key, each in values.items() if key != "version"})
    elif name in ("plans", "rules"):
        judge = plans.mistakes if name == "plans" else rules.mistakes
        found = judge(values.get("rows"))
    else:
        return ""
    return "; ".join(found)


def faults(sets: Sets) -> list[str]:
    """Return what is wrong with sets of the acquirer's, each by its name."""
    found = ((name, fault(name, each)) for name, each in sets.items())
    return [f"{name}: {wrong}" for name, wrong in found if wrong]


def _wrong(told: Mapping[str, Any]) -> list[str]:
    found = [f"{key}: is not known here" for key in told if key not in _FIGURES]
    return found + [
        f"{key}: is a whole number, not negative"
        for key in _FIGURES
        if key in told and not (type(told[key]) is int and told[key] >= 0)
    ]
