"""Runs inside .venv-emupos (Python 3.13): prints bytes on emupos and tells what it saw.

Reads JSON from standard input: {"dots", "steps": [["send", hex] | ["fault", name, on], ...]}.
Writes JSON: {"receipts": [{"png": base64, "text", "boundary"}], "replies": [hex per step],
"unknown": [commands it does not know]}.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

from emupos.config import _load_profile  # type: ignore[import-not-found]
from emupos.printer.printer import (  # type: ignore[import-not-found]
    Printer,
    PrinterFault,
    PrinterOutput,
)


def main() -> None:
    """Play the steps on one printer over one connection, and close it."""
    task = json.load(sys.stdin)
    profile = _load_profile("xprinter-xp80t", "printer", Path()).model_copy(
        update={"width_dots": task["dots"]}
    )
    printer = Printer("p", profile, sensor_open_level="high", job_idle_timeout_ms=1000)
    outputs = [printer.open_connection(1, 0.0)]
    replies = []
    for step in task["steps"]:
        output: PrinterOutput
        if step[0] == "send":
            output = printer.receive(1, bytes.fromhex(step[1]), 0.0)
        else:
            output = printer.set_fault(PrinterFault(step[1]), step[2], 0.0)
        outputs.append(output)
        replies.append(b"".join(write.data for write in output.writes).hex())
    outputs.append(printer.close_connection(1, 0.0))
    receipts = [
        {
            "png": base64.b64encode(receipt.png).decode(),
            "text": receipt.text,
            "boundary": receipt.boundary,
        }
        for output in outputs
        for receipt in output.receipts
    ]
    events = [event for output in outputs for event in output.events]
    unknown = [event.data for event in events if "unknown" in event.type]
    json.dump({"receipts": receipts, "replies": replies, "unknown": unknown}, sys.stdout)


main()
