from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from posfw.values.errors import (
    MisuseError,
)
from posfw.values.transaction import (
    OwedKind,
    State,
    Stored,
)
from tests.journal.fakes import NOW, SALE, offline, opened, unknown


async def test_a_reversal_ends_only_by_the_acquirers_word(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        await journal.conclude(unknown(begun))
    async with opened(tmp_path) as journal:
        (owed,) = await journal.owed(10)
        await journal.acknowledge(owed, "00", NOW)
        await journal.acknowledge(owed, "00", NOW)  # a duplicate answer changes nothing
        found = await journal.transaction(begun.key)
        assert found is not None
        assert found.state is State.REVERSED
        assert await journal.owed(10) == []


async def test_clearing_by_hand_needs_a_reason(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        await journal.conclude(unknown(begun))
        (owed,) = await journal.owed(10)
        with pytest.raises(MisuseError):
            await journal.clear(owed, "00", " ", NOW)
        await journal.clear(owed, "00", "bank confirmed by telephone", NOW)
        found = await journal.transaction(begun.key)
        assert found is not None
        assert found.state is State.CLEARED


async def test_what_the_acquirer_refuses_goes_to_a_list_and_not_away(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        await journal.conclude(offline(begun))
        (owed,) = await journal.owed(10)
        await journal.reject(owed, "14", NOW)
        assert await journal.owed(10) == []
        assert [(o.key, code) for o, code in await journal.rejected()] == [(begun.key, "14")]
        assert (await journal.standing()).rejected == 1


async def test_reversals_are_sent_before_advices(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for conclusion in (offline, unknown, offline):
            await journal.conclude(conclusion(await journal.begin(SALE)))
        kinds = [owed.kind for owed in await journal.owed(10)]
        assert kinds == [OwedKind.REVERSAL, OwedKind.ADVICE, OwedKind.ADVICE]
        standing = await journal.standing()
        assert (standing.offline_count, standing.offline_sum) == (2, 2500)


async def test_what_one_card_has_stored_is_found_by_its_token_alone(tmp_path: Path) -> None:
    other = replace(SALE, card_token=b"u" * 16)
    async with opened(tmp_path) as journal:
        assert await journal.stored(SALE.card_token) == Stored()
        for intent, ending in (
            (SALE, offline),
            (other, offline),
            (SALE, offline),
            (SALE, unknown),
        ):
            await journal.conclude(ending(await journal.begin(intent)))
        assert await journal.stored(SALE.card_token) == Stored(2, 2500)
        assert await journal.stored(other.card_token) == Stored(1, 1250)
        assert await journal.stored(b"v" * 16) == Stored()
        assert await journal.stored(b"") == Stored()  # what came without a card
    async with opened(tmp_path) as journal:
        advice = next(o for o in await journal.owed(10) if o.kind is OwedKind.ADVICE)
        await journal.acknowledge(advice, "00", NOW)
        assert await journal.stored(SALE.card_token) == Stored(1, 1250)


async def test_a_late_acknowledgement_ends_no_later_message(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.conclude(unknown(await journal.begin(SALE)))
        (first,) = await journal.owed(10)
        await journal.acknowledge(first, "00", NOW)
        await journal.conclude(unknown(await journal.begin(SALE)))
        await journal.acknowledge(first, "00", NOW)
        (second,) = await journal.owed(10)
        assert second.number != first.number


async def test_many_messages_of_one_kind_hide_no_other_kind(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for conclusion in [unknown] * 5 + [offline] * 3:
            await journal.conclude(conclusion(await journal.begin(SALE)))
        first = await journal.owed(2)
        assert [(owed.number, owed.kind) for owed in first] == [
            (1, OwedKind.REVERSAL),
            (2, OwedKind.REVERSAL),
            (6, OwedKind.ADVICE),
            (7, OwedKind.ADVICE),
        ]
        assert [owed.number for owed in await journal.owed(2, after=2)] == [3, 4, 6, 7]
