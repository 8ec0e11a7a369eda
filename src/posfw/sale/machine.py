"""One financial transaction as a state table: events in, effects out, time as an argument.

The order is the product: commit 1 before the first byte leaves, commit 2 before anybody sees the
ending, doubt ends by inquiry or reversal and never by guessing. A chip that asked for the issuer
hears its word between the two commits, and its own last word decides the ending.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from posfw.sale.chip import CardWord, script_result_of
from posfw.sale.effects import (
    Authorise,
    Await,
    Close,
    Complete,
    Completed,
    Conclude,
    Concluded,
    Effect,
    Event,
    Inquire,
    Inquired,
    Record,
    Recorded,
    Seal,
    Sealed,
    Start,
    State,
    Step,
    Unsealed,
    Waited,
)
from posfw.values.errors import MisuseError
from posfw.values.outcome import (
    Answer,
    Approved,
    Declined,
    NotFound,
    Outcome,
    Unknown,
    Unreachable,
    Waiting,
)
from posfw.values.transaction import Begun, ChipFacts, Conclusion, Ending, Owed, OwedKind

__all__ = [
    "Authorise",
    "Await",
    "Close",
    "Complete",
    "Completed",
    "Conclude",
    "Concluded",
    "Effect",
    "Event",
    "Inquire",
    "Inquired",
    "Record",
    "Recorded",
    "SaleMachine",
    "Seal",
    "Sealed",
    "Start",
    "State",
    "Unsealed",
    "Waited",
    "after_restart",
]

# DE39 of a reversal whose original got no answer, and of one that the card refused (payments
# page, rule 2).
NO_ANSWER = "98"
OTHER = "06"


class SaleMachine:
    """One transaction. Not reusable: a new key press needs a new machine."""

    def __init__(self, *, copies: int = 2) -> None:
        self.state = State.IDLE
        self.conclusion: Conclusion | None = None
        self._copies = copies
        self._begun: Begun | None = None
        self._offline_reason = "offline selling is off"
        self._instead: _Rules = {}
        self._word: CardWord | None = None
        self._facts: ChipFacts | None = None
        self._told: Outcome = Unknown("nobody was asked")
        self._waiting = Waiting()

    @property
    def begun(self) -> Begun:
        """Commit 1's receipt.

        Raises:
            MisuseError: before commit 1.
        """
        if self._begun is None:
            raise MisuseError("The transaction has no number yet.")
        return self._begun

    def receive(self, event: Event, now: datetime) -> tuple[Effect, ...]:
        """Advance by one event; the caller performs the effects in order.

        Raises:
            MisuseError: the event has no rule in this state.
        """
        place = (self.state, type(event))
        rule = self._instead.get(place) or _RULES.get(place)
        if rule is None:
            raise MisuseError(f"{type(event).__name__} has no rule in {self.state.name}.")
        self.state, effects = rule(self, event, now)
        return effects

    def conclude(
        self,
        ending: Ending,
        now: datetime,
        *,
        answer: Answer | None = None,
        reason: str = "",
        owed: tuple[Owed, ...] = (),
    ) -> Step:
        """Remember the ending and return the step that makes it durable."""
        copies = self._copies if ending in (Ending.APPROVED, Ending.APPROVED_OFFLINE) else 0
        word = self._word
        self.conclusion = Conclusion(
            key=self.begun.key,
            ending=ending,
            at=now,
            answer=answer,
            reason=reason,
            owed=script_result_of(self.begun, word) + owed,
            copies=copies,
            chip=(word.facts if word else None) or self._facts,
        )
        return State.CONCLUDING, (Conclude(self.conclusion),)

    def start(self, event: Start, _: datetime) -> Step:
        """IDLE + Start."""
        self._offline_reason, self._word = event.offline_reason, event.word
        self._facts = event.facts
        if event.word is not None and (event.waits or event.offline_reason):
            raise MisuseError("A card's own approval is taken only where offline is allowed.")
        if event.waits:
            self._instead = _CHIP_WAITS
        elif event.word is not None:
            self._instead = _CARD_APPROVED
        elif event.advice:
            self._instead = _ADVICE
        elif event.payer:
            self._instead = _PAYER
        return State.RECORDING, (Record(event.intent),)

    def recorded(self, event: Recorded, _: datetime) -> Step:
        """RECORDING + Recorded."""
        self._begun = event.begun
        return State.ASKING, (Authorise(event.begun),)

    def approved(self, event: Approved, now: datetime) -> Step:
        """ASKING + Approved."""
        return self.conclude(Ending.APPROVED, now, answer=event.answer)

    def declined(self, event: Declined, now: datetime) -> Step:
        """ASKING + Declined."""
        reason = event.answer.response_code
        return self.conclude(Ending.DECLINED, now, answer=event.answer, reason=reason)

    def unreachable(self, event: Unreachable, now: datetime) -> Step:
        """ASKING + Unreachable: never sent, so it may be cancelled or taken offline."""
        if self._offline_reason:
            reason = f"{event.reason}; {self._offline_reason}"
            return self.conclude(Ending.CANCELLED, now, reason=reason)
        return State.SEALING, (Seal(self.begun),)

    def unknown(self, _: Unknown, __: datetime) -> Step:
        """ASKING + Unknown: maybe sent, so ask before reversing."""
        return State.INQUIRING, (Inquire(self.begun),)

    def inquired(self, event: Inquired, now: datetime) -> Step:
        """INQUIRING + Inquired.

        NotFound is no proof: the request may still be on its way, so it is reversed too.
        """
        outcome = event.outcome
        if isinstance(outcome, Approved):
            return self.approved(outcome, now)
        if isinstance(outcome, Declined):
            return self.declined(outcome, now)
        return self._reversed(now, NO_ANSWER, NO_ANSWER)

    def card_approved(self, event: Recorded, _: datetime) -> Step:
        """RECORDING + Recorded, the card has approved by itself: nobody is asked."""
        self._begun = event.begun
        return State.SEALING, (Seal(self.begun, self._word.card if self._word else None),)

    def advised(self, event: Recorded, now: datetime) -> Step:
        """RECORDING + Recorded, it is told and not asked for.

        What names an original needs no card: the acquirer has it. Else the card is sealed first.
        """
        self._begun = event.begun
        if event.begun.intent.original is None:
            return State.SEALING, (Seal(self.begun),)
        advice = Owed(0, OwedKind.ADVICE, self.begun.key)
        return self.conclude(Ending.APPROVED_OFFLINE, now, owed=(advice,))

    def wait(self, event: Waiting, _: datetime) -> Step:
        """ASKING + Waiting: the acquirer has the request, the payer has not decided."""
        self._waiting = event
        return State.WAITING, (Await(self.begun, event),)

    def waited(self, event: Waited, _: datetime) -> Step:
        """WAITING + Waited."""
        if event.over:
            return State.CLOSING, (Close(self.begun),)
        return State.POLLING, (Inquire(self.begun),)

    def polled(self, event: Inquired, now: datetime) -> Step:
        """POLLING + Inquired: silence decides nothing while there is time left."""
        outcome = event.outcome
        if isinstance(outcome, Approved | Declined):
            return self.inquired(event, now)
        return self.wait(outcome if isinstance(outcome, Waiting) else self._waiting, now)

    def payer_inquired(self, event: Inquired, now: datetime) -> Step:
        """INQUIRING + Inquired, the first answer was lost: the payer may be acting already."""
        outcome = event.outcome
        return (
            self.wait(outcome, now) if isinstance(outcome, Waiting) else self.inquired(event, now)
        )

    def tell(self, event: Approved | Declined | Unreachable, _: datetime) -> Step:
        """ASKING + the issuer's word or the dead line, a chip waits for it."""
        self._told = event
        allowed = isinstance(event, Unreachable) and not self._offline_reason
        return State.COMPLETING, (Complete(event, allowed),)

    def tell_inquired(self, event: Inquired, now: datetime) -> Step:
        """INQUIRING + Inquired, a chip waits: what stays in doubt it hears as doubt."""
        outcome = event.outcome
        if isinstance(outcome, Approved | Declined):
            return self.tell(outcome, now)
        self._told = Unknown("the inquiry did not end the doubt")
        return State.COMPLETING, (Complete(self._told, offline_allowed=False),)

    def completed(self, event: Completed, now: datetime) -> Step:
        """COMPLETING + Completed: the issuer's word and the card's together are the ending."""
        self._word = word = event.word
        match self._told:
            case Approved(answer) if not word.approved:
                return self._reversed(now, word.reason, OTHER, answer)
            case Approved():
                return State.CERTIFYING, (Seal(self.begun, word.card),)
            case Declined() as told:
                return self.declined(told, now)
            case Unreachable() if word.approved and not self._offline_reason:
                return State.SEALING, (Seal(self.begun, word.card),)
            case Unreachable(reason):
                why = self._offline_reason or word.reason
                return self.conclude(Ending.CANCELLED, now, reason=f"{reason}; {why}")
        return self._reversed(now, NO_ANSWER, NO_ANSWER)

    def certified(self, event: Sealed, now: datetime) -> Step:
        """CERTIFYING + Sealed: the certificate reaches the acquirer as a voucher of the sale."""
        certificate = Owed(0, OwedKind.UPLOAD, self.begun.key, sealed=event.data)
        return self._kept(now, "", (certificate,))

    def uncertified(self, event: Unsealed, now: datetime) -> Step:
        """CERTIFYING + Unsealed: issuer and card have approved; only the certificate is lost."""
        return self._kept(now, event.code, ())

    def unsealed(self, event: Unsealed, now: datetime) -> Step:
        """SEALING + Unsealed: nothing left, and nothing could tell the acquirer of it."""
        return self.conclude(Ending.CANCELLED, now, reason=event.code)

    def _kept(self, now: datetime, reason: str, owed: tuple[Owed, ...]) -> Step:
        answer = self._told.answer if isinstance(self._told, Approved) else None
        return self.conclude(Ending.APPROVED, now, answer=answer, reason=reason, owed=owed)

    def _reversed(
        self, now: datetime, reason: str, code: str, answer: Answer | None = None
    ) -> Step:
        owed = reversal_of(self.begun, code)
        ending = Ending.UNKNOWN if owed else Ending.CANCELLED
        return self.conclude(ending, now, answer=answer, reason=reason, owed=owed)

    def sealed(self, event: Sealed, now: datetime) -> Step:
        """SEALING + Sealed."""
        advice = Owed(0, OwedKind.ADVICE, self.begun.key, sealed=event.data)
        return self.conclude(Ending.APPROVED_OFFLINE, now, owed=(advice,))

    def concluded(self, _: Concluded, __: datetime) -> Step:
        """CONCLUDING + Concluded."""
        return State.DONE, ()


