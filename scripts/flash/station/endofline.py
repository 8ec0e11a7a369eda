"""`test`: the unit's own `posfw selftest`, judged at the bench and recorded."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from station.agent import Agent
from station.ledger import Ledger
from station.outcome import BenchError, Exit, tell

__all__ = ["judge", "main"]

STATES: Final = ("pass", "fail", "skip")


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(
        prog="test", description="Run the unit's self-test and judge it. Exit 0 pass, 1 fail."
    )
    made.add_argument("--ledger", type=Path, required=True, help="the station's record")
    made.add_argument("--agent", required=True, help="command that passes JSON to the unit")
    made.add_argument(
        "--must",
        action="append",
        default=[],
        metavar="STEP",
        help="a step that must have passed; repeat. Default: none may be skipped",
    )
    made.add_argument("--operator", required=True, help="who is at the bench")
    made.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return made  # fmt: skip


def judge(verdict: Mapping[str, Any], must: Sequence[str]) -> list[str]:
    """Return why a unit fails; a step that did not run is no step that passed.

    Raises:
        BenchError: DEVICE; this is no self-test verdict.
    """
    steps = verdict.get("steps")
    if verdict.get("schema") != "posfw.selftest" or not isinstance(steps, list) or not steps:
        raise BenchError(Exit.DEVICE, "The unit's answer is no self-test verdict.")
    states: dict[str, str] = {}
    reasons = []
    for step in steps:
        name, state = str(step.get("id", "")), str(step.get("state", ""))
        if not name or state not in STATES or name in states:
            raise BenchError(Exit.DEVICE, f"The verdict's step {name!r:.40} cannot be used.")
        states[name] = state
        if state == "fail":
            reasons.append(f"{name}: {str(step.get('detail', ''))[:200]}")
        if state == "skip" and not must:
            reasons.append(f"{name}: was not run")
    for name in must:
        state = states.get(name, "missing")
        if state in ("missing", "skip"):
            reasons.append(f"{name}: was not run")
    return reasons


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `test`; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        agent = Agent(options.agent)
        ledger = Ledger(options.ledger)
        try:
            unit = str(agent.ask("identify").get("unit", ""))
            verdict = agent.ask("selftest")
            reasons = judge(verdict, options.must)
            body = {"ok": not reasons, "reasons": reasons, "operator": options.operator,
                    "observed": verdict}  # fmt: skip
            ledger.append("test", unit, body, at=datetime.now(UTC))
        finally:
            ledger.close()
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        told: dict[str, object] = {"exit": int(error.code), "reasons": list(error.reasons)}
        tell("posfw.flash.test", told, as_json=options.json, text="")
        return error.code
    code = Exit.FAILED if reasons else Exit.OK
    word = "FAIL" if reasons else "PASS"
    fields = {"exit": int(code), "unit": unit, "ok": not reasons, "reasons": reasons}
    text = f"{word} {unit} {'; '.join(reasons)}".rstrip()
    tell("posfw.flash.test", fields, as_json=options.json, text=text)
    return code
