"""`posfw board`: profiles listed, shown, checked, detected and begun."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from posfw.app.boards import Shelf, evidence, named_board
from posfw.app.new_board import write_new_board
from posfw.board.compose import explain as explained
from posfw.cli.places import board_folders
from posfw.values.errors import ConfigError

__all__ = ["board"]

_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


@click.group()
def board() -> None:
    """Board profiles: what the hardware is. 机型配置"""


def _shelf() -> Shelf:
    return Shelf(board_folders())


def _document(schema: str, **fields: object) -> None:
    head = {"schema": schema, "schema_version": 1}
    click.echo(json.dumps(head | fields, ensure_ascii=False))


@board.command("list")
@_as_json
def list_boards(*, as_json: bool) -> None:
    """List the known boards with their support status and what was tried. 列出机型"""
    shelf = _shelf()
    boards = [shelf.load(name) for name in shelf.names()]
    if as_json:
        rows = [{"id": b.id, "name": b.name, "status": b.status, "tried": b.tried} for b in boards]
        _document("posfw.boards", boards=rows)
        return
    for profile in boards:
        click.echo(f"{profile.id:22} {profile.status:10} {profile.name}: {profile.tried}")


@board.command()
@click.argument("name")
@click.option("--explain", is_flag=True, help="Each value with the file and line that set it.")
@click.option("--revision", default="", help="A hardware revision of the profile.")
@_as_json
def show(name: str, *, explain: bool, revision: str, as_json: bool) -> None:
    """Show a board as the terminal sees it. 显示机型"""
    shelf = _shelf()
    profile = shelf.load(name, revision=revision)
    if not explain:
        click.echo(json.dumps(dataclasses.asdict(profile), ensure_ascii=False, indent=2))
        return
    rows = explained(shelf.composed(name, revision=revision))
    if as_json:
        values = [{"key": key, "value": value, "from": str(o)} for key, value, o in rows]
        _document("posfw.board.explain", board=profile.id, values=values)
        return
    for key, value, origin in rows:
        click.echo(f"{key} = {json.dumps(value, ensure_ascii=False)}    # {origin}")


@board.command()
@click.argument("names", nargs=-1)
@_as_json
def check(names: Sequence[str], *, as_json: bool) -> int:
    """Check boards by id or folder, else all; exit 78 with every mistake. 检查机型"""
    shelf = _shelf()
    results: dict[str, list[str]] = {}
    for name in names or shelf.names():
        try:
            shelf.load(name)
            results[name] = []
        except ConfigError as error:
            results[name] = [str(text) for text in error.facts.get("mistakes", [error.cause])]  # type: ignore[attr-defined]  # facts are plain objects; this one is a list
    if not names:
        for conflict in shelf.conflicts():
            results[conflict.split(":", 1)[0]].append(conflict)
    wrong = sum(len(mistakes) for mistakes in results.values())
    if as_json:
        rows = [{"board": name, "mistakes": found} for name, found in results.items()]
        _document("posfw.board.check", ok=not wrong, boards=rows)
    else:
        _tell(results)
    return ConfigError.exit_code if wrong else 0


def _tell(results: dict[str, list[str]]) -> None:
    for name, mistakes in results.items():
        if not mistakes:
            click.echo(f"{name}: ok")
        for mistake in mistakes:
            click.echo(mistake)
        if mistakes:
            plural = "mistake" if len(mistakes) == 1 else "mistakes"
            click.echo(f"{name}: {len(mistakes)} {plural}", err=True)


@board.command()
@click.option("--board", "override", default="", help="The board a person says it is.")
@click.option("--production", is_flag=True, help="Refuse conflicts and never fall back.")
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/"),
    help="Look at another root, for a mounted image.",
)
@_as_json
def detect(override: str, *, production: bool, root: Path, as_json: bool) -> None:
    """Say which board this machine is, and why. 识别机型

    The strongest override counts: --board, $POSFW_BOARD, /etc/posfw/board.
    """
    shelf = Shelf(board_folders(), root)
    named = override or named_board(os.environ, root)
    found = shelf.detect(named, production=production)
    revision = shelf.revision(shelf.load(found.board).match)
    if as_json:
        seen = evidence(root)
        _document(
            "posfw.board.detect",
            board=found.board,
            by=found.by,
            text=found.text,
            revision=revision,
            compatible=list(seen.compatible),
            dmi=seen.dmi,
        )
        return
    suffix = f", revision {revision}" if revision else ""
    because = f" {found.text}" if found.text else ""
    click.echo(f"{found.board}{suffix} (by {found.by}{because})")


@board.command()
@click.argument("name")
@click.option("--extends", multiple=True, help="soc/NAME or mechanism/NAME; may repeat.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("boards"),
    show_default=True,
    help="Folder that holds the boards.",
)
@_as_json
def new(name: str, extends: Sequence[str], folder: Path, *, as_json: bool) -> None:
    """Begin a profile for this machine: board.toml and README.md to fill in. 新建机型"""
    files = write_new_board(folder, name, extends=tuple(extends), seen=evidence())
    fields: dict[str, Any] = {"board": name, "files": [str(path) for path in files]}
    if as_json:
        _document("posfw.board.new", **fields)
        return
    for path in files:
        click.echo(str(path))
    click.echo(f"Fill in what is marked, then: posfw board check {folder / name}", err=True)
