"""What a person does at a simulated counter: `posfw sim card tap`, `pinpad type`, `scan`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.test_by_hand import DEADLINE_S, command, started, until

pytestmark = [pytest.mark.system, pytest.mark.may_block]


def selling(state: Path, amount: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "posfw", "sale", amount, "--state", str(state)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def drive(state: Path, *arguments: str) -> Any:
    """Drive the rig until it takes it: the reader may not wait for a card yet."""
    for _ in range(40):
        code, body = command(state, "sim", *arguments)
        if code == 0:
            return body["result"]
    raise AssertionError(body)


def test_a_tap_with_its_pin_and_a_scan_by_hand(tmp_path: Path) -> None:
    with started(tmp_path, "run", "--board", "host-neo"):
        until(tmp_path, "online", value=True)
        assert command(tmp_path, "sign-on")[0] == 0
        code, refused = command(tmp_path, "sim", "card", "tap", "unionpay-chip")
        assert (code, refused["error"]["code"]) == (4, "OPR-008")
        with selling(tmp_path, "1200.00") as sale:
            drive(tmp_path, "card", "tap", "unionpay-chip")
            assert drive(tmp_path, "pinpad", "type", "123456")["asked"] == [
                "1200.00",
                "ENTER",
                "PIN",
            ]
            told, screen = sale.communicate(timeout=DEADLINE_S)
        assert (sale.returncode, "成功" in told) == (0, True)
        assert "请挥卡、插卡或刷卡" in screen
        assert "请输入密码" in screen
        with selling(tmp_path, "5.00") as sale:
            drive(tmp_path, "card", "insert", "visa-chip", "--way", "pulled")
            drive(tmp_path, "card", "swipe", "visa-chip")
            told, _ = sale.communicate(timeout=DEADLINE_S)
        assert sale.returncode == 0, told
        assert command(tmp_path, "sim", "card", "remove")[1]["result"]["was_in"] is False
        assert command(tmp_path, "sim", "scan", "6901234567892")[0] == 0
        books = command(tmp_path, "sim", "bank", "show")[1]["result"]
        assert [row["amount_minor"] for row in books["postings"]] == [120_000, 500]
        assert json.dumps(books).count("******") == 2