def reversal_of(begun: Begun, code: str = NO_ANSWER) -> tuple[Owed, ...]:
    """Return the reversal owed for a transaction in doubt; none where the kind is not reversed."""
    if not begun.intent.kind.reversible:
        return ()
    return (Owed(0, OwedKind.REVERSAL, begun.key, reason=code),)


def after_restart(begun: Begun, now: datetime) -> Conclusion:
    """Return how a transaction that a power cut left BEGUN ends.

    The customer may be gone and nothing was shown, so it is reversed and not asked for: an
    approval that nobody has seen must not stand.
    """
    owed = reversal_of(begun)
    ending = Ending.UNKNOWN if owed else Ending.CANCELLED
    return Conclusion(begun.key, ending, now, reason=NO_ANSWER, owed=owed)


_Rules = dict[tuple[State, type], Callable[..., Step]]

_RULES: _Rules = {
    (State.IDLE, Start): SaleMachine.start,
    (State.RECORDING, Recorded): SaleMachine.recorded,
    (State.ASKING, Approved): SaleMachine.approved,
    (State.ASKING, Declined): SaleMachine.declined,
    (State.ASKING, Unreachable): SaleMachine.unreachable,
    (State.ASKING, Unknown): SaleMachine.unknown,
    (State.ASKING, NotFound): SaleMachine.unknown,
    (State.ASKING, Waiting): SaleMachine.unknown,
    (State.INQUIRING, Inquired): SaleMachine.inquired,
    (State.SEALING, Sealed): SaleMachine.sealed,
    (State.SEALING, Unsealed): SaleMachine.unsealed,
    (State.CONCLUDING, Concluded): SaleMachine.concluded,
}
# Instead of the rows above while a chip waits for the issuer's word.
_CHIP_WAITS: _Rules = {
    (State.ASKING, Approved): SaleMachine.tell,
    (State.ASKING, Declined): SaleMachine.tell,
    (State.ASKING, Unreachable): SaleMachine.tell,
    (State.INQUIRING, Inquired): SaleMachine.tell_inquired,
    (State.COMPLETING, Completed): SaleMachine.completed,
    (State.CERTIFYING, Sealed): SaleMachine.certified,
    (State.CERTIFYING, Unsealed): SaleMachine.uncertified,
}
# And where the card has approved by itself.
_CARD_APPROVED: _Rules = {
    (State.RECORDING, Recorded): SaleMachine.card_approved,
}
# And where it is told and not asked for.
_ADVICE: _Rules = {
    (State.RECORDING, Recorded): SaleMachine.advised,
}
# And where somebody pays with a telephone. What is still open when time is up is closed by the
# acquirer, so a late payment is refused there; a close that stays unanswered is reversed, which
# takes back a payment too.
_PAYER: _Rules = {
    (State.ASKING, Waiting): SaleMachine.wait,
    (State.INQUIRING, Inquired): SaleMachine.payer_inquired,
    (State.WAITING, Waited): SaleMachine.waited,
    (State.POLLING, Inquired): SaleMachine.polled,
    (State.CLOSING, Inquired): SaleMachine.inquired,
}
