"""A rig's chip cards at a whole terminal, over the real PC/SC stack."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.card.pcsc.test_driver import UNSHARE, _why_not

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.may_block]


def test_a_card_of_the_rig_is_inserted_and_pays() -> None:
    reason = _why_not()
    if reason:
        pytest.skip(reason)
    ran = subprocess.run(
        [*UNSHARE, sys.executable, "-W", "error", "-m", "tests.system.chip_rig"],
        capture_output=True,
        check=False,
        timeout=55,
        cwd=ROOT,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    # The bank has seen one genuine cryptogram, so the card was read by its chip.
    assert json.loads(ran.stdout) == {"sale": {"ending": "success", "ok": True}, "checked": 1}
