from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from posfw.app.demands import Demands, told
from posfw.app.parameters import Parameters
from posfw.journal.store import Journal
from posfw.keys.software import SoftwareElement
from posfw.values.events import Topic
from posfw.values.money import Money
from posfw.values.outcome import DoFirst
from tests.app.fakes import ScriptedAcquirer, SetClock, do, opened
from tests.app.test_merchant import built

LOADED = {"response_code": "00", "sets": {"limits": {"version": 4}}}


def element(key_id: bytes = b"POSFW001") -> SoftwareElement:
    return SoftwareElement(bytes(range(32)), key_id, b"s" * 32)


def demands(journal: Journal, line: ScriptedAcquirer, key_id: bytes = b"POSFW001") -> Demands:
    clock = SetClock()
    return Demands(journal, clock, element(key_id), Parameters(journal, line, clock))


@pytest.mark.parametrize(
    ("answer", "flags"),
    [
        ({"do_first": [1, 4]}, {DoFirst.PARAMETERS, DoFirst.KEYS}),
        ({"do_first": (2, 3)}, {DoFirst.STATUS, DoFirst.SIGN_ON}),
        ({"do_first": [9, "1", True]}, set()),
        ({"do_first": 1}, set()),
        ({}, set()),
    ],
)
def test_only_known_flags_are_heard(answer: dict[str, object], flags: set[DoFirst]) -> None:
    assert told(answer) == flags


async def test_parameters_asked_for_at_sign_on_are_loaded_before_anything_is_sold(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        line = ScriptedAcquirer({"parameters": LOADED})
        found = demands(journal, line)
        flags = {DoFirst.PARAMETERS, DoFirst.STATUS}
        assert await found.signed_on(flags, status_told=True) == []
        assert [message for message, _ in line.asked] == ["parameters"]
        assert await found.parameters.versions() == {"limits": 4}
        assert await found.refusal() is None


async def test_without_a_line_no_sale_begins_until_they_are_loaded_even_after_a_restart(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        left = await demands(journal, ScriptedAcquirer()).signed_on(
            {DoFirst.PARAMETERS}, status_told=False
        )
        assert left == ["parameters"]
    async with opened(tmp_path, SetClock()) as journal:
        line = ScriptedAcquirer()
        parts = built(journal, SetClock(), acquirer=line, pre_activated=True, automatic=False)
        refusal = await parts.refusal(Money(1))
        assert refusal is not None
        assert (refusal.code, refusal.next_step) == ("ACT-130", "posfw parameters")
        line.answers["parameters"] = {"response_code": "96"}  # a refusal is no load
        assert await parts.refusal(Money(1)) is not None
        line.answers["parameters"] = LOADED
        await do(parts.parameters, "parameters_load")  # by hand is as good
        line.answers.clear()
        assert await parts.refusal(Money(1)) is None
        assert [r.name for r in await journal.read(Topic.SESSION)] == ["wanted", "obeyed"]


async def test_a_flag_of_a_sale_is_noted_once_and_a_sign_on_ends_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        found = demands(journal, ScriptedAcquirer())
        await found.note([DoFirst.SIGN_ON])
        await found.note([DoFirst.SIGN_ON, DoFirst.STATUS])
        refusal = await found.refusal()
        assert refusal is not None
        assert refusal.next_step == "posfw sign-on"
        assert await found.signed_on((), status_told=False) == ["status"]
        assert await found.refusal() is None  # a report that is owed stops nobody
        assert await found.signed_on((), status_told=True) == []


async def test_keys_are_wanted_until_the_element_holds_others(tmp_path: Path) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        first = demands(journal, ScriptedAcquirer())
        assert await first.signed_on({DoFirst.KEYS}, status_told=True) == ["keys"]
        assert await first.refusal() is None
        again = demands(journal, ScriptedAcquirer())
        assert await again.open() == {DoFirst.KEYS}
        loaded = replace_element(again, b"POSFW002")
        assert await loaded.open() == set()


def replace_element(found: Demands, key_id: bytes) -> Demands:
    return replace(found, element=element(key_id), _known=None)
