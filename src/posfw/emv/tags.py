"""Names of EMV data objects, where they come from and what shape they must have.

EMV 4.3 Book 3, annex A1 (data elements by name) and A2 (by tag). `CARD` is the whitelist of what a
card may tell the terminal: an object of the terminal's own found in a card's record is ignored, so
no card can write the amount, the TVR or the terminal's capabilities.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CARD", "COMPRESSED", "NUMERIC", "Tag"]


class Tag:
    """Tags as numbers, under the Books' names."""

    APPLICATION_IDENTIFIER: Final = 0x4F
    APPLICATION_LABEL: Final = 0x50
    TRACK_2_EQUIVALENT: Final = 0x57
    PAN: Final = 0x5A
    CARDHOLDER_NAME: Final = 0x5F20
    EXPIRATION_DATE: Final = 0x5F24
    EFFECTIVE_DATE: Final = 0x5F25
    ISSUER_COUNTRY: Final = 0x5F28
    TRANSACTION_CURRENCY: Final = 0x5F2A
    SERVICE_CODE: Final = 0x5F30
    PAN_SEQUENCE: Final = 0x5F34
    CURRENCY_EXPONENT: Final = 0x5F36
    APPLICATION_TEMPLATE: Final = 0x61
    FCI: Final = 0x6F
    RECORD: Final = 0x70
    SCRIPT_BEFORE: Final = 0x71
    SCRIPT_AFTER: Final = 0x72
    RESPONSE_FORMAT_2: Final = 0x77
    RESPONSE_FORMAT_1: Final = 0x80
    AMOUNT_BINARY: Final = 0x81
    AIP: Final = 0x82
    DF_NAME: Final = 0x84
    SCRIPT_COMMAND: Final = 0x86
    PRIORITY: Final = 0x87
    SFI: Final = 0x88
    AUTHORISATION_RESPONSE_CODE: Final = 0x8A
    CDOL1: Final = 0x8C
    CDOL2: Final = 0x8D
    CVM_LIST: Final = 0x8E
    CA_INDEX: Final = 0x8F
    ISSUER_CERTIFICATE: Final = 0x90
    ISSUER_AUTHENTICATION: Final = 0x91
    ISSUER_REMAINDER: Final = 0x92
    SIGNED_STATIC_DATA: Final = 0x93
    AFL: Final = 0x94
    TVR: Final = 0x95
    TDOL: Final = 0x97
    TC_HASH: Final = 0x98
    TRANSACTION_DATE: Final = 0x9A
    TSI: Final = 0x9B
    TRANSACTION_TYPE: Final = 0x9C
    FCI_PROPRIETARY: Final = 0xA5
    ACQUIRER: Final = 0x9F01
    AMOUNT: Final = 0x9F02
    AMOUNT_OTHER: Final = 0x9F03
    AMOUNT_OTHER_BINARY: Final = 0x9F04
    AID_TERMINAL: Final = 0x9F06
    USAGE_CONTROL: Final = 0x9F07
    VERSION_CARD: Final = 0x9F08
    VERSION_TERMINAL: Final = 0x9F09
    CARDHOLDER_NAME_EXTENDED: Final = 0x9F0B
    IAC_DEFAULT: Final = 0x9F0D
    IAC_DENIAL: Final = 0x9F0E
    IAC_ONLINE: Final = 0x9F0F
    ISSUER_APPLICATION_DATA: Final = 0x9F10
    CODE_TABLE: Final = 0x9F11
    PREFERRED_NAME: Final = 0x9F12
    LAST_ONLINE_ATC: Final = 0x9F13
    LOWER_OFFLINE_LIMIT: Final = 0x9F14
    MERCHANT_CATEGORY: Final = 0x9F15
    MERCHANT: Final = 0x9F16
    PIN_TRY_COUNTER: Final = 0x9F17
    SCRIPT_IDENTIFIER: Final = 0x9F18
    TERMINAL_COUNTRY: Final = 0x9F1A
    FLOOR_LIMIT: Final = 0x9F1B
    TERMINAL: Final = 0x9F1C
    INTERFACE_SERIAL: Final = 0x9F1E
    TRANSACTION_TIME: Final = 0x9F21
    CA_INDEX_TERMINAL: Final = 0x9F22
    UPPER_OFFLINE_LIMIT: Final = 0x9F23
    CRYPTOGRAM: Final = 0x9F26
    CRYPTOGRAM_INFORMATION: Final = 0x9F27
    PIN_CERTIFICATE: Final = 0x9F2D
    PIN_EXPONENT: Final = 0x9F2E
    PIN_REMAINDER: Final = 0x9F2F
    ISSUER_EXPONENT: Final = 0x9F32
    TERMINAL_CAPABILITIES: Final = 0x9F33
    CVM_RESULTS: Final = 0x9F34
    TERMINAL_TYPE: Final = 0x9F35
    ATC: Final = 0x9F36
    UNPREDICTABLE_NUMBER: Final = 0x9F37
    PDOL: Final = 0x9F38
    ENTRY_MODE: Final = 0x9F39
    ADDITIONAL_CAPABILITIES: Final = 0x9F40
    SEQUENCE_COUNTER: Final = 0x9F41
    APPLICATION_CURRENCY: Final = 0x9F42
    DATA_AUTHENTICATION_CODE: Final = 0x9F45
    ICC_CERTIFICATE: Final = 0x9F46
    ICC_EXPONENT: Final = 0x9F47
    ICC_REMAINDER: Final = 0x9F48
    DDOL: Final = 0x9F49
    STATIC_TAG_LIST: Final = 0x9F4A
    SIGNED_DYNAMIC_DATA: Final = 0x9F4B
    ICC_DYNAMIC_NUMBER: Final = 0x9F4C
    MERCHANT_NAME: Final = 0x9F4E
    IDENTITY_NUMBER: Final = 0x9F61  # PBOC (UnionPay): 持卡人证件号
    IDENTITY_KIND: Final = 0x9F62  # PBOC (UnionPay): 持卡人证件类型
    ISSUER_URL_DATA: Final = 0xBF0C


