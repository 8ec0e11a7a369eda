"""`posfw selftest`: the board's parts, one verdict; the same code at the bench and in the shop."""

from __future__ import annotations

import json
import os
from pathlib import Path

import anyio
import click

from posfw.app.boards import named_board
from posfw.app.selftest import Selftest
from posfw.board.selftest import verdict
from posfw.cli.places import load_board, state_option
from posfw.values.errors import RefusedError

__all__ = ["selftest"]


@click.command()
@click.option("--board", "name", default="", help="Board id; default: as set on this machine.")
@state_option
@click.option("--ask", "asking", is_flag=True, help="Ask whether the lamps are lit. 询问指示灯")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def selftest(name: str, state: Path, *, asking: bool, as_json: bool) -> int:
    """Test the board's parts; exit 0 only where every step ran and passed. 自检

    With --ask a person at the device says whether every lamp is lit; the answer is in the verdict.
    """
    if (state / "control.sock").exists():
        raise RefusedError("The terminal is running.", next_step="Stop it first.")
    profile = load_board(name or named_board(os.environ) or "host")
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    rig = state / "rig"  # the simulators' own kernel files, where they run
    root = rig if profile.simulated and (rig / "sys").is_dir() else Path("/")
    steps = anyio.run(Selftest(profile, state, root, _lit if asking else None).run)
    document = verdict(profile.id, steps)
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        for step in steps:
            click.echo(f"{step.state:4}  {step.id:10} {step.detail}".rstrip())
    return int(not document["ok"])


async def _lit(lamps: str) -> bool:
    """Ask who stands there; nothing else runs meanwhile."""
    return click.confirm(f"{lamps}: lit? 灯亮了吗?", err=True)
