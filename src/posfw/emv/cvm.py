"""CVM lists: rules, conditions and what the terminal can do (EMV Book 3, 10.5, annex C3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from posfw.emv.bits import Capability
from posfw.emv.context import Context
from posfw.emv.effects import Service
from posfw.emv.parameters import EmvParameters
from posfw.emv.tags import Tag
from posfw.values.errors import CardDataError

__all__ = ["Method", "Rule", "applies", "method_of", "rules", "supported"]

UNIONPAY: Final = bytes.fromhex("A000000333")
UNATTENDED: Final = frozenset({0x14, 0x15, 0x16, 0x24, 0x25, 0x26, 0x34, 0x35, 0x36})


class Method(Enum):
    """Bits 6–1 of a rule's first byte (annex C3, table 43); IDENTITY is PBOC's (UnionPay)."""

    FAIL = 0x00
    PLAINTEXT_PIN = 0x01
    ONLINE_PIN = 0x02
    PLAINTEXT_PIN_AND_SIGNATURE = 0x03
    ENCIPHERED_PIN = 0x04
    ENCIPHERED_PIN_AND_SIGNATURE = 0x05
    SIGNATURE = 0x1E
    NO_CVM = 0x1F
    IDENTITY = 0x20

    @property
    def pin(self) -> bool:
        """Whether a PIN is entered."""
        return 1 <= self.value <= 5


# What 9F33 must have, all bits of it (Book 4, annex A2).
_NEEDS: Final = {
    Method.PLAINTEXT_PIN: Capability.PLAINTEXT_PIN,
    Method.ONLINE_PIN: Capability.ONLINE_PIN,
    Method.PLAINTEXT_PIN_AND_SIGNATURE: Capability.PLAINTEXT_PIN | Capability.SIGNATURE,
    Method.ENCIPHERED_PIN: Capability.ENCIPHERED_PIN,
    Method.ENCIPHERED_PIN_AND_SIGNATURE: Capability.ENCIPHERED_PIN | Capability.SIGNATURE,
    Method.SIGNATURE: Capability.SIGNATURE,
    Method.NO_CVM: Capability.NO_CVM,
}

_BY_NUMBER: Final = {each.value: each for each in Method}


@dataclass(frozen=True, slots=True)
class Rule:
    """One cardholder verification rule with the list's two amounts."""

    code: int
    condition: int
    x_minor: int
    y_minor: int

    @property
    def go_on(self) -> bool:
        """Bit 7: apply the next rule if this one fails."""
        return self.code & 0x40 != 0


def rules(value: bytes) -> tuple[Rule, ...]:
    """Return the rules of tag 8E.

    Raises:
        CardDataError: shorter than the two amounts, or an odd number of bytes (Book 3, 7.5).
    """
    if len(value) < 8 or len(value) % 2:
        raise CardDataError(f"The card's CVM list has {len(value)} bytes.")
    x, y = int.from_bytes(value[:4], "big"), int.from_bytes(value[4:8], "big")
    return tuple(Rule(value[at], value[at + 1], x, y) for at in range(8, len(value), 2))


def method_of(rule: Rule, rid: bytes) -> Method | None:
    """Return the method, None for one that is not recognised."""
    if rule.code & 0x80:
        return None
    found = _BY_NUMBER.get(rule.code & 0x3F)
    return None if found is Method.IDENTITY and rid != UNIONPAY else found


def supported(method: Method, parameters: EmvParameters) -> bool:
    """Whether the terminal can do it; failing needs nothing."""
    if method is Method.IDENTITY:
        return parameters.identity_check
    needs = _NEEDS.get(method, 0)
    return parameters.capabilities & needs == needs


def applies(rule: Rule, context: Context) -> bool:
    """Whether the rule's condition holds (annex C3, table 44); unknown ones never do."""
    service = context.request.service
    cash = service is Service.CASH
    unattended_cash = cash and context.parameters.terminal_type in UNATTENDED
    match rule.condition:
        case 0x00:
            return True
        case 0x01:
            return unattended_cash
        case 0x02:
            return not cash and service is not Service.CASHBACK
        case 0x03:
            method = method_of(rule, context.aid.rid)
            return method is not None and supported(method, context.parameters)
        case 0x04:
            return cash and not unattended_cash
        case 0x05:
            return service is Service.CASHBACK
    return _amount_applies(rule, context)


def _amount_applies(rule: Rule, context: Context) -> bool:
    """Conditions 06–09: under or over X or Y, in the application's currency only."""
    currency = context.value(Tag.APPLICATION_CURRENCY)
    if currency != context.value(Tag.TRANSACTION_CURRENCY):
        return False
    amount = context.request.amount.minor
    match rule.condition:
        case 0x06:
            return amount < rule.x_minor
        case 0x07:
            return amount > rule.x_minor
        case 0x08:
            return amount < rule.y_minor
        case 0x09:
            return amount > rule.y_minor
    return False
