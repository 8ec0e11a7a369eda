"""What a newcomer does by hand: run, and drive the simulators from another window."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.system, pytest.mark.may_block]

DEADLINE_S = 20


def command(state: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "posfw", *arguments, "--state", str(state), "--json"],
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


@contextmanager
def started(state: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    line = [sys.executable, "-m", "posfw", *arguments, "--state", str(state)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        try:
            assert json.loads(process.stdout.readline())["ready"] is True
            yield process
        finally:
            process.terminate()
            assert process.wait(DEADLINE_S) == 0


@contextmanager
def terminal(state: Path) -> Iterator[None]:
    """`posfw run` alone: it brings its rig."""
    with started(state, "run"):
        assert command(state, "sign-on")[0] == 0
        yield
    assert not (state / "control.sock").exists()
    assert not (state / "rig" / "control.sock").exists()


def test_run_brings_its_rig_and_a_card_can_be_swiped_by_hand(tmp_path: Path) -> None:
    with terminal(tmp_path):
        line = [sys.executable, "-m", "posfw", "sale", "12.00", "--state", str(tmp_path)]
        with subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as sale:
            assert sale.stderr is not None
            assert sale.stderr.readline().strip()  # asks for the card
            code, swiped = command(tmp_path, "sim", "card", "swipe", "unionpay")
            assert (code, swiped["result"]["number"]) == (0, "621234******1232")
            told, _ = sale.communicate(timeout=DEADLINE_S)
            assert sale.returncode == 0, told
            assert "成功" in told
        code, books = command(tmp_path, "sim", "bank", "show")
        (posting,) = books["result"]["postings"]
        assert (code, posting["amount_minor"], posting["live"]) == (0, 1200, True)


def test_the_line_and_keyed_cards_by_hand(tmp_path: Path) -> None:
    with terminal(tmp_path):
        code, approved = command(tmp_path, "sim", "card", "key", "visa", "20.00")
        assert (code, approved["result"]["ending"]) == (0, "success")
        assert command(tmp_path, "sim", "line", "lose-answer")[0] == 0
        code, inquired = command(tmp_path, "sim", "card", "key", "visa", "21.00")
        assert (code, inquired["result"]["reason"]) == (0, approved["result"]["reason"])
        assert command(tmp_path, "sim", "line", "down")[0] == 0
        code, refused = command(tmp_path, "sim", "card", "key", "visa", "22.00")
        assert (code, refused["result"]["ending"]) == (1, "failed")
        assert command(tmp_path, "sim", "line", "up")[0] == 0


def until(state: Path, name: str, value: object) -> None:
    """Ask the terminal's status until it says so."""
    for _ in range(200):
        if command(state, "status")[1]["result"][name] == value:
            return
    raise AssertionError(f"{name} never became {value!r}")


def test_the_printer_by_hand(tmp_path: Path) -> None:
    with terminal(tmp_path):
        for trouble, reason in (("paper-out", "PRN-202"), ("cover-open", "PRN-203")):
            assert command(tmp_path, "sim", "printer", trouble)[0] == 0
            assert command(tmp_path, "sim", "card", "key", "visa", "20.00")[0] == 0
            until(tmp_path, "printer_reason", reason)
            slips = command(tmp_path, "sim", "printer", "ok")[1]["result"]["slips"]
            until(tmp_path, "waiting_prints", 0)
        assert command(tmp_path, "sim", "printer", "ok")[1]["result"]["slips"] == slips + 2


def test_a_rig_of_its_own_names_its_ports_and_run_attaches_to_it(tmp_path: Path) -> None:
    with started(tmp_path, "sim", "rig", "--pty") as rig, started(tmp_path, "run"):
        assert command(tmp_path, "sign-on")[0] == 0
        assert (tmp_path / "rig" / "card").is_symlink()
        assert rig.poll() is None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["sim", "bank", "show"], 5), (["sim", "card", "key", "visa", "1.00"], 5)],
)
def test_without_a_rig_it_says_how_to_start_one(
    arguments: list[str], code: int, tmp_path: Path
) -> None:
    found, error = command(tmp_path, *arguments)
    assert found == code
    assert error["next_step"].endswith("posfw sim rig")
