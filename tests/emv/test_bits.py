"""TVR and TSI bit by bit against the Books' byte and bit numbers (Book 3, annexes C5, C6)."""

from __future__ import annotations

import pytest

from posfw.emv.bits import TSI, TVR


@pytest.mark.parametrize(
    ("name", "byte", "bit"),
    [
        ("OFFLINE_DATA_AUTHENTICATION_NOT_PERFORMED", 1, 8),
        ("SDA_FAILED", 1, 7),
        ("ICC_DATA_MISSING", 1, 6),
        ("CARD_ON_EXCEPTION_FILE", 1, 5),
        ("DDA_FAILED", 1, 4),
        ("CDA_FAILED", 1, 3),
        ("SDA_SELECTED", 1, 2),
        ("DIFFERENT_APPLICATION_VERSIONS", 2, 8),
        ("EXPIRED_APPLICATION", 2, 7),
        ("APPLICATION_NOT_YET_EFFECTIVE", 2, 6),
        ("SERVICE_NOT_ALLOWED", 2, 5),
        ("NEW_CARD", 2, 4),
        ("CARDHOLDER_VERIFICATION_NOT_SUCCESSFUL", 3, 8),
        ("UNRECOGNISED_CVM", 3, 7),
        ("PIN_TRY_LIMIT_EXCEEDED", 3, 6),
        ("PIN_PAD_NOT_PRESENT_OR_NOT_WORKING", 3, 5),
        ("PIN_NOT_ENTERED", 3, 4),
        ("ONLINE_PIN_ENTERED", 3, 3),
        ("FLOOR_LIMIT_EXCEEDED", 4, 8),
        ("LOWER_OFFLINE_LIMIT_EXCEEDED", 4, 7),
        ("UPPER_OFFLINE_LIMIT_EXCEEDED", 4, 6),
        ("RANDOMLY_SELECTED_ONLINE", 4, 5),
        ("MERCHANT_FORCED_ONLINE", 4, 4),
        ("DEFAULT_TDOL_USED", 5, 8),
        ("ISSUER_AUTHENTICATION_FAILED", 5, 7),
        ("SCRIPT_FAILED_BEFORE_FINAL_AC", 5, 6),
        ("SCRIPT_FAILED_AFTER_FINAL_AC", 5, 5),
    ],
)
def test_a_tvr_bit_stands_where_the_books_have_it(name: str, byte: int, bit: int) -> None:
    expected = bytes(1 << bit - 1 if place == byte else 0 for place in range(1, 6))
    assert TVR[name].to_bytes5() == expected


def test_no_tvr_bit_is_missing_from_the_table() -> None:
    assert len(TVR) == 27


@pytest.mark.parametrize(
    ("name", "bit"),
    [
        ("OFFLINE_DATA_AUTHENTICATION", 8),
        ("CARDHOLDER_VERIFICATION", 7),
        ("CARD_RISK_MANAGEMENT", 6),
        ("ISSUER_AUTHENTICATION", 5),
        ("TERMINAL_RISK_MANAGEMENT", 4),
        ("SCRIPT_PROCESSING", 3),
    ],
)
def test_a_tsi_bit_stands_where_the_books_have_it(name: str, bit: int) -> None:
    assert TSI[name].to_bytes2() == bytes((1 << bit - 1, 0))
