"""Cardholder and cashier during a chip sale: questions are progress events, answers are verbs.

`chip_answer` answers what is asked now: `choice` (a position), `matches` (an identity document),
or `cancel`. The PIN pad takes PINs; none ever comes through here.
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
    PinEntered,
    PinPadBroken,
)
from posfw.emv.parameters import EmvParameters
from posfw.ports import PinPad
from posfw.values.card import CardNumber
from posfw.values.errors import CodecError, DeviceError, RefusedError
from posfw.values.money import Money
from posfw.values.texts import Texts

__all__ = ["AtCounter", "ChipPeople"]

_OFFLINE_PIN = Capability.PLAINTEXT_PIN | Capability.ENCIPHERED_PIN
ENTER_PIN = 0  # the pad's first prompt


@dataclass(slots=True)
class ChipPeople:
    """Who chooses, types and looks.

    Attributes:
        texts: their language.
        answer_s: silence after which a question is answered with no.
        pad: encrypts PINs for the issuer; None where there is none.
    """

    texts: Texts
    answer_s: float
    pad: PinPad | None = None
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
        lacking = _OFFLINE_PIN | (0 if self.pad else Capability.ONLINE_PIN)
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
    """People of one sale (app.chip.People): they see its amount and its screen."""

    people: ChipPeople
    amount: Money
    progress: Progress

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
                return PinPadBroken()
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
