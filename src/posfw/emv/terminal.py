"""The terminal's own data objects (EMV Book 3, annex A1, source "terminal")."""

from __future__ import annotations

from posfw.emv.effects import Request, Service
from posfw.emv.parameters import EmvParameters
from posfw.emv.tags import Tag
from posfw.values.errors import MisuseError

__all__ = ["TRANSACTION_TYPES", "terminal_objects"]

# First two digits of ISO 8583 processing codes (9C).
TRANSACTION_TYPES = {
    Service.GOODS: 0x00,
    Service.CASH: 0x01,
    Service.CASHBACK: 0x09,
    Service.REFUND: 0x20,
}
CHIP: int = 0x05  # 9F39: integrated circuit read, ISO 8583 POS entry mode


def terminal_objects(parameters: EmvParameters, request: Request) -> dict[int, bytes]:
    """Return what the terminal knows before a card comes, by tag.

    Raises:
        MisuseError: chance of the wrong size, or cashback above the amount.
    """
    if len(request.unpredictable) != 4 or not 1 <= request.chance_percent <= 99:
        raise MisuseError("A request needs four random bytes and a number from 1 to 99.")
    other = request.cashback.minor if request.cashback else 0
    if other > request.amount.minor:
        raise MisuseError("Cashback is part of the amount.")
    currency = request.amount.currency
    return {
        Tag.AMOUNT: _numeric(request.amount.minor, 6),
        Tag.AMOUNT_BINARY: min(request.amount.minor, 0xFFFFFFFF).to_bytes(4, "big"),
        Tag.AMOUNT_OTHER: _numeric(other, 6),
        Tag.AMOUNT_OTHER_BINARY: min(other, 0xFFFFFFFF).to_bytes(4, "big"),
        Tag.TRANSACTION_CURRENCY: _numeric(currency.number, 2),
        Tag.CURRENCY_EXPONENT: bytes((currency.exponent,)),
        Tag.TRANSACTION_DATE: bytes.fromhex(request.at.strftime("%y%m%d")),
        Tag.TRANSACTION_TIME: bytes.fromhex(request.at.strftime("%H%M%S")),
        Tag.TRANSACTION_TYPE: bytes((TRANSACTION_TYPES[request.service],)),
        Tag.UNPREDICTABLE_NUMBER: request.unpredictable,
        Tag.SEQUENCE_COUNTER: _numeric(request.counter, 4),
        Tag.ENTRY_MODE: bytes((CHIP,)),
        Tag.CVM_RESULTS: bytes.fromhex("3F0000"),
        Tag.TERMINAL_COUNTRY: _numeric(parameters.country, 2),
        Tag.TERMINAL_TYPE: bytes((parameters.terminal_type,)),
        Tag.TERMINAL_CAPABILITIES: parameters.capabilities.to_bytes(3, "big"),
        Tag.ADDITIONAL_CAPABILITIES: parameters.additional,
        Tag.TERMINAL: parameters.terminal.encode(),
        Tag.MERCHANT: parameters.merchant.encode(),
        Tag.MERCHANT_NAME: parameters.merchant_name.encode(),
        Tag.MERCHANT_CATEGORY: _numeric(parameters.category, 2),
        Tag.ACQUIRER: _numeric(parameters.acquirer, 6),
        Tag.INTERFACE_SERIAL: parameters.serial.encode(),
    }


def _numeric(number: int, size: int) -> bytes:
    """Format n: digits two to a byte."""
    return bytes.fromhex(f"{number:0{2 * size}d}"[-2 * size :])
