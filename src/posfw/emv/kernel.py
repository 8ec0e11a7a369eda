"""The contact kernel: which functional block follows which, and one step of it.

    begin(parameters, request) → Kernel        kernel.effect says what to do
    step(kernel, answer)       → Kernel        until kernel.effect is Finished

A Kernel is a value: it can be kept, compared and stepped again from the same point. Nothing here
does I/O, reads a clock or draws a number. Blocks raise CardDataError where the Books end the
transaction; `step` turns that into Finished(TERMINATED), so no answer of any card raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, auto
from functools import partial
from typing import Final, NamedTuple

from posfw.emv import (
    authentication,
    cryptogram,
    initiate,
    issuer,
    online,
    records,
    restrictions,
    risk,
    selection,
    verification,
)
from posfw.emv.apdu import Exchange, Response
from posfw.emv.codes import Code
from posfw.emv.completion import finish, gone
from posfw.emv.context import Context, Exit, Turn
from posfw.emv.effects import (
    ANSWERS,
    Answer,
    CardGone,
    Effect,
    Finished,
    Request,
    Transmit,
    Verdict,
)
from posfw.emv.parameters import EmvParameters
from posfw.emv.terminal import terminal_objects
from posfw.values.errors import InputError, MisuseError

__all__ = ["Kernel", "Phase", "begin", "step"]

# Selection 2×17, records 64, PIN 2×15+2, scripts 16×32 and a few more; none of it needs GET
# RESPONSE more than eight times. Far above any card in use, and finite.
MAX_APDUS: Final = 256


class Phase(IntEnum):
    """The functional blocks in the Books' order (Book 3, figure 7).

    Integers, because tables are looked up by them at every step.
    """

    APPLICATION_SELECTION = auto()
    INITIATE_APPLICATION = auto()
    READ_APPLICATION_DATA = auto()
    DATA_AUTHENTICATION = auto()
    PROCESSING_RESTRICTIONS = auto()
    CARDHOLDER_VERIFICATION = auto()
    RISK_MANAGEMENT = auto()
    FIRST_CRYPTOGRAM = auto()
    ONLINE = auto()
    ISSUER_AUTHENTICATION = auto()
    SCRIPTS_BEFORE = auto()
    SECOND_CRYPTOGRAM = auto()
    SECOND_UNABLE = auto()
    SECOND_REFUSAL = auto()
    SCRIPTS_AFTER = auto()
    COMPLETION = auto()


@dataclass(frozen=True, slots=True)
class Block:
    """A functional block: how it begins and how it takes an answer."""

    enter: Callable[[Context], Turn]
    receive: Callable[[Context, Answer], Turn]


class Kernel(NamedTuple):
    """One transaction at one point.

    Attributes:
        effect: what is asked for now.
        exchange: the command under way, through 61xx and 6Cxx.
        apdus: commands sent so far.
    """

    phase: Phase
    context: Context
    effect: Effect
    exchange: Exchange | None = None
    apdus: int = 0

    @property
    def finished(self) -> Finished | None:
        """The end, once it is there."""
        return self.effect if isinstance(self.effect, Finished) else None


def begin(parameters: EmvParameters, request: Request) -> Kernel:
    """Start with a card that has answered to reset.

    Raises:
        MisuseError: chance of the wrong size, or cashback above the amount.
    """
    context = Context(parameters, request, terminal_objects(parameters, request))
    return _run(Phase.APPLICATION_SELECTION, context, partial(_enter, context), 0)


def step(kernel: Kernel, answer: Answer) -> Kernel:
    """Advance by one answer.

    Raises:
        MisuseError: the answer does not belong to the effect that was asked for.
    """
    if not isinstance(answer, ANSWERS[type(kernel.effect)]):
        raise MisuseError(
            f"{type(answer).__name__} does not answer {type(kernel.effect).__name__}."
        )
    if isinstance(answer, CardGone):
        return _card_gone(kernel, answer)
    if isinstance(answer, Response) and kernel.exchange is not None:
        try:
            following = kernel.exchange.advance(answer)
        except InputError:
            return _ended(kernel.phase, kernel.context, Code.BAD_DATA, kernel.apdus)
        if isinstance(following, Exchange):
            effect = Transmit(following.command)
            return _bounded(
                kernel._replace(effect=effect, exchange=following, apdus=kernel.apdus + 1)
            )
        answer = following
    return _run(
        kernel.phase, kernel.context, partial(_receive, kernel.context, answer), kernel.apdus
    )


def _run(phase: Phase, context: Context, first: Callable[[Block], Turn], apdus: int) -> Kernel:
    """Run blocks until one asks for something; the table says what follows what."""
    take = first
    while True:
        try:
            context, outcome = take(_BLOCKS[phase])
        except InputError:
            return _ended(phase, context, Code.BAD_DATA, apdus)
        if not isinstance(outcome, Exit):
            break
        phase = _FLOW[phase, outcome]
        take = partial(_enter, context)
    if not isinstance(outcome, Transmit):
        return Kernel(phase, context, outcome, None, apdus)
    return _bounded(Kernel(phase, context, outcome, Exchange(outcome.command), apdus + 1))


def _enter(context: Context, block: Block) -> Turn:
    return block.enter(context)


def _receive(context: Context, answer: Answer, block: Block) -> Turn:
    return block.receive(context, answer)


def _bounded(kernel: Kernel) -> Kernel:
    if kernel.apdus <= MAX_APDUS:
        return kernel
    return _ended(kernel.phase, kernel.context, Code.ENDLESS, kernel.apdus)


def _ended(phase: Phase, context: Context, code: Code, apdus: int) -> Kernel:
    """End by a fault; after the final cryptogram the verdict stands, the scripts have failed."""
    if phase is Phase.SCRIPTS_AFTER:
        return _concluded(context, apdus)
    context, effect = finish(context, Verdict.TERMINATED, code)
    return Kernel(phase, context, _final(effect), None, apdus)


def _card_gone(kernel: Kernel, answer: CardGone) -> Kernel:
    if kernel.phase is Phase.SCRIPTS_AFTER:
        return _concluded(kernel.context, kernel.apdus)
    context, effect = gone(kernel.context, removed=answer.removed)
    return Kernel(kernel.phase, context, _final(effect), None, kernel.apdus)


def _concluded(context: Context, apdus: int) -> Kernel:
    """The card's last word is spoken: leaving during scripts changes only their result."""
    kept = context.local[0]
    context, effect = _complete(issuer.cut_short(context).but(local=kept))
    return Kernel(Phase.COMPLETION, context, _final(effect), None, apdus)


