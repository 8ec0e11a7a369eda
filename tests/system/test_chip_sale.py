"""Whole chip sales: kernel, desk, sales, journal, uplink, TLS, a bank that checks cryptograms."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from posfw.app.documents import SlipComposer, merchant_of
from posfw.app.world import SystemClock
from posfw.board.site import parse_site
from posfw.emv.effects import Request
from posfw.emv.kernel import begin
from posfw.emv.parameters import EmvParameters, ExceptionFile
from posfw.sale.limits import Refusal
from posfw.sim.chip.card import ChipCard
from posfw.sim.chip.drive import Counter as Driven
from posfw.sim.chip.drive import parameters, run
from posfw.sim.chip.faults import FAULTS, Faulty, late
from posfw.sim.chip.issuer import UNBLOCK, Issuer, Script, read_objects
from posfw.sim.chip.profile import MASTERCARD, SCHEMES, UNIONPAY, VISA, Profile
from posfw.uplink.messages import MessageType
from posfw.values.card import CardNumber, CardRead, EntryMode, Secret
from posfw.values.document import Field
from posfw.values.money import Money
from posfw.values.texts import ENGLISH
from posfw.values.transaction import Begun, Conclusion, Ending, Kind, State
from tests.app.fakes import NOW
from tests.system.chip_counter import SITE, Counter, counter, inserting, swiping
from tests.system.test_money_path import TERMINAL, balanced

pytestmark = [pytest.mark.system, pytest.mark.may_block]

NO_PIN = replace(VISA, cvm="1F03")
ONLINE, SMALL = 30_000, 5_000
SCRIPT = Script(0x72, [UNBLOCK])
BLOCK = Secret(b"p" * 28)
STRIPE = CardRead(CardNumber(UNIONPAY.pan), EntryMode.SWIPED, "3012", "220")


def a_card(profile: Profile) -> ChipCard:
    return ChipCard(profile, random.Random(1).randbytes)


def genuine(card: CardRead) -> bool:
    """Ask an issuer that has nothing to do with the acquirer's whether the card made this."""
    return Issuer().genuine(card.emv.reveal(), card.number.reveal(), card.sequence or 0)


def cryptogram_kind(card: CardRead) -> int:
    return read_objects(card.emv.reveal())[0x9F27][0] & 0xC0


async def settled(made: Counter) -> None:
    await made.bench.until_nothing_is_owed()
    assert await balanced(made.bench)
    assert (await made.bench.journal.standing()).in_doubt == 0
    assert await made.bench.journal.verify() is None


@pytest.mark.parametrize("profile", SCHEMES, ids=lambda each: each.scheme)
async def test_an_online_sale_asks_the_issuer_answers_the_card_and_reports_scripts(
    tmp_path: Path, profile: Profile
) -> None:
    async with counter(tmp_path, profile) as made:
        made.acquirer.scripts = (SCRIPT,)
        ending, chip = await made.sell(ONLINE, profile)
        assert isinstance(ending, Conclusion)
        assert (ending.ending, ending.reason) == (Ending.APPROVED, "")
        assert (made.acquirer.issuer.checked, made.acquirer.issuer.wrong) == (1, 0)
        assert chip.unlocked  # the script ran on the card
        await settled(made)
        (place,) = made.acquirer.ledger.vouchers
        assert sorted(made.acquirer.ledger.vouchers[place]) == ["script_result", "upload"]
        (asked,), (certificate,) = (
            made.cards[MessageType.AUTHORISE],
            made.cards[MessageType.UPLOAD],
        )
        assert (cryptogram_kind(asked), cryptogram_kind(certificate)) == (0x80, 0x40)
        assert genuine(certificate)
        spoilt = bytearray(certificate.emv.reveal())
        spoilt[spoilt.index(b"\x9f\x26\x08") + 3] ^= 1
        assert not Issuer().genuine(bytes(spoilt), profile.pan, profile.sequence)
        assert made.shown[-1] == "remove_card"


async def test_the_slip_prints_what_the_chip_said(tmp_path: Path) -> None:
    async with counter(tmp_path, MASTERCARD) as made:
        ending, _ = await made.sell(ONLINE, MASTERCARD)
        journal = made.bench.journal
        found = await journal.transaction(ending.key)
        assert found is not None
        assert found.chip is not None
        site = parse_site(SITE, source="site")
        job = await journal.next_job()
        assert job is not None
        composer = SlipComposer(journal, merchant_of(site), ENGLISH, SystemClock())
        slip = await composer.compose(job)
        lines = {each.label: each.value for each in slip.blocks if isinstance(each, Field)}
        assert lines["TC"] == found.chip.tags[0x9F26].hex().upper()
        assert lines["AID"] == MASTERCARD.aid.hex().upper()
        assert lines["APP"] == MASTERCARD.label
        assert {"TVR", "TSI", "ATC", "AIP"} <= lines.keys()


