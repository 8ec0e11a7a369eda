"""Every bad card ends in what the rules prescribe and a plain sentence, in Chinese and English."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskStatus

from posfw.app.catalogue import load_texts
from posfw.app.holders import Holders, sentence
from posfw.app.reader_desk import ReaderDesk
from posfw.card import codes
from posfw.card.supervisor import Activity
from posfw.sim.cards import TestCard, deck
from posfw.values.card import CardNumber, CardRead, EntryMode, Secret
from posfw.values.errors import DeviceError
from posfw.values.money import Money
from posfw.values.texts import ENGLISH, Texts
from tests.app.till import Till, till

CARDS = deck(5)
TEXTS = {language: load_texts(language) for language in ("en", "zh-Hans", "zh-Hant")}
BLOCK = Secret(b"p" * 28)
CVM_PIN = Secret(bytes.fromhex("9F3403020300"))  # CVM results: online PIN


@dataclass
class Reads:
    """A reader that gives what a test says, then nothing; None waits until it is cancelled."""

    queue: list[CardRead | str | None]
    asked: list[tuple[int, int]] = field(default_factory=list)
    ended: list[bool] = field(default_factory=list)
    waits: anyio.Event = field(default_factory=anyio.Event)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        task_status.started()

    async def card(self, amount: Money, *, wait_s: float, counter: int) -> CardRead | str:
        self.asked.append((amount.minor, counter))
        read = self.queue.pop(0) if self.queue else codes.NO_CARD
        if read is None:
            self.waits.set()
            await anyio.sleep_forever()
        assert read is not None
        return read

    async def finished(self, *, approved: bool) -> None:
        self.ended.append(approved)


@dataclass
class Pad:
    """A PIN pad that gives what a test says; an error is raised."""

    blocks: list[Secret | DeviceError | None]
    prompts: list[int] = field(default_factory=list)

    async def pin_block(self, number: CardNumber, amount: Money, prompt_id: int) -> Secret | None:
        self.prompts.append(prompt_id)
        block = self.blocks.pop(0)
        if isinstance(block, DeviceError):
            raise block
        return block


async def _free() -> Money | None:
    return Money(100_000)


@asynccontextmanager
async def counter(
    folder: Path,
    *reads: CardRead | str | None,
    pad: Pad | None = None,
    slot: bool = True,
    texts: Texts = ENGLISH,
) -> AsyncIterator[tuple[Till, ReaderDesk, Reads]]:
    async with till(folder) as there:
        source = Reads(list(reads))
        desk = ReaderDesk(
            source=source,
            slot=slot,
            sales=there.cashier.sales,
            holders=Holders(texts, pad, _free),
            clock=there.clock,
            texts=texts,
            card_s=1.0,
        )
        there.cashier = replace(there.cashier, chips=desk, texts=texts)
        yield there, desk, source


async def sell(there: Till, amount: str = "12.00") -> Any:
    return await there.do(there.cashier, "sale", amount=amount)


def swiped(card: TestCard, service: str = "101", expiry: str = "3012") -> CardRead:
    return CardRead(card.number, EntryMode.SWIPED, expiry, service)


def tapped(card: TestCard, *, emv: Secret = CVM_PIN, expiry: str = "3012") -> CardRead:
    return CardRead(card.number, EntryMode.CONTACTLESS, expiry, "201", emv=emv, signature=False)


PLAIN, CHIP = swiped(CARDS["visa"]), swiped(CARDS["visa"], "201")
LONG = swiped(CARDS["unionpay-19"])
ODD = CardRead(CardNumber("4222222222222"), EntryMode.SWIPED, "3012", "101")
EXPIRED = swiped(CARDS["visa"], expiry="2601")
CASH_ONLY = swiped(CARDS["visa"], "103")
NEEDS_PIN = swiped(CARDS["visa"], "120")

# What comes, the code of the ending ("" is a sale), what the screen says meanwhile, zh and en.
BAD = {
    "nothing": ((), "CRD-001", "", ""),
    "two cards": ((codes.SEVERAL_CARDS,), "CRD-001", "Present one card only", "请只出示一张卡"),
    "two cards, then one": (
        (codes.SEVERAL_CARDS, PLAIN), "", "Present one card only", "请只出示一张卡"),
    "dead or upside-down chip": (
        (codes.CHIP_MUTE,), "CRD-001",
        "The chip does not answer: take the card out and swipe it", "芯片无应答"),
    "dead chip, then its stripe": (
        (codes.CHIP_MUTE, CHIP), "",
        "The chip does not answer: take the card out and swipe it", "芯片无应答"),
    "stripe of a good chip": ((CHIP,), "CRD-001", "Insert the card", "请插卡"),
    "no payment card, or blocked": ((codes.CARD_REFUSED,), "CRD-313", "", ""),
    "refused chip, then its stripe": ((codes.CARD_REFUSED, CHIP), "CRD-313", "", ""),
    "taken away too early": (
        (codes.TRY_AGAIN, PLAIN), "", "Tap again and hold the card still", "请重新挥卡"),
    "tap not possible": ((codes.OTHER_WAY, PLAIN), "", "Insert the card", "请插卡"),
    "stripe not read": ((codes.BAD_TRACK, PLAIN), "", "Swipe again", "请重新刷卡"),
    "no card at all on the stripe": ((codes.UNUSABLE,), "CRD-001", "Swipe again", "请重新刷卡"),
    "19 digits": ((LONG,), "", "", ""),
    "an odd number of digits": ((ODD,), "", "", ""),
    "expired": ((EXPIRED,), "CRD-305", "", ""),
    "expired, tapped": ((tapped(CARDS["visa"], expiry="2601"),), "CRD-305", "", ""),
    "for cash machines only": ((CASH_ONLY,), "CRD-313", "", ""),
    "needs a PIN, no pad": ((NEEDS_PIN,), "CRD-320", "", ""),
    "reader unplugged": ((codes.READER_GONE,), "CRD-308", "", ""),
    "reader silent": ((codes.READER_SILENT,), "CRD-309", "", ""),
    "reader refuses": ((codes.READER_REFUSED,), "CRD-310", "", ""),
    "enciphered for somebody else": ((codes.ENCRYPTED,), "CRD-311", "", ""),
    "a result of another sale": ((codes.MISMATCH,), "CRD-314", "", ""),
    "seven cards in a row": ((codes.SEVERAL_CARDS,) * 7, "CRD-316", "Present one card only",
                             "请只出示一张卡"),
}  # fmt: skip


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("name", BAD)
async def test_bad_cards(name: str, language: str, tmp_path: Path) -> None:
    reads, code, shown, shown_zh = BAD[name]
    texts = TEXTS[language]
    async with counter(tmp_path, *reads, texts=texts) as (there, _, source):
        ended = await sell(there)
        told = " ".join(str(body["text"]) for body in there.told)
        if language == "en":
            assert shown in told
        elif language == "zh-Hans":
            assert shown_zh in told
        if not code:
            assert ended["ending"] == "success", ended
            assert source.ended == [True]
            assert len(await there.journal.transactions()) == 1
            return
        assert (ended["ending"], ended["code"]) == ("failed", code)
        _, plain, *_ = ended["lines"]
        assert plain.endswith("." if language == "en" else "。")
        assert "CRD" not in plain
        assert any(sign >= "一" for sign in plain) is (language != "en")
        assert await there.journal.transactions() == []  # nothing was begun, nothing is owed


async def test_only_a_dead_chip_makes_a_fall_back_and_it_is_marked(tmp_path: Path) -> None:
    async with counter(tmp_path, codes.CHIP_MUTE, CHIP) as (there, _, _source):
        await sell(there)
        [sale] = await there.journal.transactions()
        assert sale.begun.intent.entry_mode is EntryMode.FALLBACK
        assert [body["fallback"] for body in there.told if body["screen"] == "present_card"] == [
            False,
            True,
        ]


async def test_a_stripe_reader_with_a_pin_pad_sends_chips_away(tmp_path: Path) -> None:
    async with counter(tmp_path, CHIP, slot=False) as (there, _, _source):
        assert (await sell(there))["code"] == "CRD-306"
        assert there.told[0]["text"] == "Swipe the card: 12.00"


async def test_what_the_slip_says_about_the_holder(tmp_path: Path) -> None:
    pad = Pad([BLOCK, BLOCK])
    cards = (PLAIN, NEEDS_PIN, tapped(CARDS["visa"]), tapped(CARDS["visa"]))
    async with counter(tmp_path, *cards, pad=pad) as (there, _, _source):
        for amount in ("12.00", "12.00", "1000.00", "1001.00"):
            assert (await sell(there, amount))["ending"] == "success"
        facts = [sale.chip for sale in await there.journal.transactions()]
        assert [fact and (fact.signature, fact.free_minor) for fact in facts] == [
            (True, 0),
            (False, 0),
            (False, 100_000),
            (False, 0),
        ]
        assert pad.prompts == [0, 0]


async def test_the_limit_is_for_what_takes_or_holds_money(tmp_path: Path) -> None:
    pad = Pad([None])
    async with counter(tmp_path, tapped(CARDS["visa"]), pad=pad) as (there, _, source):
        ended = await there.do(there.cashier, "balance")
        assert ended["code"] == "CRD-002"  # its PIN was asked for and not given
        assert source.ended == [False]


async def test_a_broken_pad_is_told_and_nothing_is_begun(tmp_path: Path) -> None:
    pad = Pad([DeviceError("silence", code=codes.READER_SILENT)])
    async with counter(tmp_path, NEEDS_PIN, pad=pad) as (there, _, source):
        ended = await sell(there)
        assert ended["code"] == "CRD-309"
        assert ended["lines"][1] == "The PIN pad does not answer."
        assert await there.journal.transactions() == []
        assert source.ended == [False]


async def test_a_wrong_pin_is_asked_for_again_and_other_declines_are_not(tmp_path: Path) -> None:
    for amount, prompts in (("10.55", [0, 1, 2]), ("10.51", [0]), ("10.75", [0])):
        pad = Pad([BLOCK] * 3)
        folder = tmp_path / amount
        folder.mkdir()
        async with counter(folder, NEEDS_PIN, pad=pad) as (there, _, source):
            await sell(there, amount)
            assert pad.prompts == prompts
            assert len(source.asked) == 1
            stans = [sale.key.stan for sale in await there.journal.transactions()]
            assert stans == list(range(1, len(prompts) + 1))


async def test_a_tap_with_a_wrong_pin_is_tapped_again(tmp_path: Path) -> None:
    pad, card = Pad([BLOCK] * 3), tapped(CARDS["visa"])
    async with counter(tmp_path, card, card, card, card, pad=pad) as (there, _, source):
        await sell(there, "2000.55")
        assert pad.prompts == [0, 1, 2]
        assert [counter for _, counter in source.asked] == [1, 2, 3]  # each has its own number


async def test_cancelling_waits_for_the_reader_and_then_the_next_sale_goes(tmp_path: Path) -> None:
    async with counter(tmp_path, None, PLAIN) as (there, desk, source):
        found: list[Any] = []

        async def sale() -> None:
            found.append(await sell(there))

        async with anyio.create_task_group() as group:
            group.start_soon(sale)
            await source.waits.wait()
            assert await desk.verbs()["card_cancel"]({}, lambda _: None) == {"ok": True}
        assert found[0]["code"] == "CRD-002"
        assert [body["screen"] for body in there.told] == ["present_card", "cancelling"]
        assert (await sell(there))["ending"] == "success"
        assert await desk.verbs()["card_cancel"]({}, lambda _: None) == {"ok": False}


async def test_what_the_reader_is_at_is_shown_while_a_sale_waits_and_never_else(
    tmp_path: Path,
) -> None:
    async with counter(tmp_path, None) as (there, desk, source):
        desk.watch(Activity.READING)  # nobody waits
        async with anyio.create_task_group() as group:
            group.start_soon(sell, there)
            await source.waits.wait()
            for activity in (Activity.WAITING, Activity.READING, Activity.READING):
                desk.watch(activity)
            assert [body["screen"] for body in there.told] == ["present_card", "reading"]
            group.cancel_scope.cancel()


def test_every_code_has_a_sentence_in_each_language() -> None:
    for texts in TEXTS.values():
        for code in codes.SENTENCES:
            assert sentence(code, texts) != code
    assert sentence("CRD-999", ENGLISH) == "The card could not be read."
