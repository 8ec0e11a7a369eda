"""Each command about another way to pay asks the running terminal exactly one thing."""

from __future__ import annotations

import json
import signal
import socket
import threading
from typing import Any

import pytest
from click.testing import CliRunner

from posfw.cli.asking import ask
from posfw.cli.main import COMMANDS, main, posfw
from posfw.cli.menu import MENU
from tests.cli.test_merchant import Terminal, terminal

__all__ = ["terminal"]

KEY = "12345678-000001-000007"


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        (
            ["sale", "12.50", "--tip", "1.25"],
            {"do": "sale", "amount": "12.50", "note": "", "tip": "1.25"},
        ),
        (
            ["sale", "600", "--instalment", "3", "--plan", "YH03"],
            {"do": "instalment", "amount": "600", "note": "", "periods": 3, "plan": "YH03"},
        ),
        (
            ["sale", "30", "--auth", "A1B2C3"],
            {"do": "offline_sale", "amount": "30", "note": "", "auth_code": "A1B2C3"},
        ),
        (["tip", KEY, "5"], {"do": "tip", "key": KEY, "amount": "5"}),
        (["adjust", KEY, "5"], {"do": "adjust", "key": KEY, "amount": "5"}),
        (["instalments"], {"do": "instalments"}),
        (["instalments", "600"], {"do": "instalments", "amount": "600"}),
        (
            ["preauth", "complete", "--advice", KEY, "5"],
            {"do": "completion_advice", "key": KEY, "amount": "5"},
        ),
        (["preauth", "complete", KEY, "5"], {"do": "completion", "key": KEY, "amount": "5"}),
        (["qr", "pay", "8"], {"do": "qr_pay", "amount": "8", "note": ""}),
        (
            ["qr", "pay", "8", "--code", "281234567890123456"],
            {"do": "qr_pay", "amount": "8", "note": "", "code": "281234567890123456"},
        ),
        (["qr", "show", "8"], {"do": "qr_show", "amount": "8", "note": ""}),
        (["qr", "cancel"], {"do": "qr_cancel"}),
        (["qr", "void", KEY], {"do": "void", "key": KEY}),
        (["qr", "refund", KEY, "1"], {"do": "refund", "key": KEY, "amount": "1"}),
        (["menu", "1", "12.50"], {"do": "sale", "amount": "12.50", "note": ""}),
        (["menu", "63", KEY, "5"], {"do": "tip", "key": KEY, "amount": "5"}),
        (
            ["menu", "55", KEY, "5"],
            {"do": "completion_advice", "key": KEY, "amount": "5"},
        ),
        (
            ["menu", "64", "600", "--instalment", "6"],
            {"do": "instalment", "amount": "600", "note": "", "periods": 6},
        ),
    ],
)
def test_a_command_asks_one_thing(
    terminal: Terminal,
    line: list[str],
    asked: dict[str, Any],
) -> None:
    done = CliRunner().invoke(posfw, [*line, "--state", str(terminal.state), "--json"])
    assert done.exit_code == 0, done.output
    # `intent` names the key press, another one each time; tests of its own look at it.
    found = [
        {name: each for name, each in one.items() if name != "intent"} for one in terminal.asked
    ]
    assert found == [asked]


def test_the_menu_lists_each_number_once_and_every_command_exists() -> None:
    done = CliRunner().invoke(posfw, ["menu", "--json"])
    rows = json.loads(done.output)["menu"]
    assert [row["number"] for row in rows] == list(MENU)
    listed = CliRunner().invoke(posfw, ["menu"]).output.splitlines()
    assert len(listed) == len(MENU)
    assert listed[0] == "  1  消费  Sale: posfw sale AMOUNT"
    for row in MENU.values():
        words = row.command.split()
        assert words[0] in COMMANDS
        helped = CliRunner().invoke(posfw, [*words, "--help"])
        assert helped.exit_code == 0, (row, helped.output)


def test_no_number_of_the_menu_hides_another() -> None:
    for number in MENU:
        longer = [other for other in MENU if other != number and other.startswith(number)]
        assert longer == [], f"{number} cannot be told from {longer}"


def test_an_unknown_number_is_a_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["menu", "7"]) == 2
    assert "no number '7'" in capsys.readouterr().err
    assert main(["sale", "5", "--instalment", "3", "--auth", "A1B2C3"]) == 2


def test_a_shown_code_is_drawn_once(terminal: Terminal) -> None:
    terminal.before = [
        {"progress": {"screen": "qr", "code": "https://pay.example/1", "text": "scan"}},
        {"progress": {"screen": "qr", "code": "https://pay.example/1", "text": "scan"}},
    ]
    line = ["qr", "show", "8", "--state", str(terminal.state)]
    done = CliRunner().invoke(posfw, line)
    assert done.stderr.count("https://pay.example/1") == 1
    assert done.stderr.count("▄") > 50


def test_ctrl_c_gives_up_and_waits_for_the_ending(tmp_path: Any) -> None:
    """The signal comes while nothing has been said; the ending comes after it."""
    path, stopped = tmp_path / "control.sock", threading.Event()

    def serve(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client, client.makefile("rwb") as line:
            line.readline()
            main_thread = threading.main_thread().ident
            assert main_thread is not None
            signal.pthread_kill(main_thread, signal.SIGINT)
            assert stopped.wait(10)
            line.write(b'{"result": {"ok": false, "ending": "failed"}}\n')

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        body = ask(path, {"do": "qr_show"}, interrupted=stopped.set)
        thread.join()
    assert body["result"]["ending"] == "failed"
