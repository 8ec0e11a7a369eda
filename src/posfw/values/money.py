"""Money as integer minor units with an ISO 4217 currency. No float ever holds an amount."""

from __future__ import annotations

import re
from dataclasses import dataclass

from posfw.values.errors import InputError, MisuseError

__all__ = ["CNY", "CURRENCIES", "MAX_MINOR", "USD", "Currency", "Money", "parse_amount"]

# DE4 of ISO 8583 and EMV tag 9F02 hold 12 digits; nothing larger can leave the terminal.
MAX_MINOR = 999_999_999_999


@dataclass(frozen=True, slots=True)
class Currency:
    """An ISO 4217 currency: alphabetic code, numeric code, digits after the point."""

    code: str
    number: int
    exponent: int

    def __repr__(self) -> str:
        return self.code


CNY = Currency("CNY", 156, 2)
USD = Currency("USD", 840, 2)
# The currencies of the shipped acquirer profiles; JPY has no minor unit and keeps code honest.
CURRENCIES = {
    c.number: c
    for c in (CNY, USD, Currency("HKD", 344, 2), Currency("EUR", 978, 2), Currency("JPY", 392, 0))
}


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units, never negative: direction is the transaction kind's business.

    Raises:
        MisuseError: negative, beyond 12 digits, or two currencies mixed.
    """

    minor: int
    currency: Currency = CNY

    def __post_init__(self) -> None:
        if not 0 <= self.minor <= MAX_MINOR:
            raise MisuseError(f"Amount {self.minor} is outside 0..{MAX_MINOR} minor units.")

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __str__(self) -> str:
        """Digits with the currency's exponent and no grouping: `12.50`."""
        if self.currency.exponent == 0:
            return str(self.minor)
        whole, rest = divmod(self.minor, 10**self.currency.exponent)
        return f"{whole}.{rest:0{self.currency.exponent}d}"

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise MisuseError(f"{self.currency!r} and {other.currency!r} were mixed.")
        return other.minor


def parse_amount(text: str, currency: Currency = CNY) -> Money:
    """Read `12`, `12.5` or `12.50` as typed by a person.

    Raises:
        InputError: anything else, more decimals than the currency has, or more than 12 digits.
    """
    match = re.fullmatch(r"(\d{1,12})(?:\.(\d{1,4}))?", text.strip(), flags=re.ASCII)
    decimals = (match.group(2) or "") if match else ""
    if not match or len(decimals) > currency.exponent:
        raise InputError(f"{text[:20]!r} is not an amount in {currency.code}.", code="OPR-201")
    minor = int(match.group(1) + decimals.ljust(currency.exponent, "0"))
    if minor > MAX_MINOR:
        raise InputError(f"{text[:20]!r} has more than 12 digits.", code="OPR-201")
    return Money(minor, currency)
