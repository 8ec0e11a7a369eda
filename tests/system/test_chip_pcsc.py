"""Chip sales over the real PC/SC stack: card, vpcd, pcscd, pyscard, terminal, TLS, bank."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.card.pcsc.test_driver import UNSHARE, _why_not

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.may_block]


@pytest.fixture(scope="module")
def happened() -> Any:
    reason = _why_not()
    if reason:
        pytest.skip(reason)
    ran = subprocess.run(
        [*UNSHARE, sys.executable, "-W", "error", "-m", "tests.system.chip_pcsc"],
        capture_output=True,
        check=False,
        timeout=55,
        cwd=ROOT,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return json.loads(ran.stdout)


@pytest.mark.parametrize("scheme", ["unionpay", "mastercard"])
def test_a_sale_is_approved_by_bank_and_card_and_the_script_has_run(
    happened: Any, scheme: str
) -> None:
    assert happened[scheme] == {"ending": "approved", "reason": "", "unlocked": True}


def test_the_banks_decline_is_the_sales(happened: Any) -> None:
    assert happened["declined"] == {"ending": "declined", "reason": "51"}


def test_a_card_torn_out_at_the_banks_answer_is_reversed(happened: Any) -> None:
    assert happened["torn"] == {"ending": "unknown", "reason": "CRD-402"}


def test_every_cryptogram_was_genuine_and_the_books_balance(happened: Any) -> None:
    assert (happened["checked"], happened["balanced"], happened["records"]) == (4, True, 2)


def test_scripts_and_certificates_reached_the_acquirer(happened: Any) -> None:
    both = ["script_result", "upload"]
    approved = [names for stan, names in happened["vouchers"] if stan <= 2]
    assert approved == [both, both]
