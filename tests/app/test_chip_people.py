"""Questions on the screen, answers as verbs, and a terminal that promises only what it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from posfw.app.chip_people import AtCounter, ChipPeople
from posfw.emv.bits import Capability
from posfw.emv.effects import (
    Answer,
    Cancelled,
    CheckIdentity,
    ChooseApplication,
    Chosen,
    EnterOfflinePin,
    EnterOnlinePin,
    IdentityChecked,
    PinEntered,
    PinPadBroken,
)
from posfw.emv.parameters import EmvParameters
from posfw.values.card import CardNumber, Secret
from posfw.values.errors import CodecError, DeviceError, RefusedError
from posfw.values.money import Money
from posfw.values.texts import ENGLISH

NUMBER = CardNumber("6216261000000000018")
CHOICE = ChooseApplication(("DEBIT", "CREDIT"))
IDENTITY = CheckIdentity(0, Secret(b"1"))


@dataclass
class Pad:
    answer: Secret | None = None
    broken: bool = False

    async def pin_block(self, number: CardNumber, amount: Money, prompt_id: int) -> Secret | None:
        if self.broken:
            raise DeviceError("gone")
        return self.answer


async def answered(effect: Any, body: dict[str, Any], people: ChipPeople | None = None) -> Answer:
    """Ask, and answer as soon as the question is on the screen."""
    people = people or ChipPeople(ENGLISH, answer_s=5.0)
    async with anyio.create_task_group() as group:

        async def take() -> None:
            await people.verbs()["chip_answer"](body, lambda _: None)

        def progress(_: Any) -> None:
            group.start_soon(take)

        return await AtCounter(people, Money(100), progress).ask(effect)
    raise AssertionError


@pytest.mark.parametrize(
    ("effect", "body", "expected"),
    [
        (CHOICE, {"choice": 1}, Chosen(1)),
        (CHOICE, {"choice": 2}, Cancelled()),
        (CHOICE, {"choice": -1}, Cancelled()),
        (CHOICE, {"cancel": True}, Cancelled()),
        (IDENTITY, {"matches": True}, IdentityChecked(matches=True)),
        (IDENTITY, {"matches": False}, IdentityChecked(matches=False)),
        (IDENTITY, {"cancel": True}, IdentityChecked(matches=False)),
    ],
)
async def test_people_answer_what_is_asked(
    effect: Any, body: dict[str, Any], expected: Answer
) -> None:
    assert await answered(effect, body) == expected


@pytest.mark.parametrize(
    ("effect", "expected"), [(CHOICE, Cancelled()), (IDENTITY, IdentityChecked(matches=False))]
)
async def test_silence_is_no(effect: Any, expected: Answer) -> None:
    people = ChipPeople(ENGLISH, answer_s=0.01)
    assert await AtCounter(people, Money(100), lambda _: None).ask(effect) == expected


async def test_an_answer_nobody_asked_for_is_refused() -> None:
    with pytest.raises(RefusedError):
        await ChipPeople(ENGLISH, 1.0).verbs()["chip_answer"]({"choice": 0}, lambda _: None)


@pytest.mark.parametrize("body", [{}, {"choice": "0"}, {"choice": True}, {"matches": True}])
async def test_an_answer_of_another_form_leaves_the_question_open(body: dict[str, Any]) -> None:
    people, told = ChipPeople(ENGLISH, answer_s=5.0), list[str]()
    async with anyio.create_task_group() as group:

        async def wrong_then_right() -> None:
            take = people.verbs()["chip_answer"]
            with pytest.raises(CodecError):
                await take(body, lambda _: None)
            told.append("refused")
            await take({"choice": 0}, lambda _: None)

        def progress(_: Any) -> None:
            group.start_soon(wrong_then_right)

        counter = AtCounter(people, Money(100), progress)
        assert await counter.ask(CHOICE) == Chosen(0)
    assert told == ["refused"]


@pytest.mark.parametrize(
    ("pad", "expected"),
    [
        (None, PinPadBroken()),
        (Pad(broken=True), PinPadBroken()),
        (Pad(), Cancelled()),
        (Pad(Secret(b"4" * 16)), PinEntered(Secret(b"4" * 16))),
    ],
)
async def test_the_pad_makes_the_issuers_block(pad: Pad | None, expected: Answer) -> None:
    people = ChipPeople(ENGLISH, 1.0, pad)
    counter = AtCounter(people, Money(100), lambda _: None)
    assert await counter.ask(EnterOnlinePin(NUMBER)) == expected
    assert await counter.ask(EnterOfflinePin()) == PinPadBroken()  # it makes none for cards


@pytest.mark.parametrize(("pad", "online"), [(None, False), (Pad(), True)])
def test_no_card_is_promised_a_way_of_a_pin_that_is_not_there(
    pad: Pad | None, *, online: bool
) -> None:
    fitted = ChipPeople(ENGLISH, 1.0, pad).fitted(EmvParameters(()))
    assert fitted.can(Capability.ONLINE_PIN) is online
    assert not fitted.offline_pin
    assert fitted.can(Capability.SIGNATURE)
    assert ChipPeople(ENGLISH, 1.0, pad).fitted(fitted) is fitted
