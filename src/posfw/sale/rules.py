"""Limits by kind, operator, card, entry, time of day, amount, count and sum, as data. Pure.

A rule only takes away: what no rule forbids is left to `limits` and `family`. Rules come from the
site file, the acquirer's profile and its parameters, and all of them count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from posfw.sale.limits import Refusal
from posfw.values.card import EntryMode
from posfw.values.errors import ConfigError
from posfw.values.transaction import Intent, Kind, Transaction

__all__ = ["PER", "Rule", "broken", "counts", "mistakes", "parse"]

PER = ("batch", "card", "operator")


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. What is left out (empty) fits everything; a figure that is None limits nothing.

    Attributes:
        kinds, operators, cards, entry_modes: what it is about; cards by leading digits, at most
            six; operators as two digits or a range such as 01-98.
        from_time, to_time: local HH:MM between which it counts; `to_time` earlier means over
            midnight, equal means all day.
        most_minor: of one transaction; 0 forbids them.
        count, sum_minor: approved ones in a batch, this one included.
        per: what count and sum go by: the whole batch, one card, one operator. Who scans a code
            that the terminal shows is nobody known: such payments count by no card.
    """

    kinds: frozenset[Kind] = frozenset()
    operators: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()
    entry_modes: frozenset[EntryMode] = frozenset()
    from_time: str = "00:00"
    to_time: str = "00:00"
    most_minor: int | None = None
    count: int | None = None
    sum_minor: int | None = None
    per: str = "batch"

    def fits(self, intent: Intent, now: datetime) -> bool:
        """Whether it is about this transaction at this time."""
        return self._about(intent) and _between(self.from_time, self.to_time, f"{now:%H:%M}")

    def _about(self, intent: Intent) -> bool:
        return (
            (not self.kinds or intent.kind in self.kinds)
            and (not self.entry_modes or intent.entry_mode in self.entry_modes)
            and (not self.cards or intent.card_masked.startswith(self.cards))
            and (not self.operators or any(_in(intent.operator, o) for o in self.operators))
        )

    def _same(self, intent: Intent, other: Intent) -> bool:
        if self.per == "card":
            return bool(intent.card_token) and intent.card_token == other.card_token
        return self.per != "operator" or intent.operator == other.operator

    def breaks(self, intent: Intent, batch: Iterable[Transaction]) -> Refusal | None:
        """Return why the transaction is too much under this rule, or None."""
        minor = intent.amount.minor
        if self.most_minor is not None and minor > self.most_minor:
            return Refusal(
                "SAL-210", "The amount is above the limit for this.", "Ask a supervisor."
            )
        if self.count is None and self.sum_minor is None:
            return None
        before = [
            t.begun.intent.amount.minor
            for t in batch
            if t.counts and self._about(t.begun.intent) and self._same(intent, t.begun.intent)
        ]
        if self.count is not None and len(before) >= self.count:
            return Refusal(
                "SAL-211", "The number allowed of these is used up.", "Ask a supervisor."
            )
        if self.sum_minor is not None and sum(before) + minor > self.sum_minor:
            return Refusal("SAL-212", "The sum allowed of these is used up.", "Ask a supervisor.")
        return None


def counts(rules: Sequence[Rule], intent: Intent, now: datetime) -> bool:
    """Whether a rule that fits needs to know what the batch holds already."""
    counting = (r for r in rules if r.count is not None or r.sum_minor is not None)
    return any(rule.fits(intent, now) for rule in counting)


def broken(
    rules: Sequence[Rule], intent: Intent, batch: Sequence[Transaction], now: datetime
) -> Refusal | None:
    """Return the first refusal of a rule that fits, or None.

    A balance moves nothing and gives nothing back: rules with figures do not hold it up.
    """
    refusals = (rule.breaks(intent, batch) for rule in rules if rule.fits(intent, now))
    return next((refusal for refusal in refusals if refusal is not None), None)


def mistakes(rows: object) -> list[str]:
    """Return what is wrong with rows of rules, each with its number."""
    if not isinstance(rows, (list, tuple)):
        return [" are not a list"]
    return [f"[{n}]: {fault}" for n, row in enumerate(rows, 1) for fault in _faults(row)]


def parse(rows: Sequence[Mapping[str, Any]], *, source: str) -> tuple[Rule, ...]:
    """Read rules.

    Raises:
        ConfigError: CFG-033, every mistake at once.
    """
    faults = [f"{source}{fault}" for fault in mistakes(rows)]
    if faults:
        raise ConfigError("\n".join(faults), code="CFG-033")
    return tuple(_rule(row) for row in rows)


def _rule(row: Mapping[str, Any]) -> Rule:
    values = dict(row)
    if "kinds" in values:
        values["kinds"] = frozenset(Kind(name) for name in values["kinds"])
    if "entry_modes" in values:
        values["entry_modes"] = frozenset(EntryMode[n.upper()] for n in values["entry_modes"])
    for name in ("operators", "cards"):
        values[name] = tuple(values.get(name, ()))
    return Rule(**values)


def _in(operator: str, told: str) -> bool:
    first, _, last = told.partition("-")
    return first <= operator <= (last or first)


def _between(start: str, end: str, at: str) -> bool:
    if start == end:
        return True
    return start <= at < end if start < end else (at >= start or at < end)


_FIGURES = ("most_minor", "count", "sum_minor")
_CLOCK = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]")
_OPERATOR = re.compile("[0-9]{2}(-[0-9]{2})?")
_CARD = re.compile("[0-9]{1,6}")


def _listed(known: Callable[[str], bool]) -> Callable[[object], bool]:
    def fits(value: object) -> bool:
        rows = value if isinstance(value, (list, tuple)) else [None]
        return all(isinstance(each, str) and known(each) for each in rows)

    return fits


def _figure(value: object) -> bool:
    return type(value) is int and value >= 0


_FITS: Mapping[str, Callable[[object], bool]] = {
    "kinds": _listed(lambda each: each in list(Kind)),
    "operators": _listed(lambda each: _OPERATOR.fullmatch(each) is not None),
    "cards": _listed(lambda each: _CARD.fullmatch(each) is not None),
    "entry_modes": _listed(lambda each: each.upper() in EntryMode.__members__),
    "from_time": lambda value: _CLOCK.fullmatch(str(value)) is not None,
    "to_time": lambda value: _CLOCK.fullmatch(str(value)) is not None,
    "per": lambda value: value in PER,
    **dict.fromkeys(_FIGURES, _figure),
}


def _faults(row: object) -> list[str]:
    if not isinstance(row, Mapping):
        return ["is not a table"]
    found = [f"{key}: is not known here" for key in row.keys() - _FITS.keys()]
    found += [
        f"{key}: {row[key]!r:.40} does not fit"
        for key, fits in _FITS.items()
        if key in row and not fits(row[key])
    ]
    if not row.keys() & set(_FIGURES):
        found.append(f"needs one of {', '.join(_FIGURES)}")
    return found
