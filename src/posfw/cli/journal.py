"""`posfw journal`: what happened, is it whole, copies and exports.

While a terminal runs it holds the file alone and answers over its control socket; else the
commands look at the file themselves, without changing a byte of it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from posfw.app import journalling
from posfw.board.site import Site, parse_site
from posfw.cli.asking import json_option, perform
from posfw.cli.places import board_here, state_option
from posfw.values.errors import ConfigError, JournalBusyError

__all__ = ["journal"]

DAY = click.DateTime(["%Y-%m-%d"])
VERIFY_MISMATCH = 6


@click.group()
def journal() -> None:
    """Read, verify, copy and export the journal. 流水"""


def _file_option(function: Any) -> Any:  # a click decorator: click's own types are as loose
    return click.option(
        "--file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Another journal or a copy, instead of the terminal's.  其他流水文件",
    )(function)


def _board_option(function: Any) -> Any:  # as above
    return click.option(
        "--board", default="", help="Board whose keys they are; default: this machine's.  机型"
    )(function)


@journal.command()
@click.option("-n", "--lines", default=20, show_default=True, help="How many entries.  条数")
@_file_option
@state_option
@json_option
def tail(lines: int, file: Path | None, state: Path, *, as_json: bool) -> int:
    """Show the newest entries, oldest first. 最近流水"""

    def offline(path: Path) -> Mapping[str, Any]:
        return journalling.file_tail(path, _site(state), lines, 0)

    request = {"do": "journal_tail", "limit": lines}
    return _either(state, file, request, offline, _show_entries, as_json=as_json)


@journal.command()
@click.argument("key")
@_file_option
@state_option
@json_option
def show(key: str, file: Path | None, state: Path, *, as_json: bool) -> int:
    """Show the whole life of the transaction KEY (TERMINAL-BATCH-STAN), with times. 查询"""

    def offline(path: Path) -> Mapping[str, Any]:
        return journalling.file_life(path, key)

    request = {"do": "journal_show", "key": key}
    return _either(state, file, request, offline, _show_life, as_json=as_json)


@journal.command()
@click.option(
    "--all", "whole", is_flag=True, help="The archive too, from the first entry.  含归档"
)
@click.option(
    "--head", "slip", default="", help="JOURNAL CODE of a slip: it must be there.  小票账本校验码"
)
@_board_option
@_file_option
@state_option
@json_option
def verify(
    file: Path | None, state: Path, board: str, slip: str, *, whole: bool, as_json: bool
) -> int:
    """Check file and hash chain; name the first missing or changed entry (exit code 6). 校验

    A whole older or other file is true in itself: with --head a code that a slip bears is held
    against it.
    """

    def offline(path: Path) -> Mapping[str, Any]:
        return journalling.file_verify(path, _chain_key(state, board), whole=whole, code=slip)

    request = {"do": "journal_verify", "all": whole, "head": slip}
    code = _either(state, file, request, offline, _show_verdict, as_json=as_json)
    return VERIFY_MISMATCH if code == 1 else code


@journal.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--keep", default=7, show_default=True, help="How many copies stay.  保留份数")
@state_option
@json_option
def backup(folder: Path, keep: int, state: Path, *, as_json: bool) -> int:
    """Copy the journal to FOLDER while the terminal sells, and verify the copy. 备份"""
    request = {"do": "journal_backup", "folder": str(folder.resolve()), "keep": keep}
    return perform(state / "control.sock", request, as_json=as_json)


@journal.command()
@click.option("--keep", default=2, show_default=True, help="Closed batches that stay.  保留批次")
@state_option
@json_option
def archive(keep: int, state: Path, *, as_json: bool) -> int:
    """Move settled batches into the archive now; the terminal does it when idle. 归档"""
    request = {"do": "journal_archive", "keep": keep}
    return perform(state / "control.sock", request, as_json=as_json)


@journal.command()
@state_option
@json_option
def reopen(state: Path, *, as_json: bool) -> int:
    """After a fault of the storage: read the journal again and go on. 重新打开"""
    return perform(state / "control.sock", {"do": "journal_reopen"}, as_json=as_json)


@journal.command()
@click.argument("copy", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--behind", is_flag=True, help="Take an older copy; sign on before the next sale.")
@_board_option
@state_option
@json_option
def restore(copy: Path, state: Path, board: str, *, behind: bool, as_json: bool) -> int:
    """Put COPY in the journal's place; what was there stays beside it. 恢复"""
    now = datetime.now().astimezone()
    key = _chain_key(state, board)
    body = journalling.file_restore(copy, state / "journal.db", key, now, behind=behind)
    return _tell(body, _show_fields, as_json=as_json)


