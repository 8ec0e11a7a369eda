"""Parameters, a card's history and the slip's block, over a real journal."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from pathlib import Path
from typing import Any

import cbor2
import pytest

from posfw.app.chip_data import ChipHistory, ChipParameters, slip_lines
from posfw.app.parameters import Parameters
from posfw.board.site import parse_site
from posfw.emv.effects import CardHistory
from posfw.emv.parameters import ExceptionFile
from posfw.journal.store import Journal
from posfw.keys.software import SoftwareElement
from posfw.sim.chip.demo import demo_set
from posfw.sim.chip.drive import parameters
from posfw.sim.chip.profile import UNIONPAY
from posfw.values.card import CardNumber, EntryMode
from posfw.values.errors import ConfigError, LinkError
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
from tests.app.fakes import NOW, ScriptedAcquirer, SetClock, do, opened
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


def loaded(values: dict[str, Plain], name: str = "emv", after_s: int = 0) -> Record:
    """A set as app.parameters keeps what the acquirer sent."""
    body: dict[str, Plain] = {"set": name, "values": {"version": 1, **values}}
    return Record(Topic.PARAMETERS, "loaded", NOW + timedelta(seconds=after_s), body=body)


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


async def test_the_newest_sets_exception_file_counts_and_holds_no_number(tmp_path: Path) -> None:
    salt = b"a salt of the acquirer's"
    first = ExceptionFile(salt).stands_for(NUMBER)
    assert first == hmac.new(salt, NUMBER.reveal().encode(), hashlib.sha256).digest()[:8]
    async with opened(tmp_path, SetClock()) as journal:
        site = parse_site(SITE, source="site")
        held = ChipParameters(journal, site, parameters((UNIONPAY,)))
        history = ChipHistory(journal, ELEMENT, held.lists)
        await held.current()
        assert not (await history(NUMBER, 1)).listed
        listing: Plain = {"salt": salt, "cards": [first]}
        await journal.append(loaded({**PLAIN, "exceptions": listing}))
        await held.current()
        assert (await history(NUMBER, 1)).listed
        assert not (await history(OTHER, 1)).listed
        await journal.append(loaded({**PLAIN}, after_s=1))  # the next set lists nobody
        await held.current()
        assert not (await history(NUMBER, 1)).listed


async def test_a_set_that_came_over_the_line_replaces_the_files(tmp_path: Path) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        site = parse_site(SITE, source="site")
        held = ChipParameters(journal, site, parameters((UNIONPAY,)))
        before = await held.current()
        assert before is not None
        assert (before.terminal, before.merchant) == ("12345678", "898110154110001")
        assert before.aids[0].aid == UNIONPAY.aid[:7]
        await journal.append(loaded({"x": 1}, "fees"))
        await journal.append(loaded(PLAIN))
        after = await held.current()
        assert after is not None
        assert after.aids[0].aid == bytes.fromhex("A000000333")
        assert await ChipParameters(journal, site).current() == after  # after a restart


async def test_a_set_with_mistakes_is_never_used_in_part(tmp_path: Path) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        held = ChipParameters(journal, parse_site(SITE, source="site"), parameters((UNIONPAY,)))
        bad: dict[str, Plain] = {**PLAIN, "surprise": 1}
        await journal.append(loaded(bad))
        for _ in range(2):
            with pytest.raises(ConfigError):
                await held.current()
        await journal.append(loaded(PLAIN, after_s=1))
        mended = await held.current()
        assert mended is not None
        assert mended.aids[0].aid == bytes.fromhex("A000000333")


async def test_the_acquirers_keys_come_by_the_parameters_message(tmp_path: Path) -> None:
    wire = cbor2.loads(cbor2.dumps({"emv": {"version": 4, **demo_set([UNIONPAY])}}))
    async with opened(tmp_path, SetClock()) as journal:
        acquirer = ScriptedAcquirer({"parameters": {"response_code": "00", "sets": wire}})
        told = await do(Parameters(journal, acquirer, SetClock()), "parameters_load")
        assert told["parameters"] == {"emv": 4}
        (key,) = told["chip"]["ca_keys"]
        assert (key["rid"], key["index"], key["bits"]) == ("A000000333", "F0", 1984)
        held = ChipParameters(journal, parse_site(SITE, source="site"))
        made = await held.current()
        assert made is not None
        assert made.ca_keys == parameters((UNIONPAY,)).ca_keys
        assert made.aids[0].tac_online == parameters((UNIONPAY,)).aids[0].tac_online


async def test_a_key_whose_checksum_does_not_fit_is_never_kept(tmp_path: Path) -> None:
    wrong: dict[str, Any] = demo_set([UNIONPAY])
    wrong["ca_key"][0]["checksum"] = bytes(20)
    wrong["aid"][0]["floor_minor"] = -1
    sets = {"emv": {"version": 4, **wrong}, "limits": {"version": 1}}
    async with opened(tmp_path, SetClock()) as journal:
        acquirer = ScriptedAcquirer({"parameters": {"response_code": "00", "sets": sets}})
        with pytest.raises(LinkError, match=r"floor_minor.*checksum does not fit") as refused:
            await do(Parameters(journal, acquirer, SetClock()), "parameters_load")
        assert refused.value.stable_code == "ACT-124"
        assert await journal.read(Topic.PARAMETERS) == []


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