async def test_a_decline_reaches_the_card_and_owes_nothing(tmp_path: Path) -> None:
    async with counter(tmp_path, UNIONPAY) as made:
        ending, _ = await made.sell(ONLINE + 51, UNIONPAY)
        assert (ending.ending, ending.reason) == (Ending.DECLINED, "51")
        assert ending.owed == ()
        assert made.acquirer.issuer.checked == 1
        await settled(made)
        assert made.acquirer.bank.records(TERMINAL, 1) == []


async def test_a_card_that_another_issuer_made_is_declined(tmp_path: Path) -> None:
    async with counter(tmp_path, UNIONPAY) as made:
        made.acquirer.issuer.key = bytes(16)
        ending, _ = await made.sell(ONLINE, UNIONPAY)
        assert (ending.ending, ending.reason) == (Ending.DECLINED, "05")
        assert (made.acquirer.issuer.checked, made.acquirer.issuer.wrong) == (0, 1)
        await settled(made)


async def test_a_card_torn_out_while_the_bank_is_asked_is_reversed(tmp_path: Path) -> None:
    async with counter(tmp_path, UNIONPAY) as made:
        made.acquirer.tap = lambda _: made.slot.remove()
        ending, _ = await made.sell(ONLINE, UNIONPAY)
        assert (ending.ending, ending.reason) == (Ending.UNKNOWN, "CRD-402")
        assert [each.reason for each in ending.owed] == ["06"]
        assert made.acquirer.bank.counts["code_00"] == 1  # the bank had approved
        await settled(made)
        assert await made.bench.state(ending.key) is State.REVERSED
        assert made.acquirer.bank.records(TERMINAL, 1) == []


async def test_a_reader_unplugged_while_the_bank_is_asked_is_reversed(tmp_path: Path) -> None:
    async with counter(tmp_path, UNIONPAY) as made:
        made.acquirer.tap = lambda _: made.slot.unplug()
        ending, _ = await made.sell(ONLINE, UNIONPAY)
        assert ending.ending is Ending.UNKNOWN
        await settled(made)
        assert made.acquirer.bank.records(TERMINAL, 1) == []


async def test_a_card_that_does_not_believe_the_bank_is_reversed(tmp_path: Path) -> None:
    async with counter(tmp_path, UNIONPAY) as made:
        made.acquirer.issuer.spoil = True  # a wrong ARPC
        ending, _ = await made.sell(ONLINE, UNIONPAY)
        assert (ending.ending, ending.reason) == (Ending.UNKNOWN, "CRD-412")
        await settled(made)
        assert made.acquirer.bank.records(TERMINAL, 1) == []


@pytest.mark.parametrize("fault", ["lose_answers", "wrong_macs", "duplicate_answers"])
async def test_a_line_that_misbehaves_leaves_books_that_balance(
    tmp_path: Path, fault: str
) -> None:
    async with counter(tmp_path, NO_PIN) as made:
        setattr(made.acquirer.faults, fault, 1)
        ending, _ = await made.sell(ONLINE, NO_PIN)
        assert ending.ending in (Ending.APPROVED, Ending.UNKNOWN)
        await settled(made)


async def test_doubt_that_stays_is_reversed_and_the_card_hears_of_no_approval(
    tmp_path: Path,
) -> None:
    async with counter(tmp_path, UNIONPAY, offline=True) as made:
        made.acquirer.faults.hold_answers = 1
        made.acquirer.faults.lose_inquiries = 1
        ending, chip = await made.sell(20_001, UNIONPAY)
        assert ending.ending is Ending.UNKNOWN
        kinds = [command[2] & 0xC0 for command in chip.log if command[1] == 0xAE]
        assert kinds == [0x80, 0x00]  # an ARQC was asked for, then an AAC
        await settled(made)
        assert await made.bench.state(ending.key) is State.REVERSED


