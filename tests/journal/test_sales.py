from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from posfw.values.errors import (
    MisuseError,
)
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import (
    ChipFacts,
    Conclusion,
    Ending,
    Kind,
    State,
)
from tests.journal.fakes import NOW, SALE, approved, opened, unknown


async def test_what_was_committed_is_there_after_reopening(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        await journal.conclude(approved(begun))
    async with opened(tmp_path, create=False) as journal:
        found = await journal.transaction(begun.key)
        assert found is not None
        assert (found.state, found.begun) == (State.APPROVED, begun)
        assert found.answer == approved(begun).answer
        assert await journal.verify() is None


async def test_numbers_rise_and_are_never_used_twice(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    for _ in range(3):
        async with opened(tmp_path) as journal:
            for _ in range(3):
                begun = await journal.begin(SALE)
                seen.append((begun.key.stan, begun.ksn_counter))
                await journal.conclude(approved(begun))
                assert await journal.reserve_counters(2) > begun.ksn_counter
    assert seen == sorted(set(seen))
    assert [stan for stan, _ in seen] == list(range(1, 10))


async def test_begun_without_conclusion_is_in_doubt_after_reopening(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
    async with opened(tmp_path) as journal:
        (doubtful,) = await journal.in_doubt()
        assert doubtful.begun == begun
        assert (await journal.standing()).in_doubt == 1


@pytest.mark.parametrize(
    "facts",
    [
        None,
        ChipFacts({}, signature=False),
        ChipFacts({0x9F26: b"12345678"}, signature=True),
        ChipFacts({}, signature=False, free_minor=100_000),
    ],
)
async def test_what_a_card_leaves_for_the_slip_is_kept(
    facts: ChipFacts | None, tmp_path: Path
) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        await journal.conclude(replace(approved(begun), chip=facts))
    async with opened(tmp_path, create=False) as journal:
        found = await journal.transaction(begun.key)
        assert found is not None
        assert found.chip == facts


async def test_a_second_conclusion_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        await journal.conclude(unknown(begun))
        with pytest.raises(MisuseError):
            await journal.conclude(approved(begun))
        found = await journal.transaction(begun.key)
        assert found is not None
        assert found.state is State.REVERSING


async def test_a_void_marks_and_a_refund_adds(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        first = await journal.begin(SALE)
        await journal.conclude(approved(first))
        for amount in (300, 200):
            refund = replace(SALE, kind=Kind.REFUND, amount=Money(amount), original=first.key)
            await journal.conclude(approved(await journal.begin(refund)))
        void = replace(SALE, kind=Kind.VOID, original=first.key)
        await journal.conclude(approved(await journal.begin(void)))
        found = await journal.transaction(first.key)
        assert found is not None
        assert (found.refunded, found.voided) == (Money(500), True)


@pytest.mark.parametrize("ending", [Ending.UNKNOWN, Ending.APPROVED_OFFLINE])
async def test_doubt_that_owes_nothing_is_refused(tmp_path: Path, ending: Ending) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        with pytest.raises(MisuseError):
            await journal.conclude(Conclusion(begun.key, ending, NOW))
        assert len(await journal.in_doubt()) == 1


async def test_a_void_of_what_is_not_there_is_refused_whole(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        void = replace(SALE, kind=Kind.VOID, original=Key("12345678", 1, 99))
        begun = await journal.begin(void)
        with pytest.raises(MisuseError):
            await journal.conclude(approved(begun))
        assert (await journal.standing()).in_doubt == 1
