"""What the kernel asks for and what it may be told: the only words between kernel and world.

    Transmit            → Response | CardGone
    ChooseApplication   → Chosen | Cancelled
    ReviewCard          → CardHistory
    EnterOfflinePin     → PinEntered | PinBypassed | PinPadBroken | Cancelled
    EnterOnlinePin      → PinEntered | PinBypassed | PinPadBroken | Cancelled
    CheckIdentity       → IdentityChecked
    AuthoriseOnline     → OnlineAnswer | UnableToGoOnline
    Finished            (nothing: the end)

Whoever performs effects holds the clock, the reader, the PIN pad and the line; the kernel holds
none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from posfw.emv.apdu import Command, Response
from posfw.emv.bits import TSI, TVR
from posfw.emv.codes import Code
from posfw.values.card import CardNumber, CardRead, Secret
from posfw.values.money import Money

__all__ = [
    "ANSWERS",
    "Answer",
    "AuthoriseOnline",
    "Cancelled",
    "CardGone",
    "CardHistory",
    "CheckIdentity",
    "ChooseApplication",
    "Chosen",
    "Effect",
    "EnterOfflinePin",
    "EnterOnlinePin",
    "Fallback",
    "Finished",
    "IdentityChecked",
    "OnlineAnswer",
    "PinBypassed",
    "PinEntered",
    "PinPadBroken",
    "PublicKey",
    "Request",
    "ReviewCard",
    "Service",
    "Transmit",
    "UnableToGoOnline",
    "Verdict",
]


class Service(StrEnum):
    """What is bought; decides Application Usage Control and CVM conditions (Book 3, 10.4.2)."""

    GOODS = "goods"
    CASHBACK = "cashback"
    CASH = "cash"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Request:
    """One transaction as the terminal knows it before the card comes; chance and time are values.

    Attributes:
        amount: authorised (9F02), cashback included.
        at: local time (9A, 9F21).
        unpredictable: four random bytes (9F37).
        chance_percent: a random whole number 1..99 for selection (Book 3, 10.6.2).
        counter: transaction sequence counter (9F41).
        cashback: other amount (9F03).
        force_online: the cashier wants it online (Book 3, 10.6).
    """

    amount: Money
    at: datetime
    unpredictable: bytes
    chance_percent: int
    counter: int = 1
    service: Service = Service.GOODS
    cashback: Money | None = None
    force_online: bool = False


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An RSA key as a certificate gave it."""

    modulus: int
    exponent: int
    size: int  # bytes


# --- what the kernel asks ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send one command to the card."""

    command: Command


@dataclass(frozen=True, slots=True)
class ChooseApplication:
    """Let the cardholder choose; with one label, let them confirm it (Book 1, 12.4)."""

    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReviewCard:
    """Look the card up in the transaction log and the exception file (Book 3, 10.6)."""

    number: CardNumber
    sequence: int | None


@dataclass(frozen=True, slots=True)
class EnterOfflinePin:
    """Let the PIN pad make the data of a VERIFY command; the PIN never reaches posfw.

    Attributes:
        key: encipher under it (Book 2, 7.2); None asks for the plaintext block (Book 3, table 24).
        challenge: eight bytes of the card, with `key`.
        tries_left: as the card says, None where it does not say.
        wrong: an entry before this one was wrong.
    """

    key: PublicKey | None = None
    challenge: bytes = b""
    tries_left: int | None = None
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class EnterOnlinePin:
    """Let the PIN pad make the encrypted block that goes to the issuer."""

    number: CardNumber


@dataclass(frozen=True, slots=True)
class CheckIdentity:
    """Let the cashier compare an identity document (PBOC/UnionPay CVM 100000, 持卡人证件出示)."""

    kind: int
    number: Secret


@dataclass(frozen=True, slots=True)
class AuthoriseOnline:
    """Ask the issuer; `card` carries DE55 data, track 2 and the PIN block."""

    card: CardRead


class Verdict(StrEnum):
    """How a chip transaction ended."""

    APPROVED_OFFLINE = "approved_offline"  # Y1, Y3
    APPROVED_ONLINE = "approved_online"
    DECLINED_OFFLINE = "declined_offline"  # Z1, Z3
    DECLINED_ONLINE = "declined_online"
    TERMINATED = "terminated"  # the Books end it without a word of the card
    REMOVED = "removed"
    CANCELLED = "cancelled"

    @property
    def approved(self) -> bool:
        """Whether goods may be given."""
        return self in (Verdict.APPROVED_OFFLINE, Verdict.APPROVED_ONLINE)


