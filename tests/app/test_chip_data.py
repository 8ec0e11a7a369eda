"""Parameters, a card's history and the slip's block, over a real journal."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from posfw.app.chip_data import ChipHistory, ChipParameters, slip_lines
from posfw.board.site import parse_site
from posfw.emv.effects import CardHistory
from posfw.journal.store import Journal
from posfw.keys.software import SoftwareElement
from posfw.sim.chip.drive import parameters
from posfw.sim.chip.profile import UNIONPAY
from posfw.values.card import CardNumber, EntryMode
from posfw.values.errors import ConfigError
from posfw.values.events import Plain, Record, Topic
from posfw.values.money import Money
from posfw.values.outcome import Answer
from posfw.values.transaction import (
    ChipFacts,
    Conclusion,
    Ending,
    Intent,
    Kind,
    Owed,
    OwedKind,
)
from tests.app.fakes import NOW, SetClock, opened
from tests.system.chip_counter import SITE

ELEMENT = SoftwareElement(bytes(32), bytes(8), b"s" * 32)
NUMBER = CardNumber(UNIONPAY.pan)
OTHER = CardNumber("4761739001010119")
PLAIN: dict[str, Plain] = {
    "aid": [
        {
            "aid": b"\xa0\x00\x00\x03\x33",
            "tac_denial": bytes(5),
            "tac_online": bytes(5),
            "tac_default": bytes(5),
        }
    ]
}


async def stored(journal: Journal, number: CardNumber, minor: int, ending: Ending) -> None:
    intent = Intent(
        Kind.SALE,
        Money(minor),
        EntryMode.CHIP,
        number.masked,
        ELEMENT.token(number),
        "01",
        NOW,
    )
    begun = await journal.begin(intent)
    kind = OwedKind.ADVICE if ending is Ending.APPROVED_OFFLINE else OwedKind.UPLOAD
    owed = (Owed(0, kind, begun.key, sealed=b"s"),)
    await journal.conclude(Conclusion(begun.key, ending, NOW, Answer("00"), owed=owed))


async def test_split_sales_are_the_cards_own_stored_and_not_yet_sent(tmp_path: Path) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        history = ChipHistory(journal, ELEMENT)
        assert await history(NUMBER, 1) == CardHistory(0, listed=False)
        await stored(journal, NUMBER, 100, Ending.APPROVED_OFFLINE)
        await stored(journal, NUMBER, 20, Ending.APPROVED_OFFLINE)
        await stored(journal, OTHER, 4000, Ending.APPROVED_OFFLINE)
        await stored(journal, NUMBER, 8000, Ending.APPROVED)
        assert (await history(NUMBER, 1)).approved_minor == 120
        owed = next(each for each in await journal.owed(9) if each.key.stan == 1)
        await journal.acknowledge(owed, "00", NOW)
        assert (await history(NUMBER, None)).approved_minor == 20


async def test_a_listed_card_is_known_by_its_token(tmp_path: Path) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        listed = ChipHistory(journal, ELEMENT, {ELEMENT.token(NUMBER)}.__contains__)
        assert (await listed(NUMBER, 1)).listed
        assert not (await listed(OTHER, 1)).listed


async def test_a_set_that_came_over_the_line_replaces_the_files(tmp_path: Path) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        site = parse_site(SITE, source="site")
        held = ChipParameters(journal, site, parameters((UNIONPAY,)))
        before = await held.current()
        assert before is not None
        assert (before.terminal, before.merchant) == ("12345678", "898110154110001")
        assert before.aids[0].aid == UNIONPAY.aid[:7]
        await journal.append(Record(Topic.PARAMETERS, "fees", NOW, body={"x": 1}))
        await journal.append(Record(Topic.PARAMETERS, "emv", NOW, body=PLAIN))
        after = await held.current()
        assert after is not None
        assert after.aids[0].aid == bytes.fromhex("A000000333")
        assert await ChipParameters(journal, site).current() == after  # after a restart


async def test_a_set_with_mistakes_is_never_used_in_part(tmp_path: Path) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        held = ChipParameters(journal, parse_site(SITE, source="site"), parameters((UNIONPAY,)))
        bad: dict[str, Plain] = {**PLAIN, "surprise": 1}
        await journal.append(Record(Topic.PARAMETERS, "emv", NOW, body=bad))
        for _ in range(2):
            with pytest.raises(ConfigError):
                await held.current()
        later = NOW + timedelta(seconds=1)
        await journal.append(Record(Topic.PARAMETERS, "emv", later, body=PLAIN))
        mended = await held.current()
        assert mended is not None
        assert mended.aids[0].aid == bytes.fromhex("A000000333")


async def test_without_any_set_no_chip_is_read(tmp_path: Path) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        assert await ChipParameters(journal, parse_site(SITE, source="site")).current() is None


def test_the_block_names_the_cryptogram_by_its_kind_and_prints_plain_characters() -> None:
    facts = ChipFacts(
        {0x9F27: b"\x40", 0x9F26: b"\x01" * 8, 0x95: bytes(5), 0x50: b"VISA \x1b@\xff2"},
        signature=True,
    )
    assert slip_lines(facts) == (("TC", "01" * 8), ("TVR", "00" * 5), ("APP", "VISA @2"))
    assert slip_lines(ChipFacts({0x9F27: b"\x80", 0x9F26: b"\x02" * 8}, signature=True)) == (
        ("ARQC", "02" * 8),
    )
    assert slip_lines(None) == ()