async def test_a_small_sale_that_the_card_approves_asks_nobody_and_is_advised(
    tmp_path: Path,
) -> None:
    async with counter(tmp_path, NO_PIN, offline=True) as made:
        ending, _ = await made.sell(SMALL, NO_PIN)
        assert ending.ending is Ending.APPROVED_OFFLINE
        assert made.acquirer.asked == 0
        await settled(made)
        (certificate,) = made.cards[MessageType.ADVICE]
        assert certificate.approved_offline
        assert cryptogram_kind(certificate) == 0x40
        assert genuine(certificate)


async def test_a_listed_card_is_never_approved_without_its_issuer(tmp_path: Path) -> None:
    async with counter(tmp_path, NO_PIN, offline=True) as made:
        known = made.desk.parameters.installed
        assert known is not None
        listed = ExceptionFile(b"s" * 16)
        listed = replace(listed, cards=frozenset({listed.stands_for(CardNumber(NO_PIN.pan))}))
        made.desk.parameters.installed = replace(known, exceptions=listed)
        ending, _ = await made.sell(SMALL, NO_PIN)
        assert ending.ending is Ending.APPROVED
        assert made.acquirer.asked == 1
        found = await made.bench.journal.transaction(ending.key)
        assert found is not None
        assert found.chip is not None
        assert found.chip.tags[0x95][0] & 0x10  # TVR byte 1, bit 5: card on exception file
        made.slot.remove()
        await made.acquirer.set_down(down=True)
        await made.bench.until_online(online=False)
        again, _ = await made.sell(SMALL, NO_PIN)
        assert isinstance(again, Refusal) or again.ending is not Ending.APPROVED_OFFLINE
        await made.acquirer.set_down(down=False)
        await settled(made)


async def test_where_the_policy_forbids_it_the_same_card_goes_online(tmp_path: Path) -> None:
    async with counter(tmp_path, NO_PIN, offline=False) as made:
        ending, _ = await made.sell(SMALL, NO_PIN)
        assert ending.ending is Ending.APPROVED
        assert made.acquirer.asked == 1
        await settled(made)


@pytest.mark.parametrize(
    ("offline", "expected"), [(True, Ending.APPROVED_OFFLINE), (False, Ending.CANCELLED)]
)
async def test_without_a_line_the_policy_decides_before_the_card(
    tmp_path: Path, *, offline: bool, expected: Ending
) -> None:
    profile = replace(NO_PIN, iac_default="0000000000")
    async with counter(tmp_path, profile, offline=offline, floor_minor=0) as made:
        made.desk.parameters.installed = _lenient(made)
        await made.acquirer.set_down(down=True)
        await made.bench.until_online(online=False)
        ending, _ = await made.sell(SMALL, profile)
        assert ending.ending is expected
        await made.acquirer.set_down(down=False)
        await settled(made)
        assert len(made.cards.get(MessageType.ADVICE, [])) == offline


def _lenient(made: Counter) -> EmvParameters:
    """Default action codes that let a sale above the floor limit pass without a line."""
    known = made.desk.parameters.installed
    assert known is not None
    return replace(known, aids=tuple(replace(each, tac_default=0) for each in known.aids))


# --- how a card comes in -----------------------------------------------------------------------


async def test_a_chip_card_that_is_swiped_is_asked_for_its_chip(tmp_path: Path) -> None:
    async with counter(tmp_path, UNIONPAY) as made:
        made.acts["present_card"] = [swiping(STRIPE), inserting(a_card(UNIONPAY))]
        ending = await made.take(ONLINE)
        assert isinstance(ending, Conclusion)
        assert ending.ending is Ending.APPROVED
        assert made.screens[1]["code"] == "CRD-306"
        assert made.cards[MessageType.AUTHORISE][0].entry_mode is EntryMode.CHIP


class Pad:
    """ports.PinPad of a customer who types a PIN as often as it is asked for."""

    def __init__(self) -> None:
        self.prompts: list[int] = []

    async def pin_block(self, number: CardNumber, amount: Money, prompt_id: int) -> Secret:
        assert (number.reveal(), amount) == (UNIONPAY.pan, Money(self.minor))
        self.prompts.append(prompt_id)
        return BLOCK

    minor = ONLINE


async def test_a_mute_chip_may_be_swiped_with_its_pin_and_is_marked(tmp_path: Path) -> None:
    pad = Pad()
    async with counter(tmp_path, UNIONPAY, offline=True, pad=pad) as made:
        made.acts["again"] = [swiping(STRIPE)]
        made.slot.insert(a_card(UNIONPAY), dead=True)
        ending = await made.take(ONLINE)
        assert isinstance(ending, Conclusion)
        assert ending.ending is Ending.APPROVED
        (asked,) = made.cards[MessageType.AUTHORISE]
        assert asked.entry_mode is EntryMode.FALLBACK
        assert (made.blocks, pad.prompts) == ([BLOCK.reveal()], [0])
        assert made.shown[-2:] == ["present_card", "enter_pin"]
        assert made.screens[-2]["fallback"] is True


