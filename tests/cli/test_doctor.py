from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from posfw.cli import doctor as module
from posfw.cli.doctor import Finding, doctor, findings

pytestmark = pytest.mark.may_block


def by_id(state: Path, board: str = "host") -> dict[str, Finding]:
    return {finding.id: finding for finding in findings(state, board)}


def test_this_machine_can_sell(tmp_path: Path) -> None:
    found = by_id(tmp_path)
    for name in ("python", "sqlite", "tls", "clock", "packages", "board", "space"):
        assert found[name].state == "ok", found[name]
    assert found["terminal"].state == "warn"
    assert found["port card"].fix


def test_every_finding_that_is_not_ok_says_how_to_mend_it(tmp_path: Path) -> None:
    for finding in findings(tmp_path, "host"):
        assert finding.state in ("ok", "warn", "fail")
        assert finding.state == "ok" or finding.fix


def test_a_full_disk_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**20))
    assert by_id(tmp_path)["space"].state == "fail"


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_installed", lambda name: name != "cbor2")
    packages = by_id(tmp_path)["packages"]
    assert (packages.state, packages.detail) == ("fail", "missing: cbor2")


def test_an_unknown_board_is_a_failure_with_the_known_ones(tmp_path: Path) -> None:
    board = by_id(tmp_path, "nowhere")["board"]
    assert board.state == "fail"
    assert "host" in board.detail


def test_json_and_exit_code_agree(tmp_path: Path) -> None:
    run = CliRunner().invoke(doctor, ["--state", str(tmp_path), "--json"], standalone_mode=False)
    checks = json.loads(run.output)["checks"]
    assert run.return_value == int(any(check["state"] == "fail" for check in checks))
