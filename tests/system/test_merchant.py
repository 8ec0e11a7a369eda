"""The merchant's way over the command line: activation, operators, approvals, evening, goods."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from posfw.cli.lesson import APPLICATION, PASSWORDS
from posfw.sim.certifier import CODE
from posfw.sim.rig import MERCHANT, TERMINAL

pytestmark = [pytest.mark.system, pytest.mark.may_block]

DEADLINE_S = 30
PAPERS = ("account_name", "identity", "agreement", "location", "premises")


def posfw(state: Path, *arguments: str, typed: str = "") -> tuple[int, dict[str, Any]]:
    """Run a command with `--json`; return its exit code and document."""
    done = subprocess.run(
        [sys.executable, "-m", "posfw", *arguments, "--state", str(state), "--json"],
        input=typed,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def well(state: Path, *arguments: str, typed: str = "") -> dict[str, Any]:
    """Run a command that must succeed; return its result."""
    code, document = posfw(state, *arguments, typed=typed)
    assert code == 0, document
    result: dict[str, Any] = document["result"]
    return result


@contextmanager
def running(state: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    line = [sys.executable, "-m", "posfw", *arguments, "--state", str(state)]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert json.loads(process.stdout.readline())["ready"] is True
            yield process
        finally:
            process.terminate()
            process.wait(DEADLINE_S)


@contextmanager
def blank(state: Path) -> Iterator[None]:
    """A terminal as it left the factory, with the world around it."""
    site = str(state / "rig" / "site.toml")
    with running(state, "sim", "rig", "--blank"), running(state, "run", "--site", site):
        yield


def until_online(state: Path) -> None:
    for _ in range(40):
        if well(state, "status")["online"]:
            return
    raise AssertionError("the line does not come up")


def passwords(state: Path) -> None:
    for number, old in (("99", "12345678"), ("00", "123456"), ("01", "0000")):
        typed = f"{old}\n{PASSWORDS[number]}\n"
        well(state, "operator", "password", number, typed=typed)


def until_issued(state: Path) -> None:
    passwords(state)
    well(state, "activate", "profile", "unionpay")
    well(state, "activate", "check")
    for paper in PAPERS:
        well(state, "activate", "paper", paper, "A-1")
    application = state / "application.toml"
    application.write_text(APPLICATION, encoding="utf-8")
    well(state, "activate", "apply", str(application))
    system = f"{PASSWORDS['99']}\n"
    well(state, "activate", "issued", TERMINAL, MERCHANT, CODE, typed=system)


def sale(state: Path, amount: str, *more: str) -> tuple[int, dict[str, Any]]:
    keyed = ("--pan", "6212345678901232", "--expiry", "3012")
    return posfw(state, "sale", amount, *keyed, *more)


def guide(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "posfw", "guide", "--yes", "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "验收测试" in done.stderr, "people read it in both languages"
    assert "Run the acceptance rounds" in done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.timeout(90)
def test_the_guide_goes_on_where_somebody_stopped_and_ends_in_live_sales(tmp_path: Path) -> None:
    with blank(tmp_path):
        until_issued(tmp_path)
    ended = guide("--state", str(tmp_path))
    assert ended["activation"] == "active"
    skipped = [step["command"][:2] for step in ended["steps"] if step["exit"] is None]
    assert skipped[:3] == [["operator", "password"]] * 3
    assert skipped[-1] == ["activate", "issued"]
    assert {step["exit"] for step in ended["steps"][len(skipped) :]} == {0}
    with blank(tmp_path):
        assert well(tmp_path, "status")["may_sell"] is True


@pytest.mark.timeout(90)
def test_nothing_leaves_and_nothing_is_sold_before_the_banks_word(tmp_path: Path) -> None:
    with blank(tmp_path):
        code, refused = sale(tmp_path, "12.00")
        assert (code, refused["result"]["code"]) == (1, "ACT-101")
        code, told = posfw(tmp_path, "sign-on")
        assert (code, told["error"]["code"]) == (4, "ACT-102")
        until_issued_without_the_default_passwords_changed(tmp_path)
        until_issued(tmp_path)
        until_online(tmp_path)  # the line is dialled from here on
        code, refused = sale(tmp_path, "12.00")
        assert (code, refused["result"]["code"]) == (1, "ACT-101")
        code, told = posfw(tmp_path, "activate", "online", "JH-0000")
        assert (code, told["error"]["code"]) == (4, "ACT-120")
        answered = well(tmp_path, "activate", "online", CODE)
        assert (answered["terminal"], answered["yesterday_minor"]) == (TERMINAL, 0)
        confirmed = ("activate", "confirm")
        code, told = posfw(tmp_path, *confirmed, typed="11111111\n")
        assert (code, told["error"]["code"]) == (4, "OPR-123")
        well(tmp_path, *confirmed, typed=f"{PASSWORDS['99']}\n")
        assert well(tmp_path, "activate", "provision")["state"] == "provisioned"


def until_issued_without_the_default_passwords_changed(state: Path) -> None:
    """The factory's passwords open nothing but their own change."""
    code, told = posfw(state, "operator", "in", "01", typed="0000\n")
    assert (code, told["error"]["code"]) == (4, "OPR-121")