async def test_a_stripes_wrong_pin_is_asked_for_three_times_and_each_is_recorded(
    tmp_path: Path,
) -> None:
    pad = Pad()
    pad.minor = ONLINE + 55  # the simulated bank says 55
    async with counter(tmp_path, UNIONPAY, pad=pad) as made:
        made.acts["present_card"] = [swiping(replace(STRIPE, service_code="120"))]
        ending = await made.take(pad.minor)
        assert isinstance(ending, Conclusion)
        assert (ending.ending, ending.reason) == (Ending.DECLINED, "55")
        assert pad.prompts == [0, 1, 2]
        assert [each.intent.amount.minor for each in await begun(made)] == [pad.minor] * 3
        assert made.shown.count("present_card") == 1  # the stripe serves all three


@pytest.mark.parametrize("service_code", ["120", "220"])
async def test_without_a_pad_a_stripe_that_needs_a_pin_is_refused(
    tmp_path: Path, service_code: str
) -> None:
    async with counter(tmp_path, UNIONPAY) as made:
        act = "again" if service_code == "220" else "present_card"
        made.acts[act] = [swiping(replace(STRIPE, service_code=service_code))]
        if service_code == "220":
            made.slot.insert(a_card(UNIONPAY), dead=True)
        ending = await made.take(ONLINE)
        assert isinstance(ending, Refusal)
        assert ending.code == "CRD-320"
        assert await begun(made) == []


@pytest.mark.parametrize(("service_code", "expected"), [("101", True), ("121", False)])
async def test_a_stripe_that_must_be_asked_for_is_never_approved_offline(
    tmp_path: Path, service_code: str, *, expected: bool
) -> None:
    async with counter(tmp_path, UNIONPAY, offline=True) as made:
        await made.acquirer.set_down(down=True)
        await made.bench.until_online(online=False)
        made.acts["present_card"] = [swiping(replace(STRIPE, service_code=service_code))]
        ending = await made.take(SMALL)
        assert isinstance(ending, Conclusion)
        assert (ending.ending is Ending.APPROVED_OFFLINE) == expected


async def begun(made: Counter) -> list[Begun]:
    return [each.begun for each in await made.bench.journal.transactions()]


async def test_a_wait_for_a_card_is_cancelled_and_the_next_sale_is_not(tmp_path: Path) -> None:
    async with counter(tmp_path, UNIONPAY) as made:
        told: list[object] = []

        async def cancel(_: Counter) -> None:
            told.append(await made.desk.verbs()["card_cancel"]({}, lambda _: None))

        made.acts["present_card"] = [cancel]
        ending = await made.take(ONLINE)
        assert isinstance(ending, Refusal)
        assert (ending.code, told) == ("CRD-002", [{"ok": True}])
        assert await begun(made) == []
        sold, _ = await made.sell(ONLINE, UNIONPAY)
        assert sold.ending is Ending.APPROVED


async def test_a_blocked_card_is_refused_and_its_stripe_too(tmp_path: Path) -> None:
    async with counter(tmp_path, UNIONPAY) as made:
        ending, _ = await made.sell(ONLINE, UNIONPAY, card_blocked=True)
        assert isinstance(ending, Refusal)
        assert ending.code == "CRD-403"
        made.slot.remove()
        made.acts["present_card"] = [swiping(STRIPE)] * 3
        again = await made.take(ONLINE)
        assert isinstance(again, Refusal)
        assert again.code == "CRD-306"  # every swipe of it: the chip first
        assert await made.bench.journal.transactions() == []


async def test_a_card_pulled_too_early_is_inserted_again_and_nothing_is_recorded(
    tmp_path: Path,
) -> None:
    async with counter(tmp_path, UNIONPAY) as made:
        card = a_card(UNIONPAY)
        faulty = Faulty(card.transmit, FAULTS["pulled"], 5)

        class Pulled:
            reset = staticmethod(card.reset)
            transmit = staticmethod(faulty.transmit)

        made.acts["again"] = [inserting(card)]
        made.slot.insert(Pulled())
        ending = await made.take(ONLINE)
        assert isinstance(ending, Conclusion)
        assert (ending.ending, ending.key.stan) == (Ending.APPROVED, 1)
        assert made.screens[made.shown.index("again")]["code"] == "CRD-402"


