from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from posfw.activate.acceptance import Task
from posfw.activate.profile import Profile
from posfw.app.acquirers import load_profiles
from posfw.app.activation import Device
from posfw.app.merchant import Merchant, merchant
from posfw.app.verbs import dispatcher
from posfw.app.world import World
from posfw.journal.store import Journal
from posfw.keys.software import SoftwareElement
from posfw.settle.schedule import Escalation
from posfw.values.errors import RefusedError
from posfw.values.money import Money
from tests.app.fakes import (
    CountingRandom,
    ScriptedAcquirer,
    SetClock,
    opened,
    signer,
    sold,
)

ELEMENT = SoftwareElement(bytes(range(32)), b"POSFW001", b"s" * 32)
PROFILES = load_profiles()
DEVICE = Device("PF000001", "host", {}, signer(b"d"))


async def check() -> dict[str, bool]:
    return {"printer": True}


async def try_round(task: Task, profile: Profile) -> tuple[bool, str]:
    return True, ""


def built(journal: Journal, clock: SetClock, **changes: Any) -> Merchant:
    facts: dict[str, Any] = {
        "journal": journal,
        "acquirer": ScriptedAcquirer(),
        "element": ELEMENT,
        "world": World(clock, CountingRandom()),
        "profiles": PROFILES,
        "acquirer_id": "lakala",
        "merchant_id": "898440350110001",
        "device": DEVICE,
        "bank_key": None,
        "check": check,
        "try_round": try_round,
        "pre_activated": False,
        "automatic": True,
    }
    return merchant(**facts | changes)


async def test_the_parts_share_no_verb_and_the_dispatcher_takes_them(tmp_path: Path) -> None:
    clock = SetClock()
    async with opened(tmp_path, clock) as journal:
        parts = built(journal, clock)
        tables = [
            part.verbs()
            for part in (
                parts.operators,
                parts.activation,
                parts.settlement,
                parts.office,
                parts.parameters,
            )
        ]
        assert len(parts.verbs()) == sum(len(table) for table in tables)
        handler = dispatcher(parts.verbs())

        async def ask(verb: str, **body: object) -> Mapping[str, Any]:
            return await handler(verb, body, lambda _: None)

        assert (await ask("activate_status"))["state"] == "factory"
        assert (await ask("settlement_plan"))["at"].endswith("T22:00:00")
        for verb in ("operators", "report", "settlements", "goods_list", "fees", "upkeep_due"):
            assert (await ask(verb))["ok"], verb


async def test_no_sale_before_the_activation_and_none_past_the_limits(tmp_path: Path) -> None:
    clock = SetClock()
    async with opened(tmp_path, clock) as journal:
        refusal = await built(journal, clock).refusal(Money(1))
        assert refusal is not None
        assert refusal.code == "ACT-101"
        demonstration = built(journal, clock, pre_activated=True, automatic=False)
        assert await demonstration.refusal(Money(1)) is None
        assert demonstration.settlement.schedule is None
        await sold(journal, 1000)
        demonstration.settlement.escalation = replace(Escalation(), refuse_minor=1000)
        refusal = await demonstration.refusal(Money(1))
        assert refusal is not None
        assert refusal.code == "SET-105"


async def test_another_elements_pepper_opens_no_password(tmp_path: Path) -> None:
    clock = SetClock()
    async with opened(tmp_path, clock) as journal:
        change = {"operator": "01", "password": "0000", "new": "4821"}
        await built(journal, clock).verbs()["operator_password"](change, lambda _: None)
        other = SoftwareElement(bytes(range(32)), b"POSFW001", b"t" * 32)
        stolen = built(journal, clock, element=other)
        body = {"operator": "01", "password": "4821"}
        with pytest.raises(RefusedError) as refused:
            await stolen.verbs()["operator_in"](body, lambda _: None)
        assert refused.value.stable_code == "OPR-123"
