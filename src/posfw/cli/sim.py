"""`posfw sim`: the simulated acquirer in the foreground."""

from __future__ import annotations

from pathlib import Path

import anyio
import click

from posfw.cli.places import state_option
from posfw.sim.rig import rig

__all__ = ["sim"]


@click.group()
def sim() -> None:
    """Stand in for what surrounds a terminal. 模拟器"""


@sim.command("rig")
@state_option
def run_rig(state: Path) -> int:
    """Run the simulated acquirer until Ctrl-C; writes the site file for `posfw run`. 模拟收单"""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    anyio.run(_serve, state)
    return 0


async def _serve(state: Path) -> None:
    async with rig(state) as around:
        click.echo(f"acquirer ready; in another window: posfw run --site {around.site}")
        await anyio.sleep_forever()
