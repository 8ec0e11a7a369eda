"""Test cards from published test numbers only; expiry and issuer's digits follow a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

from posfw.card.magstripe import encode_line
from posfw.values.card import CardNumber

__all__ = ["NAMES", "TEST_PIN", "TestCard", "deck"]

TEST_PIN: Final = "123456"  # of every test card

# 106: a PIN where there is a pad, a signature where there is none (ISO/IEC 7813).
_CARDS: Final = (
    ("unionpay", "6212345678901232", "106"),
    ("unionpay-19", "6212345678900000003", "106"),
    ("unionpay-chip", "6212345678901265", "220"),
    ("visa", "4111111111111111", "101"),
    ("visa-chip", "4012888888881881", "201"),
    ("mastercard", "5555555555554444", "101"),
)
NAMES: Final = tuple(name for name, _, _ in _CARDS)


@dataclass(frozen=True, slots=True)
class TestCard:
    """One card: what its stripe says.

    Attributes:
        name: how scripts call it.
        number: a published test number.
        expiry: YYMM.
        service_code: three digits of ISO/IEC 7813.
        track1: without sentinels.
        track2: without sentinels.
    """

    __test__ = False  # not a pytest class, whatever its name

    name: str
    number: CardNumber
    expiry: str
    service_code: str
    track1: str = field(repr=False)
    track2: str = field(repr=False)

    @property
    def line(self) -> bytes:
        """What a reader sends when the card is swiped."""
        return encode_line(track1=self.track1, track2=self.track2)


def deck(seed: int) -> dict[str, TestCard]:
    """Return the same cards for the same seed, by name."""
    chance = random.Random(seed)
    return {name: _card(chance, name, digits, service) for name, digits, service in _CARDS}


def _card(chance: random.Random, name: str, digits: str, service: str) -> TestCard:
    expiry = f"{chance.randint(30, 39)}{chance.randint(1, 12):02d}"
    room = 37 - len(digits) - 1 - 4 - 3
    rest = f"{chance.randrange(10**8):08d}"[:room]
    return TestCard(
        name=name,
        number=CardNumber(digits),
        expiry=expiry,
        service_code=service,
        track1=f"B{digits}^TEST/CARD^{expiry}{service}{rest}",
        track2=f"{digits}={expiry}{service}{rest}",
    )
