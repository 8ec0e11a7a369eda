"""`posfw update`: look at slots, check and install a bundle, mark by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from posfw.cli.asking import json_option, perform
from posfw.cli.places import state_option

__all__ = ["update"]


def _ask(state: Path, verb: str, fields: dict[str, Any], *, as_json: bool) -> int:
    request = {"do": f"update_{verb}", **fields}
    return perform(state / "control.sock", request, as_json=as_json)


@click.group()
def update() -> None:
    """Replace the program: signed bundles, two slots, a way back. 软件更新"""


@update.command()
@state_option
@json_option
def status(state: Path, *, as_json: bool) -> int:
    """Show slots, tries, counter, how far an update is, and what forbids one now. 更新状态"""
    return _ask(state, "status", {}, as_json=as_json)


@update.command()
@click.argument("bundle")
@state_option
@json_option
def check(bundle: str, state: Path, *, as_json: bool) -> int:
    """Verify BUNDLE, a name in the folder update, and whether it fits. 校验更新包"""
    return _ask(state, "check", {"bundle": bundle}, as_json=as_json)


@update.command()
@click.argument("bundle")
@click.option("--restart", is_flag=True, help="Restart into it at once. 立即重启")
@state_option
@json_option
def install(bundle: str, state: Path, *, restart: bool, as_json: bool) -> int:
    """Write BUNDLE to the other slot; never with an open batch or an owed reversal. 安装更新"""
    return _ask(state, "install", {"bundle": bundle, "restart": restart}, as_json=as_json)


@update.command()
@state_option
@json_option
def mark(state: Path, *, as_json: bool) -> int:
    """Try again to prove the running slot and mark it good: self-test, echo. 确认更新"""
    return _ask(state, "mark", {}, as_json=as_json)
