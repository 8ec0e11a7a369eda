"""The one error tree. Outcomes (declined, unreachable, paper out) are values and not in here.

    PosfwError
    ├── MisuseError            a caller broke a contract (ours)
    ├── InputError             bytes or values from outside that are not what they must be (theirs)
    │   ├── CodecError         a frame, CBOR item, TLV, status byte or CDDL shape
    │   ├── CardDataError      track data, card numbers, answers of a card
    │   └── AuthenticityError  a message, file or answer that does not verify
    ├── ConfigError            a board profile, site file or parameter set that cannot be used
    ├── JournalError           the journal cannot be trusted or written
    │   ├── JournalBusyError       another process holds it
    │   ├── JournalCorruptError    the file or the chain is damaged
    │   ├── JournalUnsafeError     a sync failed or the disk is full: out of service
    │   └── JournalBehindError     an old copy: the acquirer has seen later numbers
    ├── DeviceError            a reader, printer or sensor is gone or silent
    ├── LinkError              the line to the acquirer failed
    ├── KeyStoreError          the secure element is missing, locked or exhausted
    └── RefusedError           not allowed in this state (unsettled batch, not active, locked)

Every error says cause, effect and next step, and carries a code that never changes its meaning.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AuthenticityError",
    "CardDataError",
    "CodecError",
    "ConfigError",
    "DeviceError",
    "InputError",
    "JournalBehindError",
    "JournalBusyError",
    "JournalCorruptError",
    "JournalError",
    "JournalUnsafeError",
    "KeyStoreError",
    "LinkError",
    "MisuseError",
    "PosfwError",
    "RefusedError",
]


class PosfwError(Exception):
    """Base of all faults of the product.

    Args:
        cause: what happened, made of facts, without card data.
        code: overrides the class's code where one class has several well-known causes.
        effect: what does not work now; defaults to the class's text.
        next_step: what a person can do; defaults to the class's text.
        facts: the values behind the message, for logs and tests.
    """

    code: ClassVar[str] = "POS-000"
    exit_code: ClassVar[int] = 1
    effect: ClassVar[str] = "The operation was not carried out."
    next_step: ClassVar[str] = "Try again; if it stays, make a support bundle."

    def __init__(
        self,
        cause: str,
        *,
        code: str | None = None,
        effect: str | None = None,
        next_step: str | None = None,
        **facts: object,
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.stable_code = code or type(self).code
        self.effect_text = effect or type(self).effect
        self.next_step_text = next_step or type(self).next_step
        self.facts = facts

    def __str__(self) -> str:
        return f"{self.cause} {self.effect_text} {self.next_step_text} ({self.stable_code})"


class MisuseError(PosfwError):
    """Raised when a caller breaks a contract of this code base: a defect, not a situation."""

    code = "POS-100"
    effect = "Nothing was changed."
    next_step = "This is a defect: report it with the log."


class InputError(PosfwError):
    """Raised when something from outside is not what it must be; it was never received."""

    code = "POS-200"
    effect = "It was ignored."
    next_step = "Check the sender."


class CodecError(InputError):
    """Raised when bytes are not the one accepted form of a message."""

    code = "WIR-201"


class CardDataError(InputError):
    """Raised when a card's data cannot be used."""

    code = "CRD-201"
    effect = "The card was not taken."
    next_step = "Try the card again, or use another card."


class AuthenticityError(InputError):
    """Raised when a message or file does not verify; it counts as never received."""

    code = "SEC-201"
    effect = "It was refused."
    next_step = "If it repeats, call the acquirer: keys or terminal number may be wrong."


class ConfigError(PosfwError):
    """Raised when a profile or site file cannot be used; lists every mistake at once."""

    code = "CFG-001"
    exit_code = 78
    effect = "The terminal does not start with it."
    next_step = "Correct the named lines and check again with `posfw board check`."


class JournalError(PosfwError):
    """Raised when the journal cannot be trusted or written."""

    code = "JRN-001"
    exit_code = 6
    effect = "The terminal is out of service: no sale is taken."
    next_step = "Do not delete the file; keep a copy of it and call service."


class JournalBusyError(JournalError):
    """Raised when another process holds the journal."""

    code = "JRN-007"
    exit_code = 7
    effect = "This process did not start."
    next_step = "Stop the other process first."


class JournalCorruptError(JournalError):
    """Raised when the file or the chain of entries is damaged."""

    code = "JRN-006"


class JournalArchiveError(JournalError):
    """Raised when the journal's archive is missing, damaged or another journal's."""

    code = "JRN-012"
    effect = "Sales go on; what was settled long ago cannot be read, and nothing more is archived."
    next_step = "Put the archive back from a backup and check with posfw journal verify --all."


class JournalUnsafeError(JournalError):
    """Raised when a commit's durability is unknown: a sync failed or the disk is full."""

    code = "JRN-005"
    next_step = "Check the storage; the terminal reads the journal again before it sells."


class JournalBehindError(JournalError):
    """Raised when the journal is an old copy: outside witnesses have seen later numbers."""

    code = "JRN-008"
    next_step = "Sign on again; the acquirer's numbers are taken over before the next sale."


class DeviceError(PosfwError):
    """Raised when a device is gone, silent or answers nonsense."""

    code = "DEV-001"
    exit_code = 5
    effect = "The device is not used until it answers again."
    next_step = "Check cable and power; the terminal reconnects by itself."


class LinkError(PosfwError):
    """Raised when the line to the acquirer failed."""

    code = "NET-001"
    exit_code = 5
    effect = "The terminal works offline within its limits."
    next_step = "Check the network; the terminal reconnects by itself."


class KeyStoreError(PosfwError):
    """Raised when the secure element is missing, locked, or has no key left."""

    code = "SEC-001"
    exit_code = 5
    effect = "The terminal is out of service: no sale is taken."
    next_step = "Check the secure element; new keys come with sign-on or activation."


class RefusedError(PosfwError):
    """Raised when something is not allowed in the present state."""

    code = "OPR-004"
    exit_code = 4
    effect = "Nothing was changed."
    next_step = "Do what the message names first."
