"""The session between kernel and world, over the simulated card and the outcomes of the line."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import anyio
import pytest

from posfw.app.chip import ChipSession, chip_after, issuer_word
from posfw.card.pcsc.status import Absence
from posfw.card.rules import Chip
from posfw.emv.codes import Code
from posfw.emv.effects import (
    Answer,
    AuthoriseOnline,
    CardHistory,
    Effect,
    Fallback,
    Finished,
    OnlineAnswer,
    Request,
    UnableToGoOnline,
    Verdict,
)
from posfw.emv.kernel import Kernel, begin
from posfw.sim.chip.card import ChipCard
from posfw.sim.chip.drive import Counter, parameters
from posfw.sim.chip.issuer import Issuer
from posfw.sim.chip.profile import UNIONPAY, VISA, Profile
from posfw.values.card import CardNumber
from posfw.values.errors import DeviceError, MisuseError
from posfw.values.money import Money
from posfw.values.outcome import (
    Answer as HostAnswer,
)
from posfw.values.outcome import (
    Approved,
    Declined,
    NotFound,
    Outcome,
    Unknown,
    Unreachable,
)

ONLINE, OFFLINE = 30_000, 5_000


@dataclass
class Inserted:
    """A card that answers at once, and leaves before command `leaves`."""

    chip: ChipCard
    leaves: int = 999
    answer: bytes | Absence = Absence.REMOVED
    protocol: int = 1
    sent: int = 0

    async def transmit(self, command: bytes) -> bytes | Absence:
        self.sent += 1
        return self.chip.transmit(command) if self.sent <= self.leaves else self.answer


@dataclass
class Quick:
    """People who answer as the counter of the simulator does."""

    counter: Counter

    async def ask(self, effect: Effect) -> Answer:
        return self.counter.perform(effect)


async def no_history(_: CardNumber, __: int | None) -> CardHistory:
    return CardHistory()


def session(profile: Profile, **changes: object) -> tuple[ChipSession, Inserted]:
    chance = random.Random(2)
    card = Inserted(ChipCard(profile, chance.randbytes), **changes)  # type: ignore[arg-type]  # a test's own words
    people = Quick(Counter(card.chip.transmit, chance.randbytes, pins=["1234"]))
    return ChipSession(card, people, no_history), card


def kernel(profile: Profile, minor: int = ONLINE) -> Kernel:
    request = Request(Money(minor), datetime(2026, 11, 24, tzinfo=UTC), b"1234", 50)
    return begin(parameters([profile]), request)


def approved(asked: Kernel) -> Outcome:
    effect = asked.effect
    assert isinstance(effect, AuthoriseOnline)
    card, issuer = effect.card, Issuer()
    assert issuer.genuine(card.emv.reveal(), card.number.reveal(), card.sequence or 0)
    data = issuer.answer(card.emv.reveal(), card.number.reveal(), card.sequence or 0)
    return Approved(HostAnswer("00", issuer_data=data))


async def test_a_sale_stops_at_the_issuers_question_and_goes_on_with_its_word() -> None:
    chip, _ = session(UNIONPAY)
    asked = await chip.read(kernel(UNIONPAY))
    finished = await chip.complete(asked, approved(asked))
    assert finished.verdict is Verdict.APPROVED_ONLINE


async def test_a_sale_the_card_approves_itself_asks_nobody() -> None:
    profile = replace(VISA, cvm="1F03")
    chip, _ = session(profile)
    ended = (await chip.read(kernel(profile, OFFLINE))).finished
    assert ended is not None
    assert ended.verdict is Verdict.APPROVED_OFFLINE
    assert ended.card is not None
    assert ended.card.approved_offline


@pytest.mark.parametrize(
    ("outcome", "allowed", "expected"),
    [
        (Declined(HostAnswer("51")), True, OnlineAnswer("51")),
        (Declined(HostAnswer("00")), True, OnlineAnswer("05")),
        (Approved(HostAnswer("00", issuer_data=b"x")), False, OnlineAnswer("00", b"x")),
        (Unreachable("refused"), True, UnableToGoOnline(offline_allowed=True, maybe_sent=False)),
        (Unreachable("refused"), False, UnableToGoOnline(maybe_sent=False)),
        (Unknown("silence"), True, UnableToGoOnline(maybe_sent=True)),
        (NotFound(), True, UnableToGoOnline(maybe_sent=True)),
    ],
)
def test_doubt_never_becomes_an_offline_approval(
    outcome: Outcome, allowed: bool, expected: object
) -> None:
    assert issuer_word(outcome, offline_allowed=allowed) == expected


async def test_a_card_that_leaves_after_the_approval_is_reversed() -> None:
    chip, card = session(UNIONPAY)
    asked = await chip.read(kernel(UNIONPAY))
    card.leaves = card.sent
    finished = await chip.complete(asked, approved(asked))
    assert (finished.verdict, finished.reversal) == (Verdict.REMOVED, True)


@pytest.mark.parametrize(
    ("answer", "leaves", "code", "chip_state"),
    [
        (Absence.MUTE, 0, Code.MUTE, Chip.NO_ANSWER),
        (b"", 0, Code.MUTE, Chip.NO_ANSWER),
        (Absence.MUTE, 7, Code.MUTE, Chip.REFUSED),
        (Absence.REMOVED, 7, Code.REMOVED, Chip.NOT_TRIED),
        (b"\x6a\x81", 0, Code.CARD_BLOCKED, Chip.REFUSED),
    ],
)
async def test_what_became_of_the_chip_decides_about_the_stripe(
    answer: bytes | Absence, leaves: int, code: Code, chip_state: Chip
) -> None:
    chip, _ = session(UNIONPAY, answer=answer, leaves=leaves)
    ended = (await chip.read(kernel(UNIONPAY))).finished
    assert ended is not None
    assert ended.code is code
    assert chip_after(ended) is chip_state


def test_every_fall_back_has_its_meaning_for_the_stripe() -> None:
    for fallback in Fallback:
        assert chip_after(Finished(Verdict.TERMINATED, fallback=fallback)) in Chip


@dataclass
class Stuck:
    """A card that takes the issuer's word and says nothing any more, or whose reader is gone."""

    gone: bool
    protocol: int = 1

    async def transmit(self, _: bytes) -> bytes | Absence:
        if self.gone:
            raise DeviceError("unplugged")
        await anyio.sleep_forever()
        raise AssertionError


@pytest.mark.parametrize(("gone", "code"), [(False, Code.MUTE), (True, Code.REMOVED)])
async def test_after_the_issuers_word_there_is_an_ending_whatever_the_reader_does(
    *, gone: bool, code: Code
) -> None:
    chip, _ = session(UNIONPAY)
    asked = await chip.read(kernel(UNIONPAY))
    stuck = replace(chip, card=Stuck(gone), last_word_s=0.01)
    finished = await stuck.complete(asked, approved(asked))
    assert (finished.code, finished.reversal) == (code, True)


async def test_a_reader_that_is_gone_before_the_question_is_a_fault() -> None:
    chip, _ = session(UNIONPAY)
    with pytest.raises(DeviceError):
        await replace(chip, card=Stuck(gone=True)).read(kernel(UNIONPAY))


async def test_completing_without_a_question_is_a_misuse() -> None:
    chip, _ = session(UNIONPAY)
    with pytest.raises(MisuseError):
        await chip.complete(kernel(UNIONPAY), Unknown("silence"))