# Least and most bytes of what a card may send (Book 3, annex A1); certificates and keys up to
# 248 bytes (Book 2, annex B2: 1984 bits).
CARD: Final[dict[int, tuple[int, int]]] = {
    Tag.APPLICATION_IDENTIFIER: (5, 16),
    Tag.APPLICATION_LABEL: (1, 16),
    Tag.TRACK_2_EQUIVALENT: (1, 19),
    Tag.PAN: (1, 10),
    Tag.CARDHOLDER_NAME: (2, 26),
    Tag.EXPIRATION_DATE: (3, 3),
    Tag.EFFECTIVE_DATE: (3, 3),
    Tag.ISSUER_COUNTRY: (2, 2),
    Tag.SERVICE_CODE: (2, 2),
    Tag.PAN_SEQUENCE: (1, 1),
    Tag.AIP: (2, 2),
    Tag.DF_NAME: (5, 16),
    Tag.PRIORITY: (1, 1),
    Tag.SFI: (1, 1),
    Tag.CDOL1: (2, 252),
    Tag.CDOL2: (2, 252),
    Tag.CVM_LIST: (8, 252),
    Tag.CA_INDEX: (1, 1),
    Tag.ISSUER_CERTIFICATE: (1, 248),
    Tag.ISSUER_REMAINDER: (1, 248),
    Tag.SIGNED_STATIC_DATA: (1, 248),
    Tag.AFL: (4, 252),
    Tag.TDOL: (0, 252),
    Tag.USAGE_CONTROL: (2, 2),
    Tag.VERSION_CARD: (2, 2),
    Tag.CARDHOLDER_NAME_EXTENDED: (27, 45),
    Tag.IAC_DEFAULT: (5, 5),
    Tag.IAC_DENIAL: (5, 5),
    Tag.IAC_ONLINE: (5, 5),
    Tag.ISSUER_APPLICATION_DATA: (0, 32),
    Tag.CODE_TABLE: (1, 1),
    Tag.PREFERRED_NAME: (1, 16),
    Tag.LAST_ONLINE_ATC: (2, 2),
    Tag.LOWER_OFFLINE_LIMIT: (1, 1),
    Tag.PIN_TRY_COUNTER: (1, 1),
    Tag.UPPER_OFFLINE_LIMIT: (1, 1),
    Tag.CRYPTOGRAM: (8, 8),
    Tag.CRYPTOGRAM_INFORMATION: (1, 1),
    Tag.PIN_CERTIFICATE: (1, 248),
    Tag.PIN_EXPONENT: (1, 3),
    Tag.PIN_REMAINDER: (1, 248),
    Tag.ISSUER_EXPONENT: (1, 3),
    Tag.ATC: (2, 2),
    Tag.PDOL: (0, 252),
    Tag.APPLICATION_CURRENCY: (2, 2),
    Tag.ICC_CERTIFICATE: (1, 248),
    Tag.ICC_EXPONENT: (1, 3),
    Tag.ICC_REMAINDER: (1, 248),
    Tag.DDOL: (0, 252),
    Tag.STATIC_TAG_LIST: (0, 252),
    Tag.SIGNED_DYNAMIC_DATA: (1, 248),
    Tag.IDENTITY_NUMBER: (1, 40),
    Tag.IDENTITY_KIND: (1, 1),
}

# Format n: right-justified, padded with zeros on the left, cut on the left (Book 3, 5.4).
NUMERIC: Final = frozenset(
    {
        Tag.EXPIRATION_DATE,
        Tag.EFFECTIVE_DATE,
        Tag.ISSUER_COUNTRY,
        Tag.TRANSACTION_CURRENCY,
        Tag.SERVICE_CODE,
        Tag.PAN_SEQUENCE,
        Tag.CURRENCY_EXPONENT,
        Tag.TRANSACTION_DATE,
        Tag.TRANSACTION_TYPE,
        Tag.ACQUIRER,
        Tag.AMOUNT,
        Tag.AMOUNT_OTHER,
        Tag.CODE_TABLE,
        Tag.MERCHANT_CATEGORY,
        Tag.TERMINAL_COUNTRY,
        Tag.TRANSACTION_TIME,
        Tag.TERMINAL_TYPE,
        Tag.ENTRY_MODE,
        Tag.SEQUENCE_COUNTER,
        Tag.APPLICATION_CURRENCY,
    }
)
# Format cn: left-justified, padded with F on the right (Book 3, 5.4).
COMPRESSED: Final = frozenset({Tag.PAN})
