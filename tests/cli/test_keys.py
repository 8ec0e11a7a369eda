"""`posfw keys`, `owed` and `certificate`: one question each, and a load without a terminal."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from posfw.cli.main import main, posfw
from posfw.keys.block import sealed
from posfw.keys.software import SoftwareElement
from posfw.sim import rig
from posfw.values.errors import DeviceError
from tests.cli.test_merchant import Terminal, terminal

__all__ = ["terminal"]  # a fixture

KEYS = {"initial_key": bytes(range(32)), "initial_key_id": b"POSFW001", "secret": b"s" * 32}


@pytest.mark.parametrize(
    ("command", "typed", "asked"),
    [
        (["keys", "status"], "", {"do": "keys"}),
        (
            ["keys", "wipe"],
            "secret\n",
            {"do": "keys_wipe", "approval": {"operator": "00", "password": "secret"}},
        ),
        (
            ["keys", "wipe", "--approve", "99"],
            "s\n",
            {"do": "keys_wipe", "approval": {"operator": "99", "password": "s"}},
        ),
        (["owed", "list"], "", {"do": "owed"}),
        (
            ["owed", "clear", "7", "--reason", "phoned"],
            "s\n",
            {
                "do": "owed_clear",
                "number": 7,
                "reason": "phoned",
                "approval": {"operator": "00", "password": "s"},
            },
        ),
        (["certificate", "show"], "", {"do": "certificate"}),
        (["certificate", "renew"], "", {"do": "certificate_renew"}),
    ],
)
def test_a_command_asks_one_thing(
    terminal: Terminal,
    command: list[str],
    typed: str,
    asked: dict[str, object],
) -> None:
    arguments = [*command, "--state", str(terminal.state), "--json"]
    ended = CliRunner().invoke(posfw, arguments, input=typed, standalone_mode=False)
    assert ended.exception is None
    assert terminal.asked == [asked]
    assert json.loads(ended.stdout) == {"result": {"ok": True}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    facts = {
        "merchant": "8" * 15,
        "terminal": "12345678",
        "port": 1,
        "server_name": "a",
        "folder": str(tmp_path),
    }
    (tmp_path / "site.toml").write_text(rig.SITE.format(**facts), encoding="utf-8")
    (tmp_path / "block.json").write_text(sealed(b"T" * 32, **KEYS))
    (tmp_path / "transport").write_text((b"T" * 32).hex())
    (tmp_path / "transport").chmod(0o600)
    return tmp_path


def load(folder: Path, *more: str) -> list[str]:
    return ["keys", "load", str(folder / "block.json"), "--state", str(folder), "--board", "host",
            "--transport", str(folder / "transport"), *more]  # fmt: skip


def test_keys_are_loaded_shown_by_check_values_and_never_written_over(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check, secret_check = SoftwareElement(**KEYS).check_values()
    assert main(load(folder, "--json")) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": "posfw.keys",
        "schema_version": 1,
        "key_id": KEYS["initial_key_id"].hex(),
        "check": check.hex(),
        "secret_check": secret_check.hex(),
    }
    before = (folder / "keys.json").read_bytes()
    assert main(load(folder)) == 5
    told = capsys.readouterr()
    assert "(SEC-004)" in told.err
    assert (folder / "keys.json").read_bytes() == before


def test_a_file_that_is_no_block_and_a_missing_site_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "block.json").write_bytes(b"\xff\x00nonsense")
    assert main(load(folder)) == 5
    assert "(SEC-017)" in capsys.readouterr().err
    (folder / "site.toml").unlink()
    assert main(load(folder)) == 78
    assert "(CFG-020)" in capsys.readouterr().err
    assert not (folder / "keys.json").exists()


def test_a_terminal_that_goes_away_before_it_answered_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen()

        def gone() -> None:
            client, _ = listener.accept()
            with client, client.makefile("rb") as line:
                line.readline()

        thread = threading.Thread(target=gone)
        thread.start()
        ended = CliRunner().invoke(
            posfw, ["keys", "status", "--state", str(tmp_path)], standalone_mode=False
        )
        thread.join()
    assert isinstance(ended.exception, DeviceError)
    assert ended.exception.stable_code == "OPR-006"
