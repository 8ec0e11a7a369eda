"""One financial transaction as a state table: events in, effects out, time as an argument.

The order is the product: commit 1 before the first byte leaves, commit 2 before anybody sees the
ending, doubt ends by inquiry or reversal and never by guessing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from posfw.values.errors import MisuseError
from posfw.values.outcome import Answer, Approved, Declined, NotFound, Unknown, Unreachable
from posfw.values.transaction import Begun, Conclusion, Ending, Intent, Owed, OwedKind

__all__ = [
    "Authorise",
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
    "after_restart",
]

# DE39 of a reversal whose original got no answer (payments page, rule 2).
NO_ANSWER = "98"


class State(Enum):
    """Where one transaction stands between key press and durable ending."""

    IDLE = auto()
    RECORDING = auto()  # commit 1 under way: nothing has left
    ASKING = auto()  # bytes may have left
    INQUIRING = auto()  # no answer: the acquirer is asked what it knows
    SEALING = auto()  # never sent, offline allowed: card data is being encrypted
    CONCLUDING = auto()  # commit 2 under way
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Start:
    """The limits allow it; `offline_reason` is "" where it may be taken without a line."""

    intent: Intent
    offline_reason: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """Commit 1 is durable."""

    begun: Begun


@dataclass(frozen=True, slots=True)
class Inquired:
    """How the inquiry ended."""

    outcome: Approved | Declined | NotFound | Unreachable | Unknown


@dataclass(frozen=True, slots=True)
class Sealed:
    """Card data under the transaction's own key."""

    data: bytes


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
class Seal:
    """Encrypt the card data for the advice."""

    begun: Begun


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
    | Sealed
    | Concluded
)
Effect = Record | Authorise | Inquire | Seal | Conclude
Step = tuple[State, tuple[Effect, ...]]


class SaleMachine:
    """One transaction. Not reusable: a new key press needs a new machine."""

    def __init__(self, *, copies: int = 2) -> None:
        self.state = State.IDLE
        self.conclusion: Conclusion | None = None
        self._copies = copies
        self._begun: Begun | None = None
        self._offline_reason = "offline selling is off"

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
        rule = _RULES.get((self.state, type(event)))
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
        self.conclusion = Conclusion(
            key=self.begun.key,
            ending=ending,
            at=now,
            answer=answer,
            reason=reason,
            owed=owed,
            copies=copies,
        )
        return State.CONCLUDING, (Conclude(self.conclusion),)

    def start(self, event: Start, _: datetime) -> Step:
        """IDLE + Start."""
        self._offline_reason = event.offline_reason
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
        owed = reversal_of(self.begun)
        ending = Ending.UNKNOWN if owed else Ending.CANCELLED
        return self.conclude(ending, now, reason=NO_ANSWER, owed=owed)

    def sealed(self, event: Sealed, now: datetime) -> Step:
        """SEALING + Sealed."""
        advice = Owed(0, OwedKind.ADVICE, self.begun.key, sealed=event.data)
        return self.conclude(Ending.APPROVED_OFFLINE, now, owed=(advice,))

    def concluded(self, _: Concluded, __: datetime) -> Step:
        """CONCLUDING + Concluded."""
        return State.DONE, ()


def reversal_of(begun: Begun) -> tuple[Owed, ...]:
    """Return the reversal owed for a transaction in doubt; none where the kind is not reversed."""
    if not begun.intent.kind.reversible:
        return ()
    return (Owed(0, OwedKind.REVERSAL, begun.key, reason=NO_ANSWER),)


def after_restart(begun: Begun, now: datetime) -> Conclusion:
    """Return how a transaction that a power cut left BEGUN ends.

    The customer may be gone and nothing was shown, so it is reversed and not asked for: an
    approval that nobody has seen must not stand.
    """
    owed = reversal_of(begun)
    ending = Ending.UNKNOWN if owed else Ending.CANCELLED
    return Conclusion(begun.key, ending, now, reason=NO_ANSWER, owed=owed)


_RULES: dict[tuple[State, type], Callable[..., Step]] = {
    (State.IDLE, Start): SaleMachine.start,
    (State.RECORDING, Recorded): SaleMachine.recorded,
    (State.ASKING, Approved): SaleMachine.approved,
    (State.ASKING, Declined): SaleMachine.declined,
    (State.ASKING, Unreachable): SaleMachine.unreachable,
    (State.ASKING, Unknown): SaleMachine.unknown,
    (State.ASKING, NotFound): SaleMachine.unknown,
    (State.INQUIRING, Inquired): SaleMachine.inquired,
    (State.SEALING, Sealed): SaleMachine.sealed,
    (State.CONCLUDING, Concluded): SaleMachine.concluded,
}
