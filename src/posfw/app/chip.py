"""Joins the contact kernel with a powered card, a PIN pad, people and the line.

Two halves, because a sale commits between them: `read` runs to the issuer's question or to an end
without it; `complete` gives the issuer's word to the card. Both return a kernel; nothing here
decides: which ending means what stands in `emv`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import anyio

from posfw.card.pcsc.status import Absence
from posfw.card.rules import Chip
from posfw.emv.apdu import Response
from posfw.emv.effects import (
    Answer,
    AuthoriseOnline,
    CardGone,
    CardHistory,
    CheckIdentity,
    ChooseApplication,
    Effect,
    EnterOfflinePin,
    EnterOnlinePin,
    Fallback,
    Finished,
    OnlineAnswer,
    ReviewCard,
    Transmit,
    UnableToGoOnline,
)
from posfw.emv.kernel import Kernel, step
from posfw.values.card import CardNumber
from posfw.values.errors import CardDataError, DeviceError, MisuseError
from posfw.values.outcome import Approved, Declined, Outcome, Unreachable

__all__ = ["Card", "ChipSession", "People", "chip_after", "issuer_word"]

# All of a card's part after the answer: scripts of 32 commands take a few seconds. Nobody waits
# longer for a card that keeps answering slowly: the sale must come to its ending.
LAST_WORD_S: Final = 30.0

History = Callable[[CardNumber, int | None], Awaitable[CardHistory]]


class Card(Protocol):
    """A powered card, as `card.pcsc.driver.PcscCard` is one."""

    protocol: int

    async def transmit(self, command: bytes) -> bytes | Absence:
        """Return the answer with its status, or why there is none."""
        ...


class People(Protocol):
    """Cardholder, cashier and PIN pad."""

    async def ask(
        self, effect: ChooseApplication | EnterOfflinePin | EnterOnlinePin | CheckIdentity
    ) -> Answer:
        """Return the answer that belongs to the effect (`emv.effects.ANSWERS`)."""
        ...


@dataclass(frozen=True, slots=True)
class ChipSession:
    """One inserted card.

    Attributes:
        card: the powered card.
        people: who chooses, types and looks.
        history: what the journal knows of a card: split sales and exception file.
        last_word_s: a card that is not done this long after the issuer's word counts as mute.
    """

    card: Card
    people: People
    history: History
    last_word_s: float = LAST_WORD_S

    async def read(self, kernel: Kernel) -> Kernel:
        """Run from `begin` to `AuthoriseOnline` or `Finished`.

        Raises:
            DeviceError: the reader or the PIN pad is gone.
        """
        while not isinstance(kernel.effect, AuthoriseOnline | Finished):
            kernel = step(kernel, await self._perform(kernel.effect))
        return kernel

    async def complete(
        self, kernel: Kernel, outcome: Outcome, *, offline_allowed: bool = False
    ) -> Finished:
        """Tell the card how the request ended and run to the end; raises nothing of a device.

        A reader that is gone is a card that is gone: money may have moved, so there is an ending.

        Args:
            kernel: as `read` returned it, at `AuthoriseOnline`.
            outcome: how `Acquirer.authorise` or the inquiry after it ended.
            offline_allowed: the offline policy would take the sale.
        """
        kernel = step(kernel, issuer_word(outcome, offline_allowed=offline_allowed))
        until = anyio.current_time() + self.last_word_s
        while (finished := kernel.finished) is None:
            kernel = step(kernel, await self._last(kernel.effect, until))
        return finished

    async def _last(self, effect: Effect, until: float) -> Answer:
        with anyio.move_on_after(until - anyio.current_time()):
            try:
                return await self._perform(effect)
            except DeviceError:
                return CardGone()
        return CardGone(removed=False)

    async def _perform(self, effect: Effect) -> Answer:
        match effect:
            case Transmit(command):
                return _answer(await self.card.transmit(command.to_bytes(self.card.protocol)))
            case ReviewCard(number, sequence):
                return await self.history(number, sequence)
            case ChooseApplication() | EnterOfflinePin() | EnterOnlinePin() | CheckIdentity():
                return await self.people.ask(effect)
        raise MisuseError(f"{type(effect).__name__} is not the session's to perform.")


def issuer_word(outcome: Outcome, *, offline_allowed: bool) -> OnlineAnswer | UnableToGoOnline:
    """Return what the kernel is told. Doubt never leads to an offline approval."""
    match outcome:
        case Approved(answer) | Declined(answer):
            # A declined answer never carries 00, whatever its sender wrote.
            code = "00" if isinstance(outcome, Approved) else answer.response_code
            code = "05" if isinstance(outcome, Declined) and code == "00" else code
            return OnlineAnswer(code, answer.issuer_data)
        case Unreachable():
            return UnableToGoOnline(offline_allowed=offline_allowed, maybe_sent=False)
    return UnableToGoOnline(offline_allowed=False, maybe_sent=True)


def chip_after(finished: Finished) -> Chip:
    """Return what `card.rules.admit` must know before the same card's stripe is taken."""
    match finished.fallback:
        case Fallback.STRIPE:
            return Chip.NO_ANSWER
        case Fallback.INSERT_AGAIN:
            return Chip.NOT_TRIED
    return Chip.REFUSED


def _answer(answer: bytes | Absence) -> Response | CardGone:
    if isinstance(answer, Absence):
        return CardGone(removed=answer is Absence.REMOVED)
    try:
        return Response.from_bytes(answer)
    except CardDataError:
        return CardGone(removed=False)  # not even a status: as good as mute
