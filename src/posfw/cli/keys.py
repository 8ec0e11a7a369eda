"""`posfw keys`: how the terminal's keys stand, loading them wrapped, wiping them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from posfw.cli.asking import json_option, perform
from posfw.cli.operator import approval_option, with_approval
from posfw.cli.places import board_here, state_option
from posfw.values.errors import ConfigError

if TYPE_CHECKING:
    from posfw.board.site import Site

__all__ = ["keys"]

_FILE = click.Path(dir_okay=False, exists=True, path_type=Path)


@click.group()
def keys() -> None:
    """The keys of this terminal: state, load, wipe. 密钥

    Keys never come out of the secure element. Check values tell keys apart and are none: compare
    them with the key centre's.
    """


@keys.command()
@state_option
@json_option
def status(state: Path, *, as_json: bool) -> int:
    """Show key ID, check values and, out of service, why and what to do. 密钥状态"""
    return perform(state / "control.sock", {"do": "keys"}, as_json=as_json)


@keys.command()
@click.argument("block", type=_FILE)
@click.option("--board", default="", help="Board id or folder; default: this machine's own. 机型")
@click.option("--site", type=_FILE, help="Site file; default: the state folder's. 站点文件")
@click.option("--transport", type=_FILE, help="Transport key, simulated boards only. 传输密钥文件")
@state_option
@json_option
def load(
    block: Path,
    board: str,
    site: Path | None,
    transport: Path | None,
    state: Path,
    *,
    as_json: bool,
) -> int:
    """Load the key centre's file BLOCK; the keys in it are unwrapped inside the token. 装载密钥

    The terminal need not run. Keys that are there are never written over.
    """
    from posfw.app.keys import load_keys  # noqa: PLC0415 - the other commands only ask

    found = _site(site or state / "site.toml")
    text = block.read_text(encoding="utf-8", errors="replace")
    made = load_keys(board_here(board, production=False), found, text, transport)
    check, secret_check = (value.hex() for value in made.check_values())
    facts = {"key_id": made.initial_key_id.hex(), "check": check, "secret_check": secret_check}
    if as_json:
        head = {"schema": "posfw.keys", "schema_version": 1}
        click.echo(json.dumps(head | facts))
    else:
        for name, value in facts.items():
            click.echo(f"{name:14} {value}")
    return 0


@keys.command()
@click.argument("file", type=_FILE)
@click.option("--board", default="", help="Board id or folder; default: this machine's own. 机型")
@click.option("--site", type=_FILE, help="Site file; default: the state folder's. 站点文件")
@state_option
def transport(file: Path, board: str, site: Path | None, state: Path) -> int:
    """Put the transport key in FILE into the token: once, in a key ceremony. 注入传输密钥

    FILE has 64 hexadecimal digits and belongs to its owner alone; destroy it afterwards.
    """
    from posfw.app.keys import set_transport_key  # noqa: PLC0415 - the other commands only ask

    set_transport_key(
        board_here(board, production=False), _site(site or state / "site.toml"), file
    )
    click.echo("The token has the transport key. Destroy the file. 请销毁文件")
    return 0


def _site(path: Path) -> Site:
    from posfw.board.site import parse_site  # noqa: PLC0415 - the other commands only ask

    if not path.is_file():
        raise ConfigError(f"There is no site file at {path}.", code="CFG-020")
    return parse_site(path.read_text(encoding="utf-8"), source=str(path))


@keys.command()
@approval_option
@state_option
@json_option
def wipe(approver: str, state: Path, *, as_json: bool) -> int:
    """Destroy the keys for ever, after the last settlement. 清除密钥

    Refused while anything still needs them: an open batch, a reversal, a stored sale.
    """
    request = {"do": "keys_wipe", **with_approval(approver)}
    return perform(state / "control.sock", request, as_json=as_json)
