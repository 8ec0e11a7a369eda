"""`posfw run`: the terminal in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import json
import logging
import signal
import sys
from pathlib import Path

import anyio
import click

from posfw.app.catalogue import load_texts
from posfw.app.graph import running
from posfw.app.world import World
from posfw.board.site import parse_site
from posfw.cli.places import load_board, state_option
from posfw.values.errors import ConfigError

__all__ = ["run"]


@click.command()
@click.option(
    "--board", "board_name", default="host", show_default=True, help="Board id or folder."
)
@click.option(
    "--site",
    "site_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Site file; default: site.toml in the state folder, else the rig's.",
)
@state_option
@click.option("--log", "log_path", type=click.Path(path_type=Path), help="DEBUG log to a file.")
def run(board_name: str, site_path: Path | None, state: Path, log_path: Path | None) -> int:
    """Run the terminal on a board; prints one JSON line when it is ready. 运行终端"""
    if log_path is not None:
        logging.basicConfig(filename=log_path, level=logging.DEBUG)
    board = load_board(board_name)
    path = _site_path(site_path, state)
    site = parse_site(path.read_text(encoding="utf-8"), source=str(path))
    texts = load_texts(site.language)

    async def main() -> None:
        stopped = anyio.Event()
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with running(
                board=board, site=site, state=state, texts=texts, world=World(), stop=stopped.set
            ) as terminal:
                ready = {"ready": True, "recovered": terminal.recovered, "board": board.id}
                click.echo(json.dumps(ready))
                sys.stdout.flush()
                async with anyio.create_task_group() as group:
                    group.start_soon(_first_signal, signals, stopped)
                    await stopped.wait()
                    group.cancel_scope.cancel()

    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    anyio.run(main)
    return 0


async def _first_signal(signals: object, stopped: anyio.Event) -> None:
    async for _ in signals:  # type: ignore[attr-defined]  # anyio's receiver has no public type
        stopped.set()
        return


def _site_path(named: Path | None, state: Path) -> Path:
    candidates = [named] if named else [state / "site.toml", state / "rig" / "site.toml"]
    for path in candidates:
        if path.is_file():
            return path
    raise ConfigError(
        f"There is no site file at {' or '.join(str(path) for path in candidates)}.",
        code="CFG-020",
        next_step="Start the simulators first (posfw sim rig) or write a site file.",
    )
