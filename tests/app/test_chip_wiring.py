"""The parts of a contact slot, joined and started as the terminal does it."""

from __future__ import annotations

import random
from pathlib import Path

import anyio
import pytest

from posfw.app.cards import Asked, CardDesk
from posfw.app.chip_slot import SlotState
from posfw.app.chip_wiring import PARAMETERS, Chips, installed_parameters
from posfw.board.site import parse_site
from posfw.keys.software import SoftwareElement
from posfw.sale.limits import Limits, Refusal
from posfw.sale.task import Sales
from posfw.sim.chip.card import ChipCard
from posfw.sim.chip.demo import demo_toml
from posfw.sim.chip.profile import UNIONPAY
from posfw.sim.chip.slot import MemorySlot
from posfw.values.errors import ConfigError
from posfw.values.events import Record, Topic
from posfw.values.money import Money
from posfw.values.texts import ENGLISH
from posfw.values.transaction import Kind
from tests.app.fakes import NOW, CountingRandom, ScriptedAcquirer, SetClock, opened
from tests.system.chip_counter import SITE


async def test_a_folder_without_parameters_has_none_and_a_wrong_file_says_so(
    tmp_path: Path,
) -> None:
    assert await installed_parameters(tmp_path) is None
    file = anyio.Path(tmp_path / PARAMETERS)
    await file.write_text(demo_toml((UNIONPAY,)))
    found = await installed_parameters(tmp_path)
    assert found is not None
    assert found.aids[0].aid == UNIONPAY.aid[:7]
    await file.write_text("surprise = 1")
    with pytest.raises(ConfigError, match="surprise"):
        await installed_parameters(tmp_path)


async def test_a_started_slot_takes_a_card_and_without_parameters_reads_none(
    tmp_path: Path,
) -> None:
    clock, hardware, seen = SetClock(), MemorySlot(), list[SlotState]()
    async with opened(tmp_path, clock) as journal:
        await journal.append(Record(Topic.SESSION, "signed_on", NOW))
        sales = Sales(journal, ScriptedAcquirer(), clock, Limits(), 1.0, anyio.Lock())
        chips = Chips(
            journal=journal,
            element=SoftwareElement(bytes(32), bytes(8), b"s" * 32),
            sales=sales,
            stripe=CardDesk(),
            clock=clock,
            random=CountingRandom(),
            site=parse_site(SITE, source="site"),
            texts=ENGLISH,
        )
        async with anyio.create_task_group() as group:
            desk = chips.start(group, lambda: hardware, seen.append)
            assert set(desk.people.verbs()) == {"chip_answer"}
            card = ChipCard(UNIONPAY, random.Random(1).randbytes)
            hardware.insert(card)

            def no_intent(_: object) -> object:
                raise AssertionError("no transaction begins")

            asked = Asked(Kind.SALE, Money(100), no_intent, lambda _: None, lambda _: None)  # type: ignore[arg-type]  # never called
            refused = await desk.take(asked)
            assert isinstance(refused, Refusal)
            assert (refused.code, card.log) == ("CRD-421", [])
            group.cancel_scope.cancel()
    assert SlotState.IN_USE in seen
