"""TVR, TSI, AIP and terminal capabilities bit by bit, under the Books' names.

Book 3, annex C1 (AIP), C5 (TVR), C6 (TSI); Book 4, annex A1–A3 (terminal data). Byte 1 is the
most significant byte, bit 8 its most significant bit.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Final

__all__ = ["AIP", "TSI", "TVR", "Capability", "CryptogramType"]


class TVR(IntFlag):
    """Terminal Verification Results, five bytes (Book 3, annex C5)."""

    NONE = 0
    OFFLINE_DATA_AUTHENTICATION_NOT_PERFORMED = 0x80_00_00_00_00
    SDA_FAILED = 0x40_00_00_00_00
    ICC_DATA_MISSING = 0x20_00_00_00_00
    CARD_ON_EXCEPTION_FILE = 0x10_00_00_00_00
    DDA_FAILED = 0x08_00_00_00_00
    CDA_FAILED = 0x04_00_00_00_00
    SDA_SELECTED = 0x02_00_00_00_00
    DIFFERENT_APPLICATION_VERSIONS = 0x80_00_00_00
    EXPIRED_APPLICATION = 0x40_00_00_00
    APPLICATION_NOT_YET_EFFECTIVE = 0x20_00_00_00
    SERVICE_NOT_ALLOWED = 0x10_00_00_00
    NEW_CARD = 0x08_00_00_00
    CARDHOLDER_VERIFICATION_NOT_SUCCESSFUL = 0x80_00_00
    UNRECOGNISED_CVM = 0x40_00_00
    PIN_TRY_LIMIT_EXCEEDED = 0x20_00_00
    PIN_PAD_NOT_PRESENT_OR_NOT_WORKING = 0x10_00_00
    PIN_NOT_ENTERED = 0x08_00_00
    ONLINE_PIN_ENTERED = 0x04_00_00
    FLOOR_LIMIT_EXCEEDED = 0x80_00
    LOWER_OFFLINE_LIMIT_EXCEEDED = 0x40_00
    UPPER_OFFLINE_LIMIT_EXCEEDED = 0x20_00
    RANDOMLY_SELECTED_ONLINE = 0x10_00
    MERCHANT_FORCED_ONLINE = 0x08_00
    DEFAULT_TDOL_USED = 0x80
    ISSUER_AUTHENTICATION_FAILED = 0x40
    SCRIPT_FAILED_BEFORE_FINAL_AC = 0x20
    SCRIPT_FAILED_AFTER_FINAL_AC = 0x10

    def to_bytes5(self) -> bytes:
        """Return the value of tag 95."""
        return int(self).to_bytes(5, "big")


class TSI(IntFlag):
    """Transaction Status Information, two bytes (Book 3, annex C6)."""

    NONE = 0
    OFFLINE_DATA_AUTHENTICATION = 0x80_00
    CARDHOLDER_VERIFICATION = 0x40_00
    CARD_RISK_MANAGEMENT = 0x20_00
    ISSUER_AUTHENTICATION = 0x10_00
    TERMINAL_RISK_MANAGEMENT = 0x08_00
    SCRIPT_PROCESSING = 0x04_00

    def to_bytes2(self) -> bytes:
        """Return the value of tag 9B."""
        return int(self).to_bytes(2, "big")


class AIP:
    """Application Interchange Profile, byte 1 (Book 3, annex C1)."""

    SDA: Final = 0x40
    DDA: Final = 0x20
    CARDHOLDER_VERIFICATION: Final = 0x10
    TERMINAL_RISK_MANAGEMENT: Final = 0x08
    ISSUER_AUTHENTICATION: Final = 0x04
    CDA: Final = 0x01


class Capability:
    """Terminal Capabilities 9F33, three bytes as one number (Book 4, annex A2)."""

    PLAINTEXT_PIN: Final = 0x00_80_00
    ONLINE_PIN: Final = 0x00_40_00
    SIGNATURE: Final = 0x00_20_00
    ENCIPHERED_PIN: Final = 0x00_10_00
    NO_CVM: Final = 0x00_08_00
    SDA: Final = 0x00_00_80
    DDA: Final = 0x00_00_40
    CDA: Final = 0x00_00_08


class CryptogramType:
    """Bits 8–7 of GENERATE AC's P1 and of the Cryptogram Information Data (Book 3, 6.5.5)."""

    AAC: Final = 0x00
    TC: Final = 0x40
    ARQC: Final = 0x80
    MASK: Final = 0xC0
