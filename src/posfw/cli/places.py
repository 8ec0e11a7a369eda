"""Where things lie: state folder, boards, site file. Looked up in one place for every command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

import posfw
from posfw.app.boards import Shelf, named_board
from posfw.board.profile import BoardProfile

__all__ = ["board_folders", "board_here", "default_state", "load_board", "state_option"]


def default_state() -> Path:
    """Return the state folder: $POSFW_STATE, $STATE_DIRECTORY (systemd), or the user's own."""
    for name in ("POSFW_STATE", "STATE_DIRECTORY"):
        if os.environ.get(name):
            return Path(os.environ[name])
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "posfw"


def state_option(function: Any) -> Any:  # a click decorator: click's own types are as loose
    """Add `--state DIR` to a command."""
    return click.option(
        "--state",
        type=click.Path(file_okay=False, path_type=Path),
        default=default_state,
        help="Folder of the terminal's state.  终端数据目录",
    )(function)


def board_folders() -> list[Path]:
    """Return existing folders with board profiles, the strongest first."""
    package = Path(posfw.__file__).parent
    named = os.environ.get("POSFW_BOARDS")
    candidates = [
        *([Path(named)] if named else []),
        Path("/etc/posfw/boards"),
        package / "_boards",
        package.parents[1] / "boards",
    ]
    return [folder for folder in candidates if folder.is_dir()]


def load_board(name: str) -> BoardProfile:
    """Load a profile by id, or from a folder.

    Raises:
        ConfigError: unknown or wrong.
    """
    return Shelf(board_folders()).load(name)


def board_here(named: str, *, production: bool) -> BoardProfile:
    """Load the profile of this machine, in the revision it has.

    Args:
        named: says which one; "" lets $POSFW_BOARD, /etc/posfw/board or the machine itself.
        production: refuse a name that the machine contradicts, and never fall back to `host`.

    Raises:
        ConfigError: unknown (CFG-003), contradicted (CFG-004), nothing fits (CFG-005), or wrong.
    """
    shelf = Shelf(board_folders())
    if named and not production:
        board = shelf.load(named)
    else:
        board = shelf.load(
            shelf.detect(named or named_board(os.environ), production=production).board
        )
    revision = shelf.revision(board.match)
    return shelf.load(board.id, revision=revision) if revision != board.revision else board