class Fallback(StrEnum):
    """What may be tried with the same card after this ending (docs/emv.md, fall-back)."""

    NONE = "none"  # the chip has spoken: no stripe
    INSERT_AGAIN = "insert_again"
    STRIPE = "stripe"


@dataclass(frozen=True, slots=True)
class Finished:
    """The end.

    Attributes:
        code: NONE on approval.
        card: what was read, with the final DE55 data (TC or AAC); None if too little was read.
        reversal: the issuer may have booked it and the sale did not come to be: reverse it.
        script_results: five bytes a script (DF31, 9F5B), empty without scripts.
        script_data: DE55-equivalent data of the script-result message, empty without scripts.
        receipt: the tags a slip prints (payments page, 3.2), by tag.
        signature: the cardholder signs.
    """

    verdict: Verdict
    code: Code = Code.NONE
    fallback: Fallback = Fallback.NONE
    card: CardRead | None = None
    reversal: bool = False
    script_results: bytes = b""
    script_data: Secret = field(default=Secret(b""), repr=False)
    receipt: dict[int, bytes] = field(default_factory=dict, repr=False)
    signature: bool = False
    tvr: TVR = TVR.NONE
    tsi: TSI = TSI.NONE
    cvm_results: bytes = bytes.fromhex("3F0000")


# --- what it may be told -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CardGone:
    """No answer: pulled out, or mute although it is there."""

    removed: bool = True


@dataclass(frozen=True, slots=True)
class Chosen:
    """The cardholder's choice by position."""

    index: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Cardholder or cashier ended it."""


@dataclass(frozen=True, slots=True)
class CardHistory:
    """What the terminal knows of this card.

    Attributes:
        approved_minor: sum approved offline for it and not yet sent (split sales).
        listed: on the exception file.
    """

    approved_minor: int = 0
    listed: bool = False


@dataclass(frozen=True, slots=True)
class PinEntered:
    """A PIN pad's block: VERIFY data, or the encrypted block for the issuer."""

    block: Secret


@dataclass(frozen=True, slots=True)
class PinBypassed:
    """The cardholder confirmed an empty entry (Book 4, 6.3.4.3)."""


@dataclass(frozen=True, slots=True)
class PinPadBroken:
    """No PIN pad, or it does not work."""


@dataclass(frozen=True, slots=True)
class IdentityChecked:
    """The cashier's word."""

    matches: bool


@dataclass(frozen=True, slots=True)
class OnlineAnswer:
    """The issuer's verified answer.

    Attributes:
        response_code: two characters; "00" approves, every other declines.
        issuer_data: BER-TLV with 91, 71, 72; empty if none came.
    """

    response_code: str
    issuer_data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class UnableToGoOnline:
    """No answer.

    Attributes:
        offline_allowed: the terminal's offline policy would take it (never after bytes may have
            left).
        maybe_sent: bytes may have left, so the issuer may have booked it.
    """

    offline_allowed: bool = False
    maybe_sent: bool = True


Effect = (
    Transmit
    | ChooseApplication
    | ReviewCard
    | EnterOfflinePin
    | EnterOnlinePin
    | CheckIdentity
    | AuthoriseOnline
    | Finished
)
Answer = (
    Response
    | CardGone
    | Chosen
    | Cancelled
    | CardHistory
    | PinEntered
    | PinBypassed
    | PinPadBroken
    | IdentityChecked
    | OnlineAnswer
    | UnableToGoOnline
)
_PIN: Final = (PinEntered, PinBypassed, PinPadBroken, Cancelled)
ANSWERS: Final[dict[type[Effect], tuple[type[Answer], ...]]] = {
    Transmit: (Response, CardGone),
    ChooseApplication: (Chosen, Cancelled),
    ReviewCard: (CardHistory,),
    EnterOfflinePin: _PIN,
    EnterOnlinePin: _PIN,
    CheckIdentity: (IdentityChecked,),
    AuthoriseOnline: (OnlineAnswer, UnableToGoOnline),
    Finished: (),
}
