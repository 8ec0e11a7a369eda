"""The real stack: kernel, driver, pyscard, pcscd, vpcd and a card, in namespaces of their own."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

INSIDE = Path(__file__).with_name("inside.py")
VPCD = Path("/etc/reader.conf.d/vpcd")
UNSHARE = ["unshare", "--net", "--mount"]

pytestmark = [pytest.mark.slow, pytest.mark.may_block]


def _why_not() -> str:
    if importlib.util.find_spec("smartcard") is None:
        return "pyscard is not installed (requirements/pcsc.txt)"
    if not Path("/usr/sbin/pcscd").exists() or not VPCD.exists():
        return "pcscd or vsmartcard-vpcd is missing: apt-get install pcscd vsmartcard-vpcd"
    if not shutil.which("unshare") or not shutil.which("ip"):
        return "unshare or ip is missing: apt-get install util-linux iproute2"
    tried = subprocess.run(
        [*UNSHARE, "sh", "-c", "ip link set lo up && mount -t tmpfs tmpfs /run"],
        capture_output=True,
        check=False,
    )
    return (
        "" if tried.returncode == 0 else "private network and mount namespaces are not permitted"
    )


@pytest.fixture(scope="module")
def happened() -> Any:
    reason = _why_not()
    if reason:
        pytest.skip(reason)
    ran = subprocess.run(
        [*UNSHARE, sys.executable, "-W", "error", str(INSIDE)],
        capture_output=True,
        check=False,
        timeout=50,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return json.loads(ran.stdout)


def test_both_slots_of_the_virtual_reader_are_seen(happened: Any) -> None:
    assert happened["readers"] == ["Virtual PCD 00 00", "Virtual PCD 00 01"]


@pytest.mark.parametrize("scheme", ["unionpay", "visa", "mastercard"])
def test_a_sale_goes_online_and_the_card_obeys_the_script(happened: Any, scheme: str) -> None:
    sale = happened["sales"][f"{scheme} 00"]
    assert sale["verdict"] == "approved_online"
    assert (sale["scripts"], sale["unlocked"]) == ("2000000001", True)


@pytest.mark.parametrize("scheme", ["unionpay", "visa", "mastercard"])
def test_a_decline_of_the_issuer_reaches_the_card(happened: Any, scheme: str) -> None:
    assert happened["sales"][f"{scheme} 51"]["verdict"] == "declined_online"


def test_a_card_pulled_at_any_command_ends_as_removed(happened: Any) -> None:
    assert happened["pulled"] == ["removed"] * 3


def test_a_card_that_is_stuck_is_mute_and_nobody_waits_for_it(happened: Any) -> None:
    stuck = happened["stuck"]
    assert (stuck["code"], stuck["fallback"]) == ("CRD-401", "stripe")
    assert stuck["waited"] is False  # the sale was over before the card gave its answer


def test_two_slots_sell_at_the_same_time(happened: Any) -> None:
    assert happened["two_slots"] == ["approved_online", "approved_online"]


def test_an_empty_slot_and_a_dead_card_are_values(happened: Any) -> None:
    empty, dead, never_seen = happened["empty_and_dead"]
    assert empty == "REMOVED"
    # vpcd cannot show a card without ATR: to pcscd the slot stays empty.
    assert (dead, never_seen) == ("REMOVED", "True")


def test_a_cancelled_wait_frees_its_thread(happened: Any) -> None:
    assert happened["cancelled"] is True
