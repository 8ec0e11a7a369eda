"""What one transaction meets and does: states, events that come in, effects that go out.

The tables over them stand in `sale.machine`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from posfw.sale.chip import CardWord
from posfw.values.card import CardRead
from posfw.values.outcome import (
    Approved,
    Declined,
    NotFound,
    Outcome,
    Unknown,
    Unreachable,
    Waiting,
)
from posfw.values.transaction import Begun, ChipFacts, Conclusion, Intent

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
    "Seal",
    "Sealed",
    "Start",
    "State",
    "Step",
    "Unsealed",
    "Waited",
]


class State(Enum):
    """Where one transaction stands between key press and durable ending."""

    IDLE = auto()
    RECORDING = auto()  # commit 1 under way: nothing has left
    ASKING = auto()  # bytes may have left
    INQUIRING = auto()  # no answer: the acquirer is asked what it knows
    COMPLETING = auto()  # the chip has the issuer's word; its own last one is awaited
    SEALING = auto()  # never sent, offline allowed: card data is being encrypted
    CERTIFYING = auto()  # issuer and chip approved: the certificate is being encrypted
    WAITING = auto()  # the payer has the code, or types a password: nothing is decided
    POLLING = auto()  # while the payer acts: the acquirer is asked how it stands
    CLOSING = auto()  # time is up or the cashier gave up: the acquirer is told to take no payment
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
        advice: it is told and not asked for: the authorisation was given before (a tip, an
            adjustment, a completion as advice, a sale authorised by telephone).
        payer: somebody pays with a telephone and may take a while.
        facts: what the card leaves for the slip where no chip has the last word.
    """

    intent: Intent
    offline_reason: str
    waits: bool = False
    word: CardWord | None = None
    advice: bool = False
    payer: bool = False
    facts: ChipFacts | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """Commit 1 is durable."""

    begun: Begun


@dataclass(frozen=True, slots=True)
class Inquired:
    """How the inquiry ended."""

    outcome: Approved | Declined | NotFound | Unreachable | Unknown | Waiting


@dataclass(frozen=True, slots=True)
class Waited:
    """A while has passed; `over` once no more time is left or nobody waits any longer."""

    over: bool


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
class Await:
    """Let the payer act for a while: show the code where there is one."""

    begun: Begun
    waiting: Waiting


@dataclass(frozen=True, slots=True)
class Close:
    """Tell the acquirer to take no payment under this key any more, and ask how it ended."""

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
    | Waiting
    | Inquired
    | Waited
    | Completed
    | Sealed
    | Unsealed
    | Concluded
)
Effect = Record | Authorise | Inquire | Await | Close | Complete | Seal | Conclude
Step = tuple[State, tuple[Effect, ...]]
