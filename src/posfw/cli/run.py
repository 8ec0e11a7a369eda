"""`posfw run`: the terminal in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import gc
import json
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import click

from posfw.app.catalogue import load_texts
from posfw.app.graph import running
from posfw.app.later import loaded
from posfw.app.world import World
from posfw.board.profile import BoardProfile
from posfw.board.site import Site, parse_site
from posfw.cli.places import board_here, state_option
from posfw.values.errors import ConfigError, DeviceError
from posfw.values.texts import Texts

__all__ = ["run"]

RIG_END_S = 5.0


@click.command()
@click.option(
    "--board", "board_name", default="", help="Board id or folder; default: this machine's own."
)
@click.option("--production", is_flag=True, help="Refuse a board that the machine contradicts.")
@click.option(
    "--site",
    "site_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Site file; default: site.toml in the state folder, else the rig's.",
)
@state_option
@click.option("--log", "log_path", type=click.Path(path_type=Path), help="DEBUG log to a file.")
def run(
    board_name: str,
    site_path: Path | None,
    state: Path,
    log_path: Path | None,
    *,
    production: bool,
) -> int:
    """Run the terminal on a board; prints one JSON line when it is ready. 运行终端

    A simulated board without a site file attaches to the rig of the state folder, or starts one.
    """
    if log_path is not None:
        logging.basicConfig(filename=log_path, level=logging.DEBUG)
    gc.disable()  # until it is ready: there is no cycle to free yet
    board = board_here(board_name, production=production)
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = site_path or state / "site.toml"
    if site_path is None and not own.is_file() and board.simulated:
        with _rig(state) as written:
            return _run(board, written, state)
    return _run(board, own, state)


def _run(board: BoardProfile, site_path: Path, state: Path) -> int:
    if not site_path.is_file():
        raise ConfigError(
            f"There is no site file at {site_path}.",
            code="CFG-020",
            next_step="Write one (docs/boards.md), or name one with --site.",
        )
    site = parse_site(site_path.read_text(encoding="utf-8"), source=str(site_path))
    anyio.run(_main, board, site, state, load_texts(site.language))
    return 0


async def _main(board: BoardProfile, site: Site, state: Path, texts: Texts) -> None:
    stopped = anyio.Event()
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with running(
            board=board, site=site, state=state, texts=texts, world=World(), stop=stopped.set
        ) as terminal:
            ready = {"ready": True, "recovered": terminal.recovered, "board": board.id}
            click.echo(json.dumps(ready))
            sys.stdout.flush()
            gc.freeze()  # what was loaded stays; no collection looks through it again
            gc.enable()
            async with anyio.create_task_group() as group:
                group.start_soon(terminal.service.run)
                group.start_soon(loaded)
                group.start_soon(_first_signal, signals, stopped)
                await stopped.wait()
                group.cancel_scope.cancel()


async def _first_signal(signals: object, stopped: anyio.Event) -> None:
    async for _ in signals:  # type: ignore[attr-defined]  # anyio's receiver has no public type
        stopped.set()
        return


@contextmanager
def _rig(state: Path) -> Iterator[Path]:
    """Attach to the rig of this state folder, or run one for the length of the context."""
    site = state / "rig" / "site.toml"
    if _answers(state / "rig" / "control.sock"):
        yield site
        return
    command = [sys.executable, "-m", "posfw", "sim", "rig", "--state", str(state)]
    # A session of its own: Ctrl-C reaches the terminal first, and the line outlives its last word.
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:  # noqa: S603 - our own program
        try:
            if process.stdout is None or b"ready" not in process.stdout.readline():
                raise DeviceError("The simulator rig did not start.", code="OPR-007")
            yield site
        finally:
            process.terminate()
            process.wait(RIG_END_S)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        return line.connect_ex(str(path)) == 0
