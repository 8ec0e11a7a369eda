"""A PIN that the card itself checks, from the pad to the card, and where it is never seen."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from posfw.app.chip import ChipSession
from posfw.app.chip_people import ENTER_PIN, LAST_TRY, WRONG_PIN, AtCounter, ChipPeople
from posfw.emv.bits import TSI, TVR, Capability
from posfw.emv.effects import (
    CardHistory,
    EnterOfflinePin,
    Finished,
    PinBypassed,
    PinPadBroken,
    Request,
    Transmit,
    Verdict,
)
from posfw.emv.kernel import Kernel, begin
from posfw.emv.parameters import EmvParameters
from posfw.emv.tags import Tag
from posfw.sim.chip.card import ChipCard
from posfw.sim.chip.drive import parameters
from posfw.sim.chip.pinpad import CardPad
from posfw.sim.chip.profile import UNIONPAY
from posfw.values.card import CardNumber
from posfw.values.money import Money
from posfw.values.texts import ENGLISH

PLAIN, ENCIPHERED = "01001F00", "04001F00"  # always; the second rule is never reached
AMOUNT = Money(5_000)  # below the floor limit: the card approves by itself
PIN, WRONG = "739154", "111111"
BLOCK = bytes.fromhex("26739154FFFFFFFF")


@dataclass
class Plugged:
    """A card; keeps what it was sent."""

    chip: ChipCard
    protocol: int = 1
    sent: list[bytes] = field(default_factory=list)

    async def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        return self.chip.transmit(command)


async def nobody(_: CardNumber, __: int | None) -> CardHistory:
    return CardHistory()


@dataclass
class Sold:
    kernel: Kernel
    chip: ChipCard
    card: Plugged
    screens: list[Any]

    @property
    def finished(self) -> Finished:
        assert self.kernel.finished is not None
        return self.kernel.finished

    def value(self, tag: int) -> bytes:
        return self.kernel.context.value(tag)

    @property
    def bits(self) -> tuple[str, TVR]:
        """CVM Results, and the verification byte of the TVR."""
        return self.value(Tag.CVM_RESULTS).hex().upper(), self.kernel.context.tvr & TVR(0xFF0000)


async def sell(cvm: str, pad: CardPad | None, *, tries: int = 3, bypass: bool = True) -> Sold:
    profile = replace(UNIONPAY, cvm=cvm, pin=PIN)
    chip = ChipCard(profile, random.Random(7).randbytes, tries=tries)
    people, screens = ChipPeople(ENGLISH, 1.0, card_pad=pad), list[Any]()
    card = Plugged(chip)
    counter = AtCounter(people, AMOUNT, screens.append, bypass=bypass)
    request = Request(AMOUNT, datetime(2026, 11, 24, tzinfo=UTC), b"1234", 50)
    kernel = begin(people.fitted(parameters((profile,))), request)
    kernel = await ChipSession(card, counter, nobody).read(kernel)
    return Sold(kernel, chip, card, screens)


def pad_of(*pins: str, shielded: bool = True) -> CardPad:
    return CardPad(random.Random(8).randbytes, list(pins), shielded=shielded)


@pytest.mark.parametrize(("cvm", "method"), [(PLAIN, "01"), (ENCIPHERED, "04")])
@pytest.mark.parametrize(
    ("pins", "tries", "result", "bits", "prompts"),
    [
        ([PIN], 3, "02", TVR.NONE, [ENTER_PIN]),
        ([WRONG, PIN], 3, "02", TVR.NONE, [ENTER_PIN, WRONG_PIN]),
        ([PIN], 1, "02", TVR.NONE, [LAST_TRY]),
        # Book 3, 10.5.1: the counter is used up by this transaction, or was before it.
        ([WRONG] * 3, 3, "01", TVR.PIN_TRY_LIMIT_EXCEEDED, [ENTER_PIN, WRONG_PIN, LAST_TRY]),
        ([PIN], 0, "01", TVR.PIN_TRY_LIMIT_EXCEEDED, []),
        # Book 4, 6.3.4.3: passed over at once, and after a wrong entry.
        ([""], 3, "01", TVR.PIN_NOT_ENTERED, [ENTER_PIN]),
        ([WRONG, ""], 3, "01", TVR.PIN_NOT_ENTERED, [ENTER_PIN, WRONG_PIN]),
        # Book 3, 10.5.1: the pad does not answer.
        ([], 3, "01", TVR.PIN_PAD_NOT_PRESENT_OR_NOT_WORKING, [ENTER_PIN]),
    ],
)
async def test_every_way_of_an_entry_sets_the_bits_of_the_books(
    cvm: str, method: str, pins: list[str], tries: int, result: str, bits: TVR, prompts: list[int]
) -> None:
    pad = pad_of(*pins)
    sold = await sell(cvm, pad, tries=tries)
    if result == "01":
        bits |= TVR.CARDHOLDER_VERIFICATION_NOT_SUCCESSFUL
    assert sold.bits == (f"{method}00{result}", bits)
    assert sold.kernel.context.tsi & TSI.CARDHOLDER_VERIFICATION
    assert pad.prompts == prompts
    assert len(sold.screens) == len(prompts)
    if result == "02":
        assert sold.finished.verdict is Verdict.APPROVED_OFFLINE
        assert sold.chip.tries == UNIONPAY.tries


@pytest.mark.parametrize("cvm", [PLAIN, ENCIPHERED])
async def test_cancelling_at_the_pad_ends_the_sale(cvm: str) -> None:
    sold = await sell(cvm, pad_of("cancel"))
    assert sold.finished.verdict is Verdict.CANCELLED
    assert all(each[1] != 0x20 for each in sold.card.sent)


async def test_where_no_bypass_is_allowed_an_empty_entry_cancels() -> None:
    assert (await sell(PLAIN, pad_of(""), bypass=False)).finished.verdict is Verdict.CANCELLED


@pytest.mark.parametrize(("cvm", "shown"), [(PLAIN, True), (ENCIPHERED, False)])
async def test_the_pin_is_gone_from_the_kernel_once_the_card_has_it(
    cvm: str, *, shown: bool
) -> None:
    sold = await sell(cvm, pad_of(PIN))
    # The plaintext block goes to the card and is in no other place; the enciphered one hides it.
    assert any(BLOCK in each for each in sold.card.sent) is shown
    told = [*vars(sold.kernel.context).values(), *sold.kernel.context.data.values()]
    assert BLOCK not in told
    assert not sold.kernel.context.pin_block
    everything = repr((sold.kernel, sold.screens, sold.finished)) + str(sold.screens)
    for seen in (PIN, BLOCK.hex(), BLOCK.hex().upper(), repr(BLOCK)[2:-1]):
        assert seen not in everything


async def test_a_block_on_its_way_is_never_shown() -> None:
    seen: list[str] = []
    pad = pad_of(PIN)

    class Watching(ChipSession):
        async def _perform(self, effect: Any) -> Any:
            answer = await super()._perform(effect)
            seen.append(repr((effect, answer)))
            return answer

    people = ChipPeople(ENGLISH, 1.0, card_pad=pad)
    profile = replace(UNIONPAY, cvm=PLAIN, pin=PIN)
    card = Plugged(ChipCard(profile, random.Random(7).randbytes))
    request = Request(AMOUNT, datetime(2026, 11, 24, tzinfo=UTC), b"1234", 50)
    counter = AtCounter(people, AMOUNT, lambda _: None)
    session = Watching(card, counter, nobody)
    await session.read(begin(people.fitted(parameters((profile,))), request))
    assert any(Transmit.__name__ in each for each in seen)  # it has looked
    assert any(BLOCK in each for each in card.sent)
    assert not [each for each in seen if PIN in each or BLOCK.hex() in each.lower()]


async def test_a_pad_without_a_shield_gives_no_pin_in_plaintext() -> None:
    """Book 2, 11.1: pad and slot apart, so only the enciphered method is promised and done."""
    pad = pad_of(PIN, PIN, shielded=False)
    people = ChipPeople(ENGLISH, 1.0, card_pad=pad)
    fitted = people.fitted(EmvParameters(()))
    assert not fitted.can(Capability.PLAINTEXT_PIN)
    assert fitted.can(Capability.ENCIPHERED_PIN)
    counter = AtCounter(people, AMOUNT, lambda _: None)
    assert await counter.ask(EnterOfflinePin()) == PinPadBroken()
    assert pad.prompts == []
    assert (await sell(ENCIPHERED, pad)).bits == ("040002", TVR.NONE)
    plain = await sell(PLAIN, pad)
    assert plain.bits[1] & TVR.PIN_PAD_NOT_PRESENT_OR_NOT_WORKING
    assert all(each[1] != 0x20 for each in plain.card.sent)


async def test_without_a_pad_the_rule_fails_and_nobody_is_asked() -> None:
    sold = await sell(ENCIPHERED, None)
    failed = TVR.CARDHOLDER_VERIFICATION_NOT_SUCCESSFUL | TVR.PIN_PAD_NOT_PRESENT_OR_NOT_WORKING
    assert sold.bits == ("040001", failed)
    assert sold.screens == []


async def test_an_entry_that_is_passed_over_counts_for_every_pin_after_it() -> None:
    """Book 4, 6.3.4.3."""
    pad = pad_of("", PIN)
    sold = await sell("440041001F00", pad)
    assert pad.prompts == [ENTER_PIN]
    assert sold.bits == ("1F0002", TVR.PIN_NOT_ENTERED)
    counter = AtCounter(ChipPeople(ENGLISH, 1.0, card_pad=pad_of("")), AMOUNT, lambda _: None)
    assert await counter.ask(EnterOfflinePin()) == PinBypassed()
