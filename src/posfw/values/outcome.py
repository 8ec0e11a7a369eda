"""How a request to the acquirer can end. Expected endings are values; nothing here is raised."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = [
    "Answer",
    "Approved",
    "Declined",
    "DoFirst",
    "NotFound",
    "Outcome",
    "Unknown",
    "Unreachable",
    "Waiting",
]


class DoFirst(StrEnum):
    """What the acquirer wants done before the next sale (UnionPay 处理要求)."""

    PARAMETERS = "parameters"
    STATUS = "status"
    SIGN_ON = "sign_on"
    KEYS = "keys"


@dataclass(frozen=True, slots=True)
class Answer:
    """What every verified answer carries.

    Attributes:
        response_code: ISO 8583 DE39, two characters.
        auth_code: DE38, up to six characters, "" if none.
        reference: DE37 RRN, twelve digits, "" if none.
        host_time: the acquirer's local time as YYYYMMDDhhmmss, "" if none.
        issuer_data: BER-TLV for the chip (91, 71, 72), empty for others.
        balance_minor: for 余额查询, else None.
        do_first: flags to obey before the next sale.
    """

    response_code: str
    auth_code: str = ""
    reference: str = ""
    host_time: str = ""
    issuer_data: bytes = b""
    balance_minor: int | None = None
    do_first: frozenset[DoFirst] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Approved:
    """The acquirer authorised this very key."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Declined:
    """The acquirer refused; nothing was posted."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Nothing left the terminal: it may be cancelled or taken offline."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Bytes may have left and no matching answer came: inquiry or reversal, never a guess."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """Answer to an inquiry: the acquirer has never seen this key."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The acquirer has the request and the payer has not decided: asked again later.

    Attributes:
        code: what the payer's telephone scans, "" where the payer's own code was scanned.
        valid_s: how long the acquirer takes a payment under this key, 0 where it does not say.
    """

    code: str = ""
    valid_s: int = 0


Outcome = Approved | Declined | Unreachable | Unknown | NotFound | Waiting
