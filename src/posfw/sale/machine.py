"""One financial transaction as a state table: events in, effects out, time as an argument.

The order is the product: commit 1 before the first byte leaves, commit 2 before anybody sees the
ending, doubt ends by inquiry or reversal and never by guessing. A chip that asked for the issuer
hears its word between the two commits, and its own last word decides the ending.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from posfw.sale.chip import CardWord, script_result_of
from posfw.values.card import CardRead
from posfw.values.errors import MisuseError
from posfw.values.outcome import (
    Answer,
    Approved,
    Declined,
    NotFound,
    Outcome,
    Unknown,
    Unreachable,
)
from posfw.values.transaction import Begun, Conclusion, Ending, Intent, Owed, OwedKind

__all__ = [
    "Authorise",
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
    "after_restart",
]

# DE39 of a reversal whose original got no answer, and of one that the card refused (payments
# page, rule 2).
NO_ANSWER = "98"
OTHER = "06"


class State(Enum):
    """Where one transaction stands between key press and durable ending."""

    IDLE = auto()
    RECORDING = auto()  # commit 1 under way: nothing has left
    ASKING = auto()  # bytes may have left
    INQUIRING = auto()  # no answer: the acquirer is asked what it knows
    COMPLETING = auto()  # the chip has the issuer's word; its own last one is awaited
    SEALING = auto()  # never sent, offline allowed: card data is being encrypted
    CERTIFYING = auto()  # issuer and chip approved: the certificate is being encrypted
    CONCLUDING = auto()  # commit 2 under way
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Start:
    """The limits allow it.

    Attributes:
        intent: what is to be done.
        offline_reason: "" where it may be taken without a line.
        waits: a chip asked for the issuer's word and hears it before commit 2.
        word: the card has approved by itself: nobody is asked.
    """

    intent: Intent
    offline_reason: str
    waits: bool = False
    word: CardWord | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """Commit 1 is durable."""

    begun: Begun


@dataclass(frozen=True, slots=True)
class Inquired:
    """How the inquiry ended."""

    outcome: Approved | Declined | NotFound | Unreachable | Unknown


@dataclass(frozen=True, slots=True)
class Completed:
    """The chip has heard the issuer's word and spoken."""

    word: CardWord


@dataclass(frozen=True, slots=True)
class Sealed:
    """Card data under the transaction's own key."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Unsealed:
    """The secure element failed; the stable code says how."""

    code: str


@dataclass(frozen=True, slots=True)
class Concluded:
    """Commit 2 is durable."""


@dataclass(frozen=True, slots=True)
class Record:
    """Perform commit 1."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class Authorise:
    """Ask online."""

    begun: Begun


@dataclass(frozen=True, slots=True)
class Inquire:
    """Ask how the key stands."""

    begun: Begun


@dataclass(frozen=True, slots=True)
class Complete:
    """Tell the chip how the request ended and let it have its last word."""

    outcome: Outcome
    offline_allowed: bool


@dataclass(frozen=True, slots=True)
class Seal:
    """Encrypt card data for the advice or the certificate; None is the card as it was read."""

    begun: Begun
    card: CardRead | None = None


@dataclass(frozen=True, slots=True)
class Conclude:
    """Perform commit 2."""

    conclusion: Conclusion


Event = (
    Start
    | Recorded
    | Approved
    | Declined
    | Unreachable
    | Unknown
    | NotFound
    | Inquired
    | Completed
    | Sealed
    | Unsealed
    | Concluded
)
Effect = Record | Authorise | Inquire | Complete | Seal | Conclude
Step = tuple[State, tuple[Effect, ...]]


class SaleMachine:
    """One transaction. Not reusable: a new key press needs a new machine."""

    def __init__(self, *, copies: int = 2) -> None:
        self.state = State.IDLE
        self.conclusion: Conclusion | None = None
        self._copies = copies
        self._begun: Begun | None = None
        self._offline_reason = "offline selling is off"
        self._chip_rules: _Rules = {}
        self._word: CardWord | None = None
        self._told: Outcome = Unknown("nobody was asked")

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
        rule = self._chip_rules.get(place) or _RULES.get(place)
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
            chip=word.facts if word else None,
        )
        return State.CONCLUDING, (Conclude(self.conclusion),)

    def start(self, event: Start, _: datetime) -> Step:
        """IDLE + Start."""
        self._offline_reason, self._word = event.offline_reason, event.word
        if event.word is not None and (event.waits or event.offline_reason):
            raise MisuseError("A card's own approval is taken only where offline is allowed.")
        if event.waits:
            self._chip_rules = _CHIP_WAITS
        elif event.word is not None:
            self._chip_rules = _CARD_APPROVED
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
