"""Who asks and which request it is: terminal, merchant, batch, STAN. One key for one intent."""

from __future__ import annotations

from dataclasses import dataclass

from posfw.values.errors import MisuseError

__all__ = ["LAST_NUMBER", "Key", "MerchantId", "TerminalId", "following", "preceding"]

# ISO 8583 DE11 and the UnionPay batch number are n6; 000000 is not used.
LAST_NUMBER = 999_999


def following(number: int) -> int:
    """Return the number after a STAN or batch number: 999999 is followed by 1."""
    return 1 if number >= LAST_NUMBER else number + 1


def preceding(number: int) -> int:
    """Return the number before a STAN or batch number: 1 is preceded by 999999."""
    return LAST_NUMBER if number <= 1 else number - 1


@dataclass(frozen=True, slots=True)
class TerminalId:
    """终端号, ISO 8583 DE41: 8 characters of A–Z and 0–9."""

    value: str

    def __post_init__(self) -> None:
        if len(self.value) != 8 or not _plain(self.value):
            raise MisuseError(f"Terminal number {self.value!r} is not 8 letters or digits.")

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class MerchantId:
    """商户编号, ISO 8583 DE42: 15 characters (institution 3, region 4, MCC 4, sequence 4)."""

    value: str

    def __post_init__(self) -> None:
        if len(self.value) != 15 or not _plain(self.value):
            raise MisuseError(f"Merchant number {self.value!r} is not 15 letters or digits.")

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The identity of one intent: fixed before sending, the same on every retry and reversal."""

    terminal: str
    batch: int
    stan: int

    def __post_init__(self) -> None:
        if not (1 <= self.batch <= LAST_NUMBER and 1 <= self.stan <= LAST_NUMBER):
            raise MisuseError(f"Batch {self.batch} and STAN {self.stan} must be 1..{LAST_NUMBER}.")

    def __str__(self) -> str:
        return f"{self.terminal}-{self.batch:06d}-{self.stan:06d}"


def parse_key(text: str) -> Key:
    """Read what `str(key)` wrote.

    Raises:
        MisuseError: another form.
    """
    parts = text.split("-")
    if len(parts) != 3 or not (parts[1].isdigit() and parts[2].isdigit()):
        raise MisuseError(f"{text!r} is not TERMINAL-BATCH-STAN.")
    return Key(TerminalId(parts[0]).value, int(parts[1]), int(parts[2]))


def _plain(text: str) -> bool:
    return text.isascii() and text.isalnum() and text == text.upper()
