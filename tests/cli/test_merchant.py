"""Each command of the merchant's groups asks the running terminal exactly one thing."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from posfw.cli.main import COMMANDS, main, posfw

REFUSED = {
    "error": {
        "code": "ACT-110",
        "text": "t",
        "cause": "not now",
        "effect": "nothing",
        "next_step": "wait",
        "exit": 4,
    }
}


@dataclass
class Terminal:
    """Answers on a control socket and keeps what it was asked."""

    state: Path
    asked: list[dict[str, Any]] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=lambda: {"result": {"ok": True}})
    before: list[dict[str, Any]] = field(default_factory=list)  # progress

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, client.makefile("rwb") as line:
                self.asked.append(json.loads(line.readline()))
                for told in [*self.before, self.answer]:
                    line.write(json.dumps(told).encode() + b"\n")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    running = Terminal(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen()
        thread = threading.Thread(target=running.serve, args=(listener,))
        thread.start()
        yield running
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


BY_00 = {"approval": {"operator": "00", "password": "482139"}}
BY_99 = {"approval": {"operator": "99", "password": "482139"}}


@pytest.mark.parametrize(
    ("arguments", "typed", "request_body"),
    [
        ("operator list", "", {"do": "operators"}),
        ("operator in 01", "4821\n", {"do": "operator_in", "operator": "01", "password": "4821"}),
        ("operator out", "", {"do": "operator_out"}),
        (
            "operator password 00",
            "123456\n482139\n",
            {
                "do": "operator_password",
                "operator": "00",
                "password": "123456",
                "new": "482139",
            },
        ),
        (
            "operator add 07",
            "5937\n482139\n",
            {"do": "operator_add", "number": "07", "reset": False, "new": "5937", **BY_00},
        ),
        ("operator delete 07", "482139\n", {"do": "operator_delete", "number": "07", **BY_00}),
        ("operator lock", "", {"do": "lock"}),
        ("operator unlock 01", "4821\n", {"do": "unlock", "operator": "01", "password": "4821"}),
        ("activate status", "", {"do": "activate_status"}),
        ("activate profile lakala", "", {"do": "activate_profile", "profile": "lakala"}),
        ("activate check", "", {"do": "activate_check"}),
        (
            "activate paper identity A1",
            "",
            {"do": "activate_paper", "paper": "identity", "reference": "A1"},
        ),
        (
            "activate issued 12345678 898440350110001 JH1",
            "482139\n",
            {
                "do": "activate_issued",
                "terminal": "12345678",
                "merchant": "898440350110001",
                "card": "JH1",
                **BY_99,
            },
        ),
        ("activate submitted", "", {"do": "activate_submitted"}),
        ("activate online 4711", "", {"do": "activate_online", "code": "4711"}),
        ("activate confirm", "482139\n", {"do": "activate_confirm", **BY_99}),
        ("activate provision", "", {"do": "activate_provision"}),
        ("activate test --rounds 9", "", {"do": "activate_test", "rounds": 9}),
        ("activate live", "482139\n", {"do": "activate_live", **BY_99}),
        (
            "activate move suspend stolen",
            "482139\n",
            {"do": "activate_move", "move": "suspend", "reason": "stolen", **BY_99},
        ),
        ("settle", "", {"do": "settle"}),
        ("settle report --batch 3", "", {"do": "report", "batch": 3}),
        ("settle report", "", {"do": "report"}),
        ("settle list", "", {"do": "settlements"}),
        ("settle plan", "", {"do": "settlement_plan"}),
        ("settle reconcile 3 --all", "", {"do": "reconcile", "batch": 3, "all": True}),
        (
            "settle tick 3 9 clear --reason letter",
            "482139\n",
            {
                "do": "tick",
                "batch": 3,
                "stan": 9,
                "verdict": "clear",
                "reason": "letter",
                "operator": "01",
                **BY_00,
            },
        ),
        ("settle fees", "", {"do": "fees"}),
        (
            "settle entry bank_fee 50 --batch 3",
            "",
            {"do": "fee_entry", "what": "bank_fee", "minor": 50, "batch": 3, "note": ""},
        ),
        ("goods list", "", {"do": "goods_list"}),
        ("goods find 96385074", "", {"do": "goods_find", "code": "96385074"}),
        (
            "goods count 96385074 5",
            "",
            {"do": "goods_count", "code": "96385074", "quantity": 5},
        ),
        (
            "goods basket 96385074x3 4006381333931",
            "",
            {
                "do": "goods_basket",
                "lines": [["96385074", 3], ["4006381333931", 1]],
                "must_be_in_stock": False,
            },
        ),
        (
            "goods sold K 96385074 --returned",
            "",
            {"do": "goods_sold", "key": "K", "lines": [["96385074", 1]], "returned": True},
        ),
        (
            "goods sold K 96385074x2 --reserved DLV-1",
            "",
            {
                "do": "goods_sold",
                "key": "K",
                "lines": [["96385074", 2]],
                "returned": False,
                "reserved": "DLV-1",
            },
        ),
        (
            "goods reserve DLV-1 96385074x2",
            "",
            {"do": "goods_reserve", "name": "DLV-1", "lines": [["96385074", 2]]},
        ),
        ("goods release DLV-1", "", {"do": "goods_release", "name": "DLV-1"}),
        ("goods slip K", "", {"do": "print", "kind": "report", "subject": "goods K"}),
        ("settle turnover", "", {"do": "turnover"}),
        ("activate type AAAA1 BBBB2", "", {"do": "activate_typed", "groups": "AAAA1 BBBB2"}),
        (
            "printer parameters",
            "",
            {"do": "print", "kind": "report", "subject": "parameters"},
        ),
        (
            "printer application",
            "",
            {"do": "print", "kind": "report", "subject": "application"},
        ),
        (
            "delivery new DLV-1 K --region R --due D --far",
            "",
            {
                "do": "delivery_new",
                "delivery": "DLV-1",
                "key": "K",
                "region": "R",
                "due": "D",
                "courier": "",
                "far": True,
                "urgent": False,
            },
        ),
        (
            "delivery move DLV-1 sent",
            "",
            {"do": "delivery_move", "delivery": "DLV-1", "status": "sent"},
        ),
        (
            "delivery notice DLV-1",
            "",
            {"do": "delivery_notice", "delivery": "DLV-1", "acknowledged": False},
        ),
        ("delivery list --late", "", {"do": "delivery_list", "late": True}),
        ("delivery check", "", {"do": "delivery_check"}),
        ("upkeep due", "", {"do": "upkeep_due", "all": False}),
        (
            "upkeep done reader --part head",
            "",
            {
                "do": "upkeep_done",
                "task": "reader",
                "parts": ["head"],
                "note": "",
                "operator": "01",
            },
        ),
        (
            "upkeep fault printer jam",
            "",
            {"do": "upkeep_fault", "part": "printer", "text": "jam", "operator": "01"},
        ),
        ("upkeep log", "", {"do": "upkeep_log"}),
        ("upkeep score --days 3", "", {"do": "upkeep_score", "days": 3}),
    ],
)
def test_a_command_asks_this(
    terminal: Terminal, arguments: str, typed: str, request_body: dict[str, Any]
) -> None:
    command = [*arguments.split(), "--state", str(terminal.state), "--json"]
    done = CliRunner().invoke(posfw, command, input=typed, standalone_mode=False)
    assert done.exception is None, done.output
    assert done.return_value == 0
    assert json.loads(done.output.splitlines()[-1]) == terminal.answer
    assert terminal.asked == [request_body]


def test_exports_name_the_file_by_its_whole_path(terminal: Terminal, tmp_path: Path) -> None:
    target = tmp_path / "x.csv"
    assert main(["settle", "export", str(target), "--by", "01", "--state", str(tmp_path)]) == 0
    assert main(["settle", "picture", str(tmp_path / "d.png"), "--state", str(tmp_path)]) == 0
    target.write_text("gtin,name,price\n")
    assert main(["goods", "import", str(target), "--state", str(tmp_path)]) == 0
    export, picture, goods = terminal.asked
    assert (export["path"], export["format"], export["by"]) == (str(target), "csv", "01")
    assert picture["path"] == str(tmp_path / "d.png")
    assert (goods["path"], goods["dry_run"]) == (str(target), False)


def test_the_activation_file_is_written_and_shown_as_codes(
    terminal: Terminal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.answer = {"result": {"ok": True, "file": "d2" * 900, "digest": "ab", "bytes": 900}}
    file = tmp_path / "a.cbor"
    command = ["activate", "export", str(file), "--qr", "--state", str(tmp_path)]
    assert main(command) == 0
    assert file.read_bytes() == b"\xd2" * 900
    assert "900 bytes" in capsys.readouterr().out
    assert main(["activate", "import", str(file), "--state", str(tmp_path)]) == 0
    assert terminal.asked[-1] == {"do": "activate_import", "file": "d2" * 900}
    file.write_bytes(b"x" * 20_000)
    assert main(["activate", "import", str(file), "--state", str(tmp_path)]) == 1


def test_an_application_is_a_toml_file_of_texts(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('merchant_name = "小店"\n', encoding="utf-8")
    assert main(["activate", "apply", str(file), "--state", str(tmp_path)]) == 0
    assert terminal.asked[-1]["application"] == {"merchant_name": "小店"}
    file.write_text("merchant_name = \n", encoding="utf-8")
    assert main(["activate", "apply", str(file), "--state", str(tmp_path)]) == 1


def test_a_refusal_has_its_exit_code(terminal: Terminal, tmp_path: Path) -> None:
    terminal.answer = REFUSED
    for command in (["settle"], ["activate", "live"], ["activate", "export", str(tmp_path / "x")]):
        arguments = [*command, "--state", str(tmp_path)]
        done = CliRunner().invoke(posfw, arguments, input="1\n", standalone_mode=False)
        code = getattr(done.exception, "exit_code", done.return_value)
        assert code == 4
    assert not (tmp_path / "x").exists()


def test_a_check_that_found_something_is_one(terminal: Terminal, tmp_path: Path) -> None:
    terminal.answer = {"result": {"ok": False}}
    assert main(["upkeep", "due", "--state", str(tmp_path)]) == 1


def test_wrong_counts_are_a_usage_error(tmp_path: Path) -> None:
    assert main(["goods", "basket", "96385074xx", "--state", str(tmp_path)]) == 2


@pytest.mark.parametrize(
    "group", ["operator", "activate", "settle", "goods", "delivery", "upkeep"]
)
def test_every_command_has_help_in_both_languages(group: str) -> None:
    done = CliRunner().invoke(posfw, [group, "--help"])
    assert done.exit_code == 0
    names = [line.split()[0] for line in done.output.split("Commands:")[1].splitlines() if line]
    assert names
    for name in names:
        text = CliRunner().invoke(posfw, [group, name, "--help"]).output
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text.split("Options:")[0]), name
    assert any("\u4e00" <= letter <= "\u9fff" for letter in COMMANDS[group][2])
