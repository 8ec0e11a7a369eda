"""`posfw board`: profiles listed, shown and checked."""

from __future__ import annotations

import dataclasses
import json

import click

from posfw.cli.places import board_folders, load_board
from posfw.values.errors import ConfigError

__all__ = ["board"]


@click.group()
def board() -> None:
    """Board profiles: what the hardware is. 机型配置"""


@board.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def list_boards(*, as_json: bool) -> None:
    """List the known boards with their support status. 列出机型"""
    names = sorted({p.parent.name for f in board_folders() for p in f.glob("*/board.toml")})
    boards = [load_board(name) for name in names]
    if as_json:
        rows = [{"id": b.id, "name": b.name, "status": b.status} for b in boards]
        click.echo(json.dumps({"schema": "posfw.boards", "schema_version": 1, "boards": rows}))
        return
    for profile in boards:
        click.echo(f"{profile.id:24} {profile.status:12} {profile.name}")


@board.command()
@click.argument("name")
def show(name: str) -> None:
    """Show a board as the terminal sees it. 显示机型"""
    click.echo(json.dumps(dataclasses.asdict(load_board(name)), ensure_ascii=False, indent=2))


@board.command()
@click.argument("name")
def check(name: str) -> int:
    """Check a board id or folder; exit 78 with every mistake listed. 检查机型"""
    try:
        profile = load_board(name)
    except ConfigError as error:
        click.echo(error.cause)
        raise
    click.echo(f"{profile.id}: ok")
    return 0
