"""`posfw update`: look, check, install a bundle, mark by hand; and the installer's side."""

from __future__ import annotations

import json
import os
import sys
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


@update.command(hidden=True)
def serve() -> int:
    """Answer one request on standard input: started as root for each connection."""
    from posfw.app.updater import Installer, answer, places_here  # noqa: PLC0415 - root's side only

    body = answer(Installer(places_here()), sys.stdin.readline(16_384))
    sys.stdout.write(json.dumps(body, ensure_ascii=False) + "\n")
    return 0


@update.command(hidden=True)
@click.argument("words", nargs=-1)
def backend(words: tuple[str, ...]) -> int:
    """Answer a boot loader call of RAUC: get-primary, set-primary, get-state, set-state."""
    from posfw.app.updater import backend as call  # noqa: PLC0415 - root's side only
    from posfw.app.updater import places_here  # noqa: PLC0415

    said = call(places_here(), words)
    if said:
        click.echo(said)
    return 0


@update.command(hidden=True)
def judge() -> int:
    """Judge the bundle that RAUC mounted at $RAUC_BUNDLE_MOUNT_POINT, before it writes."""
    from posfw.app.updater import judge_mounted, places_here  # noqa: PLC0415 - root's side only

    judge_mounted(places_here(), Path(os.environ["RAUC_BUNDLE_MOUNT_POINT"]))
    return 0
