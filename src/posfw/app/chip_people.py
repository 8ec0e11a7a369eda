"""Cardholder and cashier during a chip sale: questions are progress events, answers are verbs.

`chip_answer` answers what is asked now: `choice` (a position), `matches` (an identity document),
or `cancel`. The PIN pads take PINs; none is ever typed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import anyio

from posfw.app.verbs import Body, Progress, Verb
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
    PinBypassed,
    PinEntered,
    PinPadBroken,
)
from posfw.emv.parameters import EmvParameters
from posfw.ports import CardPinPad, PinPad
from posfw.values.card import CardNumber, Secret
from posfw.values.errors import CodecError, DeviceError, RefusedError
from posfw.values.money import Money
from posfw.values.texts import Texts, mark

__all__ = ["AtCounter", "ChipPeople"]

# A pad's prompts (Book 4, 11.2: "ENTER PIN", "INCORRECT PIN", "LAST PIN TRY").
ENTER_PIN, WRONG_PIN, LAST_TRY = range(3)


@dataclass(slots=True)
class ChipPeople:
    """Who chooses, types and looks.

    Attributes:
        texts: their language.
        answer_s: silence after which a question is answered with no.
        pad: encrypts PINs for the issuer; None where there is none.
        card_pad: takes PINs for the card's own check; None where there is none.
    """

    texts: Texts
    answer_s: float
    pad: PinPad | None = None
    card_pad: CardPinPad | None = None
    _asked: str = ""
    _answer: Body = field(default_factory=dict)
    _answered: anyio.Event = field(default_factory=anyio.Event)

    def verbs(self) -> Mapping[str, Verb]:
        """Return the one verb that answers."""
        return {"chip_answer": self._take}

    def fitted(self, parameters: EmvParameters) -> EmvParameters:
        """Return parameters that promise the card no way of a PIN that this terminal lacks.

        A pad of `ports.PinPad` encrypts for the issuer; it makes no blocks for the card.
        """
        lacking = 0 if self.pad else Capability.ONLINE_PIN
        lacking |= 0 if self.card_pad else Capability.ENCIPHERED_PIN
        if self.card_pad is None or not self.card_pad.shielded:
            lacking |= Capability.PLAINTEXT_PIN
        if not parameters.capabilities & lacking:
            return parameters
        return replace(parameters, capabilities=parameters.capabilities & ~lacking)

    async def question(self, screen: str, body: Body, progress: Progress) -> Body | None:
        """Ask and return the answer, None after `cancel` or silence."""
        self._asked, self._answered, self._answer = screen, anyio.Event(), {}
        progress({"screen": screen, **body})
        try:
            with anyio.move_on_after(self.answer_s):
                await self._answered.wait()
                return None if self._answer.get("cancel") else self._answer
            return None
        finally:
            self._asked = ""

    async def _take(self, body: Body, _: Progress) -> Body:
        if not self._asked:
            raise RefusedError(
                "Nothing is asked.", code="CRD-420", next_step="Wait until the card asks."
            )
        wanted = _FORMS[self._asked]
        name, form = wanted
        if not body.get("cancel") and type(body.get(name)) is not form:
            raise CodecError(f"`{name}` must be given, or `cancel`.")
        self._answer = body
        self._asked = ""
        self._answered.set()
        return {"ok": True}


_FORMS: Mapping[str, tuple[str, type]] = {
    "choose_application": ("choice", int),
    "check_identity": ("matches", bool),
}


@dataclass(frozen=True, slots=True)
class AtCounter:
    """People of one sale (app.chip.People): they see its amount and its screen.

    Attributes:
        bypass: the acquirer lets a PIN entry be passed over (Book 4, 6.3.4.3).
    """

    people: ChipPeople
    amount: Money
    progress: Progress
    bypass: bool = True

    async def ask(
        self, effect: ChooseApplication | EnterOfflinePin | EnterOnlinePin | CheckIdentity
    ) -> Answer:
        """Return the answer that belongs to the effect."""
        match effect:
            case ChooseApplication(labels):
                return await self._choose(labels)
            case EnterOnlinePin(number):
                return await self._online_pin(number)
            case EnterOfflinePin():
                return await self._offline_pin(effect)
            case CheckIdentity():
                return await self._identity()

    async def _choose(self, labels: tuple[str, ...]) -> Answer:
        text = self.people.texts("Choose the card's application.")
        shown = {"labels": list(labels), "text": text}
        answer = await self.people.question("choose_application", shown, self.progress)
        if answer is None or not 0 <= answer["choice"] < len(labels):
            return Cancelled()
        return Chosen(answer["choice"])

    async def _identity(self) -> Answer:
        text = self.people.texts("Compare the cardholder's identity document.")
        answer = await self.people.question("check_identity", {"text": text}, self.progress)
        return IdentityChecked(answer is not None and answer["matches"])

    async def _online_pin(self, number: CardNumber) -> Answer:
        pad = self.people.pad
        if pad is None:
            return PinPadBroken()
        self.progress({"screen": "enter_pin", "text": self.people.texts("Enter the PIN.")})
        try:
            block = await pad.pin_block(number, self.amount, ENTER_PIN)
        except DeviceError:
            return PinPadBroken()
        return Cancelled() if block is None else PinEntered(block)

    async def _offline_pin(self, asked: EnterOfflinePin) -> Answer:
        """Have the pad make the data of VERIFY; a silent pad is a broken one (10.5.1)."""
        pad = self.people.card_pad
        if pad is None or (asked.key is None and not pad.shielded):
            return PinPadBroken()
        prompt = WRONG_PIN if asked.wrong else ENTER_PIN
        prompt = LAST_TRY if asked.tries_left == 1 else prompt
        self.progress({"screen": "enter_pin", "text": self.people.texts(_SAID[prompt])})
        try:
            block = await _made(pad, asked, self.amount, prompt)
        except DeviceError:
            return PinPadBroken()
        if block is None:
            return Cancelled()
        if block:
            return PinEntered(block)
        return PinBypassed() if self.bypass else Cancelled()


async def _made(
    pad: CardPinPad, asked: EnterOfflinePin, amount: Money, prompt: int
) -> Secret | None:
    key = asked.key
    if key is None:
        return await pad.plaintext_block(amount, prompt)
    modulus = key.modulus.to_bytes(key.size, "big")
    return await pad.enciphered_block(modulus, key.exponent, asked.challenge, amount, prompt)


_SAID = (
    mark("Enter the PIN."),
    mark("The PIN is wrong. Enter it again."),
    mark("Last try: enter the PIN."),
)
