"""Acquirer profiles: papers, steps, texts, fees, limits and settlement windows as data (S2–S7).

A profile is one TOML file under `posfw/acquirers`; another acquirer is another file. All mistakes
of a file are told at once.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import time
from typing import Any

from posfw.activate.acceptance import SETTLED
from posfw.values.errors import ConfigError

__all__ = ["Paper", "Profile", "Step", "parse"]


@dataclass(frozen=True, slots=True)
class Paper:
    """One paper or fact that the application needs."""

    id: str
    zh: str
    en: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the acquirer's own instructions."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Profile:
    """An acquirer as a terminal needs to know it.

    Attributes:
        id: file name.
        zh, en: name.
        manual: which manual to follow, with its version, as the acquirer names it.
        hotline: telephone number for people.
        licence: payment licence number, "" until the integrator enters it (S96).
        collection: 代收 is allowed; off unless the acquirer has granted it (S96).
        header, footer: lines on slips.
        settle_at: local time of the daily settlement.
        warn_min, window_min: see settle.schedule.
        sign_off: sign off after settlement.
        qps_minor: contactless without PIN and signature up to this amount.
        offline_minor: upper limit of one offline sale that the acquirer accepts, 0 for none.
        deposit_minor: 保证金 (S94).
        prepaid_minor, prepaid_turnover_minor: 预付 that comes back after this turnover (S99).
        personal: made for persons without a company (S95).
        rounds: acceptance rounds.
        test_card, test_expiry: what the acquirer's test host takes.
        decline_minor: cents that its test host declines.
        budgets: most milliseconds of an acceptance round by its kind; none where not named.
        papers: checklist.
        steps: instructions.
        fees: dated schedules, read by `settle.fees`.
        bins: card kind by leading digits, read by `settle.fees`.
        terms: percentages and the like, read by `app.terms`.
        plans: instalments, read by `sale.plans`.
        rules: limits by kind, read by `sale.rules`.
    """

    id: str
    zh: str
    en: str
    manual: str
    hotline: str
    licence: str
    collection: bool
    header: str
    footer: str
    settle_at: time
    warn_min: int
    window_min: int
    sign_off: bool
    qps_minor: int
    offline_minor: int
    deposit_minor: int
    prepaid_minor: int
    prepaid_turnover_minor: int
    personal: bool
    rounds: int
    test_card: str
    test_expiry: str
    decline_minor: int
    papers: tuple[Paper, ...]
    steps: tuple[Step, ...]
    fees: tuple[Mapping[str, Any], ...]
    bins: tuple[Mapping[str, Any], ...]
    terms: Mapping[str, Any] = field(default_factory=dict)
    plans: tuple[Mapping[str, Any], ...] = ()
    rules: tuple[Mapping[str, Any], ...] = ()
    budgets: Mapping[str, int] = field(default_factory=dict)


Rule = tuple[type, Callable[[Any], bool]]


def _any(_: Any) -> bool:
    return True


def _filled(value: str) -> bool:
    return bool(value.strip())


def _positive(value: int) -> bool:
    return value >= 0


_TEXT: Rule = (str, _filled)
_NAMES: Rule = (str, _any)
_FLAG: Rule = (bool, _any)
_COUNT: Rule = (int, _positive)
_TABLES: Mapping[str, Mapping[str, Rule]] = {
    "acquirer": {
        "zh": _TEXT,
        "en": _TEXT,
        "manual": _TEXT,
        "hotline": _TEXT,
        "licence": _NAMES,
        "collection": _FLAG,
        "header": _NAMES,
        "footer": _NAMES,
        "personal": _FLAG,
    },
    "settlement": {
        "settle_at": (time, _any),
        "warn_min": _COUNT,
        "window_min": _COUNT,
        "sign_off": _FLAG,
    },
    "limits": {"qps_minor": _COUNT, "offline_minor": _COUNT},
    "money": {
        "deposit_minor": _COUNT,
        "prepaid_minor": _COUNT,
        "prepaid_turnover_minor": _COUNT,
    },
    "acceptance": {
        "rounds": (int, lambda v: v >= 1),
        "test_card": (str, str.isdigit),
        "test_expiry": (str, lambda v: len(v) == 4 and v.isdigit()),
        "decline_minor": _COUNT,
    },
}
_LISTS: Mapping[str, Mapping[str, Rule]] = {
    "papers": {"id": _TEXT, "zh": _TEXT, "en": _TEXT, "required": _FLAG},
    "steps": {"zh": _TEXT, "en": _TEXT},
}
# Checked by who knows what they mean: settle.fees, sale.plans, sale.rules, app.terms.
_OPEN_LISTS = ("fees", "bins", "plans", "rules")
_OPEN_TABLE = "terms"
_BUDGETS = "budgets"


def parse(text: str, *, source: str, profile_id: str) -> Profile:
    """Read a profile.

    Raises:
        ConfigError: every mistake at once, each with its table and key.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: {error}.", code="CFG-002") from error
    known = {*_TABLES, *_LISTS, *_OPEN_LISTS, _OPEN_TABLE, _BUDGETS}
    mistakes = [f"{name}: is not known here" for name in document.keys() - known]
    values: dict[str, Any] = {}
    for name, rules in _TABLES.items():
        table = document.get(name)
        mistakes += _wrong(table, rules, name)
        values |= table if isinstance(table, dict) else {}
    for name, rules in _LISTS.items():
        for number, row in enumerate(_rows(document, name), start=1):
            mistakes += _wrong(row, rules, f"{name}[{number}]")
    mistakes += _wrong_budgets(document.get(_BUDGETS, {}))
    papers = [row.get("id") for row in _rows(document, "papers") if isinstance(row, dict)]
    mistakes += [f"papers: {id_!r} twice" for id_ in {p for p in papers if papers.count(p) > 1}]
    if mistakes:
        lines = [f"{source}: {mistake}" for mistake in sorted(mistakes)]
        raise ConfigError("\n".join(lines), code="CFG-030", mistakes=lines)
    return Profile(
        id=profile_id,
        papers=tuple(Paper(**row) for row in _rows(document, "papers")),
        steps=tuple(Step(**row) for row in _rows(document, "steps")),
        fees=tuple(_rows(document, "fees")),
        bins=tuple(_rows(document, "bins")),
        terms=document.get(_OPEN_TABLE, {}),
        plans=tuple(_rows(document, "plans")),
        rules=tuple(_rows(document, "rules")),
        budgets=document.get(_BUDGETS, {}),
        **values,
    )


def _wrong_budgets(table: object) -> list[str]:
    if not isinstance(table, dict):
        return [f"{_BUDGETS}: is not a table"]
    return [
        f"{_BUDGETS}.{kind}: must be a kind of round ({', '.join(sorted(SETTLED))}) with"
        " milliseconds above zero"
        for kind, most_ms in table.items()
        if kind not in SETTLED or type(most_ms) is not int or most_ms < 1
    ]


def _rows(document: Mapping[str, Any], name: str) -> list[Any]:
    rows = document.get(name, [])
    return rows if isinstance(rows, list) else [rows]


def _wrong(table: object, rules: Mapping[str, Rule], where: str) -> list[str]:
    if not isinstance(table, dict):
        return [f"{where}: is missing or not a table"]
    found = [f"{where}.{key}: is not known here" for key in table.keys() - rules.keys()]
    found += [f"{where}.{key}: is missing" for key in rules.keys() - table.keys()]
    found += [
        f"{where}.{key}: {table[key]!r:.30} does not fit"
        for key, (kind, fits) in rules.items()
        if key in table and not (type(table[key]) is kind and fits(table[key]))
    ]
    return found
