"""PC/SC's return codes and reader states."""

from __future__ import annotations

import pytest

from posfw.card.pcsc.status import Absence, absence, is_present, protocol_of
from posfw.sim.chip.faults import PATIENCE_S


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0x80100069, Absence.REMOVED),  # SCARD_W_REMOVED_CARD
        (0x8010000C, Absence.REMOVED),  # SCARD_E_NO_SMARTCARD
        (0x80100066, Absence.MUTE),  # SCARD_W_UNRESPONSIVE_CARD
        (0x80100016, Absence.MUTE),  # SCARD_E_NOT_TRANSACTED
        (0x8010001D, None),  # SCARD_E_NO_SERVICE
        (0x80100017, None),  # SCARD_E_READER_UNAVAILABLE
        (0, None),
    ],
)
def test_a_code_speaks_of_the_card_or_of_the_reader(code: int, expected: Absence | None) -> None:
    assert absence(code) is expected
    assert absence(code - (1 << 32)) is expected  # as a signed binding gives it


@pytest.mark.parametrize(
    ("state", "expected"),
    [(0x0012, False), (0x10022, True), (0x0122, True), (0x0004, None), (0x0008, None)],
)
def test_a_state_tells_presence_or_a_reader_that_is_gone(
    state: int, expected: bool | None
) -> None:
    assert is_present(state) is expected


def test_the_codes_are_those_of_the_binding() -> None:
    scard = pytest.importorskip("smartcard.scard", reason="pyscard is not installed")
    assert absence(scard.SCARD_W_REMOVED_CARD) is Absence.REMOVED
    assert absence(scard.SCARD_E_NO_SMARTCARD) is Absence.REMOVED
    assert absence(scard.SCARD_W_UNRESPONSIVE_CARD) is Absence.MUTE
    assert absence(scard.SCARD_E_NO_SERVICE) is None
    assert is_present(scard.SCARD_STATE_PRESENT) is True
    assert is_present(scard.SCARD_STATE_EMPTY) is False
    assert protocol_of(scard.SCARD_PROTOCOL_T0) == 0
    assert protocol_of(scard.SCARD_PROTOCOL_T1) == 1


def test_the_simulated_slow_card_is_measured_by_the_drivers_own_patience() -> None:
    driver = pytest.importorskip(
        "posfw.card.pcsc.driver", reason="pyscard is not installed (requirements/pcsc.txt)"
    )
    assert PATIENCE_S == driver.ANSWER_S