def _final(effect: Effect | Exit) -> Effect:
    if isinstance(effect, Exit):
        raise MisuseError("The end of a transaction is not an exit.")
    return effect


def _complete(context: Context) -> Turn:
    approved, asked, genuine = context.local
    return cryptogram.conclude(context, approved=approved, asked=asked, genuine=genuine)


def _no_answer(_: Context, answer: Answer) -> Turn:
    raise MisuseError(f"{type(answer).__name__} came where nothing was asked.")


_BLOCKS: Final = {
    Phase.APPLICATION_SELECTION: Block(selection.enter, selection.receive),
    Phase.INITIATE_APPLICATION: Block(initiate.enter, initiate.receive),
    Phase.READ_APPLICATION_DATA: Block(records.enter, records.receive),
    Phase.DATA_AUTHENTICATION: Block(authentication.enter, authentication.receive),
    Phase.PROCESSING_RESTRICTIONS: Block(restrictions.enter, _no_answer),
    Phase.CARDHOLDER_VERIFICATION: Block(verification.enter, verification.receive),
    Phase.RISK_MANAGEMENT: Block(risk.enter, risk.receive),
    Phase.FIRST_CRYPTOGRAM: Block(cryptogram.enter_first, cryptogram.receive_first),
    Phase.ONLINE: Block(online.enter, online.receive),
    Phase.ISSUER_AUTHENTICATION: Block(issuer.enter_authentication, issuer.receive_authentication),
    Phase.SCRIPTS_BEFORE: Block(issuer.enter_before, issuer.receive_before),
    Phase.SECOND_CRYPTOGRAM: Block(cryptogram.enter_second, cryptogram.receive_second),
    Phase.SECOND_UNABLE: Block(cryptogram.enter_unable, cryptogram.receive_second),
    Phase.SECOND_REFUSAL: Block(cryptogram.enter_refusal, cryptogram.receive_second),
    Phase.SCRIPTS_AFTER: Block(issuer.enter_after, issuer.receive_after),
    Phase.COMPLETION: Block(_complete, _no_answer),
}
_FLOW: Final = {
    (Phase.APPLICATION_SELECTION, Exit.DONE): Phase.INITIATE_APPLICATION,
    (Phase.INITIATE_APPLICATION, Exit.RESELECT): Phase.APPLICATION_SELECTION,
    (Phase.INITIATE_APPLICATION, Exit.DONE): Phase.READ_APPLICATION_DATA,
    (Phase.READ_APPLICATION_DATA, Exit.DONE): Phase.DATA_AUTHENTICATION,
    (Phase.DATA_AUTHENTICATION, Exit.DONE): Phase.PROCESSING_RESTRICTIONS,
    (Phase.PROCESSING_RESTRICTIONS, Exit.DONE): Phase.CARDHOLDER_VERIFICATION,
    (Phase.CARDHOLDER_VERIFICATION, Exit.DONE): Phase.RISK_MANAGEMENT,
    (Phase.RISK_MANAGEMENT, Exit.DONE): Phase.FIRST_CRYPTOGRAM,
    (Phase.FIRST_CRYPTOGRAM, Exit.DONE): Phase.ONLINE,
    (Phase.FIRST_CRYPTOGRAM, Exit.REFUSE): Phase.SECOND_REFUSAL,
    (Phase.ONLINE, Exit.DONE): Phase.ISSUER_AUTHENTICATION,
    (Phase.ONLINE, Exit.UNABLE): Phase.SECOND_UNABLE,
    (Phase.ONLINE, Exit.REFUSE): Phase.SECOND_REFUSAL,
    (Phase.ISSUER_AUTHENTICATION, Exit.DONE): Phase.SCRIPTS_BEFORE,
    (Phase.ISSUER_AUTHENTICATION, Exit.REFUSE): Phase.SECOND_REFUSAL,
    (Phase.SCRIPTS_BEFORE, Exit.DONE): Phase.SECOND_CRYPTOGRAM,
    (Phase.SECOND_CRYPTOGRAM, Exit.DONE): Phase.SCRIPTS_AFTER,
    (Phase.SECOND_UNABLE, Exit.DONE): Phase.SCRIPTS_AFTER,
    (Phase.SECOND_REFUSAL, Exit.DONE): Phase.SCRIPTS_AFTER,
    (Phase.SCRIPTS_AFTER, Exit.DONE): Phase.COMPLETION,
}
