from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from posfw.app.parameters import Parameters, limited, sets_of
from posfw.sale.limits import Limits, OfflinePolicy
from posfw.values.errors import LinkError, RefusedError
from posfw.values.events import Topic
from tests.app.fakes import ScriptedAcquirer, SetClock, do, opened

SETS: dict[str, Any] = {
    "limits": {"version": 3, "per_transaction_minor": 10_000, "refund_minor": 99_999_999},
    "aids": {"version": 7, "list": ["a000000333"]},
}


def answering(sets: object) -> ScriptedAcquirer:
    return ScriptedAcquirer({"parameters": {"response_code": "00", "sets": sets}})


async def test_sets_are_kept_and_asked_for_by_version_and_limits_count_at_once(
    tmp_path: Path,
) -> None:
    applied: list[Limits] = []
    site = Limits(per_transaction_minor=50_000, refund_minor=70_000)
    async with opened(tmp_path, SetClock()) as journal:
        acquirer = answering(SETS)
        parameters = Parameters(journal, acquirer, SetClock(), site, applied.append)
        await parameters.refresh()
        assert applied == [site]
        told = await do(parameters, "parameters_load")
        assert told["parameters"] == {"aids": 7, "limits": 3}
        # The acquirer takes away and never gives.
        assert (applied[-1].per_transaction_minor, applied[-1].refund_minor) == (10_000, 70_000)
        acquirer.answers["parameters"] = {"response_code": "00", "sets": {}}
        await do(parameters, "parameters_load")
        assert [fields for _, fields in acquirer.asked] == [{}, {"have": {"aids": 7, "limits": 3}}]
        assert len(await journal.read(Topic.PARAMETERS)) == 2
    async with opened(tmp_path, SetClock()) as journal:
        again = Parameters(journal, ScriptedAcquirer(), SetClock(), site, applied.append)
        await again.refresh()
        assert applied[-1].per_transaction_minor == 10_000
        assert (await do(again, "parameters"))["parameters"] == {"aids": 7, "limits": 3}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, OfflinePolicy(enabled=True, count=9)),
        ({"enabled": False}, OfflinePolicy(enabled=False, count=9)),
        ({"enabled": True}, OfflinePolicy(enabled=True, count=9)),
        ({"count": 5, "age_h": 2}, OfflinePolicy(enabled=True, count=5, age_h=2)),
        ({"count": 99, "card_count": 1}, OfflinePolicy(enabled=True, count=9, card_count=1)),
        ({"sum_minor": -1, "count": "1"}, OfflinePolicy(enabled=True, count=9)),
    ],
)
def test_the_acquirer_tightens_the_offline_policy_and_never_loosens_it(
    told: dict[str, object], expected: OfflinePolicy
) -> None:
    site = Limits(offline=OfflinePolicy(enabled=True, count=9))
    assert limited(site, {"offline": {"version": 1, **told}}).offline == expected
    off = Limits(offline=OfflinePolicy(enabled=False))
    assert not limited(off, {"offline": {"version": 1, "enabled": True}}).offline.enabled


@pytest.mark.parametrize(
    "sets",
    [[], {"limits": 3}, {"limits": {}}, {"limits": {"version": "3"}}, {7: {"version": 1}}],
)
async def test_half_a_set_is_none_and_nothing_of_the_answer_is_kept(
    tmp_path: Path, sets: object
) -> None:
    good = {"aids": {"version": 1}}
    with pytest.raises(LinkError):
        sets_of({"sets": good | sets if isinstance(sets, dict) else sets})
    async with opened(tmp_path, SetClock()) as journal:
        both = good | sets if isinstance(sets, dict) else sets
        with pytest.raises(LinkError) as refused:
            await do(Parameters(journal, answering(both), SetClock()), "parameters_load")
        assert refused.value.stable_code == "ACT-124"
        assert await journal.read(Topic.PARAMETERS) == []


async def test_a_refusal_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        acquirer = ScriptedAcquirer({"parameters": {"response_code": "96"}})
        with pytest.raises(RefusedError, match="96"):
            await do(Parameters(journal, acquirer, SetClock()), "parameters_load")


def test_nonsense_among_the_limits_changes_none() -> None:
    told = {"limits": {"version": 1, "per_transaction_minor": -1, "refund_minor": "0"}}
    assert limited(Limits(), told) == Limits()
    assert limited(Limits(), {}) == Limits()
