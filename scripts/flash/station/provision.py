"""`provision`: a number for ever, a MAC, and a key pair that is made on the unit and stays there.

reserved (durable at the bench) -> written (on the unit) -> verified (read back) -> used (request
for a certificate seen). A run that is cut goes on with the same number.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from station.agent import Agent
from station.ledger import Claim, Ledger, MacBlock, SerialRange
from station.outcome import BenchError, Exit, tell

__all__ = ["main", "provision"]

OPENSSL_S: Final = 20


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(
        prog="provision", description="Give a unit its number, MAC and certificate request."
    )
    made.add_argument("--ledger", type=Path, required=True, help="the station's record")
    made.add_argument("--agent", required=True, help="command that passes JSON to the unit")
    made.add_argument("--serials", required=True, metavar="FIRST:LAST")
    made.add_argument("--macs", metavar="ADDRESS/BITS")
    made.add_argument("--out", type=Path, required=True, help="folder for certificate requests")
    made.add_argument("--operator", required=True, help="who is at the bench")
    made.add_argument("--plan", action="store_true", help="tell the steps and change nothing")
    made.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return made


def provision(
    ledger: Ledger, agent: Agent, *, serials: SerialRange, macs: MacBlock | None,
    out: Path, operator: str,
) -> Claim:  # fmt: skip
    """Take one unit through all steps and return its number.

    Raises:
        BenchError: what failed; the number stays reserved for this unit.
    """
    unit = str(agent.ask("identify").get("unit", ""))
    if not re.fullmatch(r"[A-Za-z0-9:._-]{4,64}", unit):
        raise BenchError(Exit.DEVICE, f"The unit's own id {unit!r:.40} cannot be used.")
    claim = ledger.claim(unit, serials, macs, at=_now())
    steps: dict[str, Any] = {"serial": claim.serial, "mac": claim.mac, "operator": operator}
    observed: dict[str, Any] = {"serial": None, "mac": None, "request": None}
    try:
        agent.ask("write", serial=claim.serial, mac=claim.mac)
        _record(ledger, unit, "written", steps, observed)
        read = agent.ask("read")
        observed |= {"serial": read.get("serial"), "mac": read.get("mac")}
        if (observed["serial"], observed["mac"]) != (claim.serial, claim.mac):
            raise BenchError(Exit.MISMATCH, "The unit did not keep what was written to it.")  # noqa: TRY301
        _record(ledger, unit, "verified", steps, observed)
        request = str(agent.ask("request", serial=claim.serial).get("csr", ""))
        check_request(request, claim.serial)
        observed["request"] = True
    except BenchError as error:
        _record(ledger, unit, "failed", steps, observed, reason=str(error))
        raise
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{claim.serial}.csr").write_text(request, encoding="ascii")
    _record(ledger, unit, "used", steps, observed)
    return claim


def check_request(request: str, serial: str) -> None:
    """Check that a certificate request is whole, signed by its own key and names the number.

    Raises:
        BenchError: MISMATCH.
    """
    command = ["openssl", "req", "-verify", "-noout", "-subject", "-nameopt", "multiline"]
    try:
        done = subprocess.run(
            command, input=request.encode(), capture_output=True, timeout=OPENSSL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(Exit.FAILED, f"openssl cannot look at the request: {error}.") from error
    told = (done.stdout + done.stderr).decode("utf-8", "replace")
    name = re.search(r"commonName\s*= (.*)", told)
    if done.returncode != 0 or "verify OK" not in told or name is None:
        raise BenchError(Exit.MISMATCH, "The unit's certificate request does not verify.")
    if name[1].strip() != serial:
        raise BenchError(Exit.MISMATCH, f"The request names {name[1]!r:.40}, not {serial!r}.")


def _record(
    ledger: Ledger, unit: str, state: str, intended: dict[str, Any], observed: dict[str, Any],
    reason: str | None = None,
) -> None:  # fmt: skip
    body = {"state": state, "intended": intended, "observed": dict(observed), "reason": reason}
    ledger.append("provision", unit, body, at=_now())


def _now() -> datetime:
    return datetime.now(UTC)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `provision`; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        serials = SerialRange.parse(options.serials)
        macs = MacBlock.parse(options.macs) if options.macs else None
        agent = Agent(options.agent)
        if options.plan:
            steps = ["ask the unit for its id", f"reserve a number of {options.serials}",
                     "write it to the unit", "read it back", "have a key pair made on the unit",
                     f"check the request and keep it in {options.out}"]  # fmt: skip
            tell("posfw.flash.plan", {"steps": steps}, as_json=options.json, text="\n".join(steps))
            return Exit.OK
        ledger = Ledger(options.ledger)
        try:
            claim = provision(
                ledger, agent, serials=serials, macs=macs,
                out=options.out, operator=options.operator,
            )  # fmt: skip
        finally:
            ledger.close()
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        fields: dict[str, object] = {"exit": int(error.code), "reasons": list(error.reasons)}
        tell("posfw.flash.provision", fields, as_json=options.json, text="")
        return error.code
    text = f"PASS {claim.serial} {claim.mac or ''}".rstrip()
    fields = {"exit": 0, "serial": claim.serial, "mac": claim.mac, "fresh": claim.fresh}
    tell("posfw.flash.provision", fields, as_json=options.json, text=text)
    return Exit.OK
