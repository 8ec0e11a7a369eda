"""Endings: fall-back, reversal, receipt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from posfw.emv.codes import Code
from posfw.emv.completion import finish, gone, mute_at_reset
from posfw.emv.context import Context
from posfw.emv.effects import Fallback, Finished, Verdict
from posfw.emv.tags import Tag
from posfw.sim.chip.profile import UNIONPAY

NAMED = {Tag.DF_NAME: bytes.fromhex("A000000333010101")}


@pytest.mark.parametrize(
    ("data", "removed", "booked", "expected"),
    [
        ({}, True, False, (Verdict.REMOVED, Code.REMOVED, Fallback.INSERT_AGAIN)),
        (NAMED, True, False, (Verdict.REMOVED, Code.REMOVED, Fallback.INSERT_AGAIN)),
        (NAMED, True, True, (Verdict.REMOVED, Code.REMOVED, Fallback.NONE)),
        ({}, False, False, (Verdict.TERMINATED, Code.MUTE, Fallback.STRIPE)),
        (NAMED, False, False, (Verdict.TERMINATED, Code.MUTE, Fallback.NONE)),
        (NAMED, False, True, (Verdict.TERMINATED, Code.MUTE, Fallback.NONE)),
    ],
)
def test_a_card_that_left_or_fell_silent(
    make_context: Callable[..., Context],
    data: dict[int, bytes],
    removed: bool,
    booked: bool,
    expected: tuple[Verdict, Code, Fallback],
) -> None:
    _, end = gone(make_context(data, maybe_booked=booked), removed=removed)
    assert isinstance(end, Finished)
    assert (end.verdict, end.code, end.fallback) == expected
    assert end.reversal is booked


@pytest.mark.parametrize("verdict", list(Verdict))
def test_what_the_issuer_may_hold_is_reversed_unless_approved(
    make_context: Callable[..., Context], verdict: Verdict
) -> None:
    _, end = finish(make_context(maybe_booked=True, signature=True), verdict)
    assert isinstance(end, Finished)
    assert end.reversal is not verdict.approved
    assert end.signature is verdict.approved


def test_a_chip_without_an_answer_to_reset_may_be_swiped() -> None:
    assert mute_at_reset().fallback is Fallback.STRIPE


def test_a_receipt_has_what_a_slip_prints_and_no_card_number(sale: Callable[..., Any]) -> None:
    receipt = sale(UNIONPAY).finished.receipt
    for tag in (Tag.CRYPTOGRAM, Tag.TVR, Tag.TSI, Tag.ATC, Tag.DF_NAME, Tag.APPLICATION_LABEL):
        assert receipt[tag]
    assert Tag.PAN not in receipt
    assert Tag.TRACK_2_EQUIVALENT not in receipt
