"""The whole terminal as a process, from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from posfw.sim.rig import rig

# A day takes half a minute of a free machine; two of them must not meet the limit of a test.
pytestmark = [pytest.mark.system, pytest.mark.may_block, pytest.mark.timeout(240)]


def posfw(arguments: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "posfw", *arguments],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env=os.environ | environment,
    )


def day(seed: int, out: Path) -> dict[str, Any]:
    done = posfw(["day", "--seed", str(seed), "--out", str(out), "--json"])
    assert done.returncode == 0, done.stderr + done.stdout
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_day_balances_and_the_same_seed_gives_the_same_counts(tmp_path: Path) -> None:
    first, second = day(7, tmp_path / "a"), day(7, tmp_path / "b")
    for document in (first, second):
        del document["seconds"]
    assert first == second
    assert first["balanced"] is True
    assert first["journal"] == first["bank"] == first["slips"]
    receipts = first["receipts"]
    assert (receipts["reprinted"], receipts["unknown"]) == (1, 1)
    vouchers = first["slips"]["debit_count"] + first["slips"]["credit_count"]
    assert receipts["printed"] >= 2 * vouchers
    assert len(list((tmp_path / "a" / "receipts").glob("*.png"))) >= 56
    counts = first["counts"]
    assert counts["sale: success"] + counts["sale swiped: success"] == 20
    assert counts["line_down swiped: success"] == counts["line_down: failed"] == 1
    assert counts["chip_swipe swiped: failed"] == 1
    assert first["counts"]["sale: failed"] == 4
    assert counts["activation: active"] == counts["delivery: delivered"] == 1
    assert counts["acceptance rounds: passed"] == 8
    assert counts["ready: yes"] == counts["sale above the acquirer's limit: refused"] == 1
    assert counts["void without approval: refused"] == counts["locked out: refused"] == 1
    assert counts["taps tapped: success"] == counts["taps with PIN: success"] == 1
    assert counts["x_report: printed"] == counts["z_report: printed"] == 1
    assert not [name for name in counts if "NOT" in name]
    assert json.loads((tmp_path / "a" / "report.json").read_text())["balanced"] is True


async def test_a_second_terminal_on_the_same_journal_exits_with_seven(tmp_path: Path) -> None:
    async with rig(tmp_path) as around:
        run = ["run", "--state", str(tmp_path), "--site", str(around.site)]
        process = await anyio.open_process([sys.executable, "-m", "posfw", *run])
        assert process.stdout is not None
        async with process:
            assert b"ready" in await process.stdout.receive()
            second = await anyio.to_thread.run_sync(posfw, run)
            assert second.returncode == 7
            assert f"Process {process.pid} holds the journal" in second.stderr
            process.terminate()
            with anyio.fail_after(2):
                assert await process.wait() == 0


def test_a_wrong_site_file_is_exit_78_with_every_mistake(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text('language = "fr"\n[terminal]\nid = "1"\n', encoding="utf-8")
    done = posfw(["run", "--state", str(tmp_path), "--site", str(site)])
    assert done.returncode == 78
    assert "language: must be one of" in done.stderr
    assert "terminal.id: must have 8 characters" in done.stderr
    assert "CFG-001" in done.stderr


def test_without_a_terminal_the_cashier_is_told_what_to_do(tmp_path: Path) -> None:
    done = posfw(["sale", "12.00", "--state", str(tmp_path)])
    assert done.returncode == 5
    assert "posfw run" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["--help"], ["day", "--help"], ["board", "list"], ["doctor"], ["--version"]]
)
def test_help_and_looking_around_work_without_a_terminal(
    arguments: list[str], tmp_path: Path
) -> None:
    done = posfw(arguments, POSFW_STATE=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_an_unknown_board_is_named_with_the_known_ones() -> None:
    done = posfw(["board", "check", "nowhere"])
    assert done.returncode == 78
    assert "host" in done.stdout + done.stderr
