"""`record`: the station's record shown, verified, exported, and labels printed from it."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from station.ledger import Entry, Ledger
from station.outcome import BenchError, Exit, tell

__all__ = ["export_csv", "export_json", "label", "main"]

FIELDS: Final = ("number", "at", "kind", "unit", "serial", "mac", "state", "ok", "operator",
                 "reason", "digest")  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="record", description="The station's record.")
    made.add_argument("--ledger", type=Path, required=True)
    made.add_argument("--json", action="store_true", help="one JSON document on stdout")
    actions = made.add_subparsers(dest="action", required=True)
    actions.add_parser("verify", help="check the chain; exit 6 where it does not hold")
    out = actions.add_parser("export", help="all entries, with the chain's last digest")
    out.add_argument("--format", choices=("csv", "json"), default="json")
    out.add_argument("--out", type=Path, required=True)
    one = actions.add_parser("label", help="ESC/POS bytes of a unit's label with its QR code")
    one.add_argument("serial")
    one.add_argument("--out", type=Path, required=True, help="file, or the label printer's device")
    return made


def _row(entry: Entry) -> dict[str, object]:
    body = entry.body
    intended = body.get("intended")
    plan = intended if isinstance(intended, dict) else body
    return {
        "number": entry.number,
        "at": entry.at,
        "kind": entry.kind,
        "unit": entry.unit,
        "serial": plan.get("serial"),
        "mac": plan.get("mac"),
        "state": body.get("state"),
        "ok": body.get("ok"),
        "operator": plan.get("operator"),
        "reason": body.get("reason"),
        "digest": entry.digest.hex(),
    }


def export_csv(entries: Sequence[Entry]) -> str:
    """Return the entries as CSV; unknown is empty, and no cell begins a formula."""
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS)
    writer.writeheader()
    for entry in entries:
        writer.writerow({key: _cell(value) for key, value in _row(entry).items()})
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return "'" + value  # a spreadsheet would run it
    return value


def export_json(entries: Sequence[Entry], head: bytes) -> str:
    """Return the entries whole, with the digest to keep elsewhere."""
    rows = [_row(entry) | {"body": entry.body} for entry in entries]
    document = {"schema": "posfw.record", "schema_version": 1, "head": head.hex(), "entries": rows}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def label(serial: str, mac: str | None) -> bytes:
    """Return ESC/POS bytes: QR code (GS ( k, drawn by the printer), number, MAC, cut."""
    data = serial.encode("ascii")
    store = b"\x1d(k" + (len(data) + 3).to_bytes(2, "little") + b"1P0" + data
    lines = [serial] + ([mac] if mac else [])
    return b"".join((
        b"\x1b@\x1ba\x01",
        b"\x1d(k\x04\x001A2\x00", b"\x1d(k\x03\x001C\x06", b"\x1d(k\x03\x001E1",
        store, b"\x1d(k\x03\x001Q0",
        b"\n" + "\n".join(lines).encode("ascii") + b"\n\n",
        b"\x1dVB\x00",
    ))  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `record`; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        if not options.ledger.is_file():
            raise BenchError(Exit.NOT_FOUND, f"There is no record {options.ledger}.")  # noqa: TRY301
        ledger = Ledger(options.ledger)
        try:
            fields = _run(options, ledger)
        finally:
            ledger.close()
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        told: dict[str, object] = {"exit": int(error.code), "reasons": list(error.reasons)}
        tell("posfw.flash.record", told, as_json=options.json, text="")
        return error.code
    tell("posfw.flash.record", fields, as_json=options.json,
         text=f"ok, {fields['entries']} entries, last {fields['head']}")  # fmt: skip
    return Exit.OK


def _run(options: argparse.Namespace, ledger: Ledger) -> dict[str, object]:
    count, head = ledger.verify()  # nothing leaves a record that does not hold
    entries = list(ledger.entries())
    if options.action == "export":
        text = export_csv(entries) if options.format == "csv" else export_json(entries, head)
        options.out.write_text(text, encoding="utf-8")
    elif options.action == "label":
        rows = [_row(entry) for entry in entries]
        used = [row for row in rows if row["serial"] == options.serial and row["state"] == "used"]
        if not used:
            told = f"{options.serial} is not provisioned to the end: no label."
            raise BenchError(Exit.REFUSED, told)
        mac = used[-1]["mac"]
        options.out.write_bytes(label(options.serial, str(mac) if mac else None))
    return {"exit": 0, "entries": count, "head": head.hex()}