@pytest.mark.parametrize("at", [5, -1], ids=["before the bank", "after the bank"])
@pytest.mark.parametrize("late_s", [0.0, math.inf], ids=["in time", "too late"])
async def test_a_card_that_takes_its_time(tmp_path: Path, at: int, late_s: float) -> None:
    async with counter(tmp_path, NO_PIN) as made:
        card = a_card(NO_PIN)
        seen = _commands() if at < 0 else at
        faulty = Faulty(card.transmit, late(late_s), seen, lasting=False)

        class Slow:
            reset = staticmethod(card.reset)
            transmit = staticmethod(faulty.transmit)

        made.slot.answer_s = 0.05
        made.slot.insert(Slow())
        ending = await made.take(ONLINE)
        assert faulty.sent > seen
        if not late_s:
            assert isinstance(ending, Conclusion)
            assert ending.ending is Ending.APPROVED
        elif at < 0:  # the bank has approved, the card has not said so
            assert isinstance(ending, Conclusion)
            assert (ending.ending, ending.reason) == (Ending.UNKNOWN, "CRD-401")
            assert [each.reason for each in ending.owed] == ["06"]
        else:
            assert isinstance(ending, Refusal)
            assert ending.code == "CRD-401"
            assert await begun(made) == []
        await settled(made)


def _commands() -> int:
    """Return the number of the last GENERATE AC of a sale with this card."""
    card = a_card(NO_PIN)
    run(
        begin(parameters([NO_PIN]), Request(Money(ONLINE), NOW, b"1234", 50)),
        Driven(card.transmit, card.chance, issuer=Issuer()),
    )
    return max(number for number, apdu in enumerate(card.log) if apdu[1] == 0xAE)


async def test_a_card_left_in_is_sent_away_before_the_next_sale(tmp_path: Path) -> None:
    async with counter(tmp_path, UNIONPAY) as made:
        await made.sell(ONLINE, UNIONPAY)
        made.screens.clear()
        made.acts["present_card"] = [inserting(a_card(NO_PIN))]
        # The next card is of a system that this terminal does not know.
        ending = await made.take(ONLINE)
        assert isinstance(ending, Refusal)
        assert ending.code == "CRD-404"
        assert made.shown[:2] == ["remove_card", "present_card"]


async def test_no_card_is_kept_waiting_for_what_cannot_begin(tmp_path: Path) -> None:
    async with counter(tmp_path, UNIONPAY) as made:
        ending, chip = await made.sell(0, UNIONPAY)
        assert isinstance(ending, Refusal)
        assert (ending.code, chip.log) == ("SAL-201", [])


async def test_an_authorisation_by_chip_is_never_made_offline(tmp_path: Path) -> None:
    async with counter(tmp_path, NO_PIN, offline=True) as made:
        made.slot.insert(a_card(NO_PIN))
        ending = await made.take(SMALL, Kind.PREAUTH)
        assert isinstance(ending, Conclusion)
        assert ending.ending is Ending.APPROVED
        assert made.acquirer.asked == 1


async def test_a_cut_while_the_bank_is_asked_is_reversed_at_the_start(tmp_path: Path) -> None:
    async with counter(tmp_path, UNIONPAY) as made:
        made.acquirer.faults.hold_answers = 1
        async with anyio.create_task_group() as group:
            group.start_soon(made.sell, ONLINE, UNIONPAY)
            with anyio.fail_after(10):
                while not made.acquirer.asked:
                    await anyio.sleep(0.01)
            group.cancel_scope.cancel()
        assert await made.bench.sales.recover() == 1
        await settled(made)
        assert made.acquirer.bank.records(TERMINAL, 1) == []


async def test_no_card_number_is_in_the_journals_files(tmp_path: Path) -> None:
    async with counter(tmp_path, UNIONPAY) as made:
        made.acquirer.scripts = (SCRIPT,)
        await made.sell(ONLINE, UNIONPAY)
        number = UNIONPAY.pan
        forms = (number.encode(), bytes.fromhex(number + "F"), bytes.fromhex("0" + number))

        def hits() -> list[str]:
            files = [path for path in tmp_path.iterdir() if path.is_file()]
            return [p.name for p in files for form in forms if form in p.read_bytes()]

        assert hits() == []
        (tmp_path / "planted").write_bytes(b"x" + bytes.fromhex(number + "F") + b"x")
        assert hits() == ["planted"]
