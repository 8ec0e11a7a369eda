from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from posfw.app.acquirers import load_profiles
from posfw.app.parameters import Parameters
from posfw.app.terms import Terms, fault, faults, terms, with_sets
from posfw.sale.plans import Plan
from posfw.values.errors import ConfigError, LinkError
from posfw.values.transaction import Kind
from tests.app.fakes import ScriptedAcquirer, SetClock, do, opened

pytestmark = pytest.mark.may_block

PLAN = {"plan": "A", "periods": 6}
RULE = {"kinds": ["refund"], "most_minor": 100}


def base(**told: int) -> Terms:
    return terms({"tip_percent": 10, **told}, [PLAN], [RULE], site=[{"count": 9}])


@pytest.mark.parametrize("name", ["unionpay", "fuiou", "allinpay", "lakala"])
def test_each_shipped_profile_is_sound_and_telephone_sales_are_an_exception(name: str) -> None:
    chosen = load_profiles()[name]
    found = terms(chosen.terms, chosen.plans, chosen.rules, source=name)
    assert found.rules.tip_percent == chosen.terms["tip_percent"]
    assert bool(found.rules.telephone_minor) == (name == "unionpay")


def test_profile_and_site_file_add_up() -> None:
    found = base(telephone_minor=5)
    assert found.rules.plans == (Plan("A", 6),)
    assert (found.rules.telephone_minor, found.rules.preauth_days) == (5, 30)
    assert [rule.kinds for rule in found.limited] == [{Kind.REFUND}, frozenset()]


def test_a_set_makes_stricter_and_never_gives() -> None:
    sets = {"terms": {"version": 2, "tip_percent": 5, "completion_percent": 200}}
    found = with_sets(base(), sets)
    assert (found.rules.tip_percent, found.rules.completion_percent) == (5, 115)


def test_plans_of_a_set_take_the_place_of_the_profiles_and_rules_come_on_top() -> None:
    sets: dict[str, Any] = {
        "plans": {"version": 2, "rows": [{"plan": "B", "periods": 12}]},
        "rules": {"version": 1, "rows": [{"kinds": ["tip"], "most_minor": 0}]},
        "limits": {"version": 1, "per_transaction_minor": 5},
    }
    found = with_sets(base(), sets)
    assert found.rules.plans == (Plan("B", 12),)
    assert len(found.limited) == 3
    assert with_sets(base(), {"plans": {"version": 3, "rows": []}}).rules.plans == ()
    assert faults(sets) == []


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("terms", {"tip_percent": -1}),
        ("terms", {"tip_percent": "10"}),
        ("terms", {"generosity": 10}),
        ("plans", {}),
        ("plans", {"rows": [{"plan": "A"}]}),
        ("rules", {"rows": {"count": 1}}),
        ("rules", {"rows": [{"count": -1}]}),
    ],
)
async def test_a_set_with_mistakes_is_not_kept_and_would_not_count(
    tmp_path: Path, name: str, values: dict[str, Any]
) -> None:
    sets = {name: {"version": 7, **values}}
    assert fault(name, sets[name])
    assert with_sets(base(), sets) == base()
    clock, told = SetClock(), list[Any]()
    async with opened(tmp_path, clock) as journal:
        acquirer = ScriptedAcquirer({"parameters": {"response_code": "00", "sets": sets}})
        held = Parameters(journal, acquirer, clock, tell=told.append, judge=faults)
        with pytest.raises(LinkError) as refused:
            await do(held, "parameters_load")
        assert refused.value.stable_code == "ACT-124"
        assert (await do(held, "parameters"))["parameters"] == {}
        assert told == []


async def test_sets_are_told_when_loaded_and_after_a_restart(tmp_path: Path) -> None:
    clock, told = SetClock(), list[Any]()
    sets = {"terms": {"version": 1, "tip_percent": 5}}
    async with opened(tmp_path, clock) as journal:
        acquirer = ScriptedAcquirer({"parameters": {"response_code": "00", "sets": sets}})
        held = Parameters(journal, acquirer, clock, tell=told.append, judge=faults)
        await do(held, "parameters_load")
        again = Parameters(journal, ScriptedAcquirer(), clock, tell=told.append, judge=faults)
        await again.refresh()
    assert told == [sets, sets]


def test_mistakes_of_profile_and_site_file_stop_the_start() -> None:
    with pytest.raises(ConfigError, match=r"terms\.generosity"):
        terms({"generosity": 1}, [], [])
    with pytest.raises(ConfigError, match="plans"):
        terms({}, [{"plan": "A"}], [])
    with pytest.raises(ConfigError, match="site file"):
        terms({}, [], [], site=[{"count": -1}])