@journal.command()
@click.option("--format", "form", type=click.Choice(["csv", "xlsx", "jsonl"]), default="csv")
@click.option("--from", "first", type=DAY, help="First day, YYYY-MM-DD.  起始日期")
@click.option("--to", "last", type=DAY, help="Last day, YYYY-MM-DD.  截止日期")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
@_file_option
@state_option
@json_option
def export(
    form: str,
    first: datetime | None,
    last: datetime | None,
    output: Path,
    file: Path | None,
    state: Path,
    *,
    as_json: bool,
) -> int:
    """Write transactions to a file for bookkeeping: csv, xlsx, or jsonl for programs. 导出"""
    days = [f"{each:%Y-%m-%d}" if each else "" for each in (first, last)]

    def offline(path: Path) -> Mapping[str, Any]:
        data, count = journalling.file_export(path, _site(state), form, days[0], days[1])
        output.write_bytes(data)
        output.chmod(0o600)
        return {"ok": True, "file": str(output.resolve()), "transactions": count}

    request = {
        "do": "journal_export",
        "format": form,
        "to": str(output.resolve()),
        "from": days[0],
        "until": days[1],
    }
    return _either(state, file, request, offline, _show_fields, as_json=as_json)


Show = Callable[[Mapping[str, Any]], None]


def _either(
    state: Path,
    file: Path | None,
    request: Mapping[str, Any],
    offline: Callable[[Path], Mapping[str, Any]],
    show_body: Show,
    *,
    as_json: bool,
) -> int:
    """Ask the running terminal, or look at the file where none runs."""
    if file is None and _runs(state):
        return perform(state / "control.sock", request, as_json=as_json)
    try:
        body = offline(file or state / "journal.db")
    except JournalBusyError:
        if file is not None or not _runs(state):
            raise
        return perform(state / "control.sock", request, as_json=as_json)
    return _tell(body, show_body, as_json=as_json)


def _tell(body: Mapping[str, Any], show_body: Show, *, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps({"result": body}, ensure_ascii=False))
    else:
        show_body(body)
    return 0 if body["ok"] else 1


def _runs(state: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        return line.connect_ex(str(state / "control.sock")) == 0


def _site(state: Path) -> Site:
    for path in (state / "site.toml", state / "rig" / "site.toml"):
        if path.is_file():
            return parse_site(path.read_text(encoding="utf-8"), source=str(path))
    raise ConfigError(
        f"There is no site file in {state}.",
        code="CFG-020",
        next_step="Name the terminal's folder with --state.",
    )


def _chain_key(state: Path, board: str) -> bytes:
    """Open the secure element of the board for the chain's start key, where no terminal runs."""
    from posfw.app.keys import open_keys  # noqa: PLC0415 - not where a terminal answers

    return open_keys(board_here(board, production=False), _site(state)).chain_key()


def _show_entries(body: Mapping[str, Any]) -> None:
    for entry in body["entries"]:
        _show_entry(entry)


def _show_entry(entry: Mapping[str, Any]) -> None:
    head = ("number", "at", "topic", "name", "operator", "key")
    rest = {name: value for name, value in entry.items() if name not in head and value}
    facts = json.dumps(rest, ensure_ascii=False) if rest else ""
    place = f"{entry['topic']}/{entry['name']}"
    click.echo(f"{entry['number']:>8}  {entry['at'][:19]}  {place:22} {entry['key']:24} {facts}")


def _show_life(body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        if name not in ("ok", "life", "prints", "owed") and value not in ("", 0, False):
            click.echo(f"{name:18} {value}")
    for entry in body["life"]:
        _show_entry(entry)
    for job in body["prints"]:
        click.echo(f"print {job['job']:>8}  {job['copy']:10} {job['state']} {job['reason']}")
    for owed in body["owed"]:
        click.echo(f"owed     {owed}")


def _show_verdict(body: Mapping[str, Any]) -> None:
    if body["ok"]:
        click.echo(f"{body['entries']} entries, chain head {body['head']}: whole.")
    elif body["first_bad"] is not None:
        click.echo(f"Entry {body['first_bad']} is missing or was changed.")
    else:
        click.echo(f"No entry has the code {body['slip']}: an older or another journal.")
    if body.get("slip_entry"):
        click.echo(f"The slip's code {body['slip']} is entry {body['slip_entry']}.")


def _show_fields(body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        if name != "ok":
            click.echo(f"{name:14} {value}")