@pytest.mark.timeout(90)
def test_who_may_sell_give_back_and_what_a_wrong_password_does(tmp_path: Path) -> None:
    guide("--state", str(tmp_path))
    with blank(tmp_path):
        until_online(tmp_path)
        code, refused = sale(tmp_path, "12.00")
        assert (code, refused["result"]["code"]) == (1, "OPR-131")
        well(tmp_path, "operator", "in", "01", typed="4821\n")
        code, approved = sale(tmp_path, "12.00")
        assert (code, approved["result"]["ending"]) == (0, "success")
        key = approved["result"]["key"]
        code, told = posfw(tmp_path, "refund", key, "2.00", typed="999999\n")
        assert (code, told["error"]["code"]) == (4, "OPR-123")
        code, told = posfw(tmp_path, "void", key, "--approve", "01", typed="4821\n")
        assert (code, told["error"]["code"]) == (4, "OPR-122")
        well(tmp_path, "refund", key, "2.00", typed="482139\n")
        well(tmp_path, "operator", "lock")
        code, refused = sale(tmp_path, "12.00")
        assert (code, refused["result"]["code"]) == (1, "OPR-130")
        well(tmp_path, "operator", "unlock", "01", typed="4821\n")
        report = well(tmp_path, "settle", "report")
        assert [row[1:] for row in rows(report["kinds"])] == [
            ["refund", 1, -200],
            ["sale", 1, 1200],
        ]
        assert rows(report["operators"]) == [["CNY", "01", 2, 1000]]
        assert well(tmp_path, "settle")["balanced"] is True
        assert well(tmp_path, "upkeep", "due", "--all")["metres"] >= 0


@pytest.mark.timeout(60)
def test_an_authorisation_is_held_added_to_completed_and_taken_back(tmp_path: Path) -> None:
    card = ("--pan", "6212345678901232", "--expiry", "3012")
    with running(tmp_path, "run"):
        well(tmp_path, "sign-on")
        assert well(tmp_path, "balance", *card)["balance_minor"] > 0
        held = well(tmp_path, "preauth", "start", "100.00", *card)["key"]
        well(tmp_path, "preauth", "add", held, "20.00")
        code, refused = posfw(tmp_path, "void", held)
        assert (code, refused["result"]["code"]) == (1, "SAL-310")
        code, refused = posfw(tmp_path, "preauth", "complete", held, "138.01")
        assert (code, refused["result"]["code"]) == (1, "SAL-313")
        taken = well(tmp_path, "preauth", "complete", held, "110.00")["key"]
        code, refused = posfw(tmp_path, "preauth", "complete", held, "1.00")
        assert (code, refused["result"]["code"]) == (1, "SAL-311")
        code, refused = posfw(tmp_path, "preauth", "void", held)
        assert (code, refused["result"]["code"]) == (1, "SAL-311")
        well(tmp_path, "preauth", "void-complete", taken)
        other = well(tmp_path, "preauth", "start", "50.00", *card)["key"]
        well(tmp_path, "preauth", "add", other, "5.00")
        well(tmp_path, "preauth", "void", other)
        code, refused = posfw(tmp_path, "preauth", "complete", other, "1.00")
        assert (code, refused["result"]["code"]) == (1, "SAL-302")
        settled = well(tmp_path, "settle")
        assert settled["balanced"] is True
        sums = {"debit_count": 1, "debit_minor": 11000, "credit_count": 1, "credit_minor": 11000}
        assert settled["ours"] == sums


def rows(table: Any) -> list[list[Any]]:
    return sorted(list(row.values()) if isinstance(row, dict) else list(row) for row in table)


@pytest.mark.timeout(60)
def test_the_morning_check_says_what_is_missing_and_then_that_nothing_is(tmp_path: Path) -> None:
    with running(tmp_path, "run"):
        until_online(tmp_path)
        code, told = posfw(tmp_path, "ready")
        assert code == 1
        missing = [c for c in told["result"]["checks"] if c["needed"] and not c["ok"]]
        assert [(c["id"], c["advice"]) for c in missing] == [("signed_on", "posfw sign-on")]
        well(tmp_path, "sign-on")
        assert well(tmp_path, "parameters")["parameters"] == {}
        assert well(tmp_path, "ready")["ok"] is True
