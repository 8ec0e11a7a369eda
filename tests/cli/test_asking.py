"""Ctrl-C of a command that waits for a card cancels at the terminal and waits for its word."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from posfw.cli.main import main

CANCELLED = {
    "error": {
        "code": "CRD-002", "exit": 1, "text": "", "cause": "Cancelled.", "effect": "",
        "next_step": "",
    }
}  # fmt: skip
SOLD = {"result": {"ok": True, "ending": "success"}}


@contextmanager
def terminal(folder: Path, cancelled: bool, last: Any) -> Iterator[list[str]]:
    """A terminal whose cashier presses Ctrl-C as soon as it has heard the request."""
    asked: list[str] = []

    def serve(listener: socket.socket) -> None:
        first, _ = listener.accept()
        with first, first.makefile("rwb") as line:
            asked.append(json.loads(line.readline())["do"])
            main_thread = threading.main_thread().ident
            assert main_thread is not None
            signal.pthread_kill(main_thread, signal.SIGINT)
            second, _ = listener.accept()
            with second, second.makefile("rwb") as other:
                asked.append(json.loads(other.readline())["do"])
                other.write(json.dumps({"result": {"ok": cancelled}}).encode() + b"\n")
            line.write(json.dumps(last).encode() + b"\n")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(20)
        listener.bind(str(folder / "control.sock"))
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield asked
        thread.join()


@pytest.mark.parametrize(
    ("command", "verb"),
    [
        (["sale", "5"], "sale"),
        (["sale", "5", "--instalment", "3"], "instalment"),
        (["sale", "5", "--auth", "A1B2C3"], "offline_sale"),
        (["preauth", "start", "5"], "preauth"),
        (["balance"], "balance"),
    ],
)
def test_ctrl_c_cancels_and_the_ending_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: Sequence[str], verb: str
) -> None:
    with terminal(tmp_path, cancelled=True, last=CANCELLED) as asked:
        assert main([*command, "--state", str(tmp_path)]) == 1
    assert asked == [verb, "card_cancel"]
    told = capsys.readouterr().err
    assert "(CRD-002)" in told
    assert "Too late" not in told


def test_once_the_card_is_there_it_is_too_late_and_the_ending_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with terminal(tmp_path, cancelled=False, last=SOLD) as asked:
        assert main(["sale", "5", "--state", str(tmp_path), "--json"]) == 0
    assert asked == ["sale", "card_cancel"]
    told = capsys.readouterr()
    assert "Too late to cancel" in told.err
    assert json.loads(told.out) == SOLD
