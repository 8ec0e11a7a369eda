"""`posfw upkeep`: maintenance plan and log, faults, stability."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from posfw.cli.asking import json_option, perform
from posfw.cli.places import state_option

__all__ = ["upkeep"]


def _ask(state: Path, verb: str, fields: dict[str, Any], *, as_json: bool) -> int:
    request = {"do": f"upkeep_{verb}", **fields}
    return perform(state / "control.sock", request, as_json=as_json)


_operator = click.option("--operator", default="01", show_default=True, help="Who. 操作员")


@click.group()
def upkeep() -> None:
    """Maintenance: due, done, fault, log, score. 维护保养"""


@upkeep.command()
@click.option("--all", "every", is_flag=True, help="What is not due yet too. 全部")
@state_option
@json_option
def due(state: Path, *, every: bool, as_json: bool) -> int:
    """Show what is due by days or by metres of paper; exit code 1 if anything is. 待办"""
    return _ask(state, "due", {"all": every}, as_json=as_json)


@upkeep.command()
@click.argument("task")
@click.option(
    "--part", "parts", multiple=True, help="A part that was changed, or part:model. 更换部件"
)
@click.option("--note", default="", help="Anything else. 备注")
@_operator
@state_option
@json_option
def done(
    task: str, parts: tuple[str, ...], note: str, operator: str, state: Path, *, as_json: bool
) -> int:
    """Note that TASK was done. 登记"""
    fields = {"task": task, "parts": list(parts), "note": note, "operator": operator}
    return _ask(state, "done", fields, as_json=as_json)


@upkeep.command()
@click.argument("part")
@click.argument("text")
@_operator
@state_option
@json_option
def fault(part: str, text: str, operator: str, state: Path, *, as_json: bool) -> int:
    """Note a fault of PART (printer, reader, supply, …). 故障"""
    fields = {"part": part, "text": text, "operator": operator}
    return _ask(state, "fault", fields, as_json=as_json)


@upkeep.command()
@state_option
@json_option
def log(state: Path, *, as_json: bool) -> int:
    """Show who did what, and faults. 记录"""
    return _ask(state, "log", {}, as_json=as_json)


@upkeep.command()
@click.option("--days", default=7, show_default=True, help="Over how many days. 天数")
@state_option
@json_option
def score(days: int, state: Path, *, as_json: bool) -> int:
    """Show the stability score; exit code 1 below its threshold. 稳定性评分"""
    return _ask(state, "score", {"days": days}, as_json=as_json)
