"""The cashier's commands: one request to the running terminal over its control socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from posfw.cli.places import state_option
from posfw.values.errors import DeviceError

__all__ = ["ask", "prints", "refund", "reprint", "sale", "settle", "sign_on", "status", "void"]

ANSWER_LIMIT_S = 300.0


def ask(state: Path, request: Mapping[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Send one request; progress goes to stderr; return the last body (result or error).

    Raises:
        DeviceError: no terminal is running there, or it went away.
    """
    path = state / "control.sock"
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(ANSWER_LIMIT_S)
        try:
            line.connect(str(path))
            line.sendall(json.dumps(request).encode() + b"\n")
            with line.makefile("rb") as answers:
                for answer in answers:
                    body: dict[str, Any] = json.loads(answer)
                    if "progress" not in body:
                        return body
                    if not quiet:
                        click.echo(body["progress"].get("text", body["progress"]), err=True)
        except OSError as error:
            raise DeviceError(
                f"No terminal answers at {path}.",
                code="OPR-005",
                effect="Nothing was done.",
                next_step="Start it in another window: posfw run",
            ) from error
    raise DeviceError("The terminal stopped before it answered.", code="OPR-006")


def _perform(state: Path, request: Mapping[str, Any], *, as_json: bool) -> int:
    body = ask(state, request, quiet=as_json)
    if as_json:
        click.echo(json.dumps(body, ensure_ascii=False))
    elif "error" in body:
        error = body["error"]
        for part in ("text", "cause", "effect", "next_step"):
            click.echo(error[part], err=True)
        click.echo(f"({error['code']})", err=True)
    else:
        _show(body["result"])
    if "error" in body:
        return int(body["error"]["exit"])
    return 0 if body["result"].get("ok", True) else 1


def _show(result: Mapping[str, Any]) -> None:
    lines = result.get("lines")
    if lines:
        click.echo("\n".join(lines))
        return
    for name, value in result.items():
        click.echo(f"{name:18} {value}")


def _json(function: Any) -> Any:  # a click decorator: click's own types are as loose
    return click.option("--json", "as_json", is_flag=True, help="One JSON document.")(function)


@click.command()
@state_option
@_json
def status(state: Path, *, as_json: bool) -> int:
    """Show line, batch, owed messages, printer and queue. 状态"""
    return _perform(state, {"do": "status"}, as_json=as_json)


@click.command("sign-on")
@state_option
@_json
def sign_on(state: Path, *, as_json: bool) -> int:
    """Sign on at the acquirer: batch number, time, what to do first. 签到"""
    return _perform(state, {"do": "sign_on"}, as_json=as_json)


@click.command()
@click.argument("amount")
@click.option("--pan", default="", help="Key the card by hand: the number (test numbers only).")
@click.option("--expiry", default="", help="With --pan: YYMM.")
@click.option("--operator", default="01", show_default=True, help="Cashier 01–98.")
@state_option
@_json
def sale(amount: str, pan: str, expiry: str, operator: str, state: Path, *, as_json: bool) -> int:
    """Take AMOUNT (such as 12.50) from a card. 消费"""
    request: dict[str, Any] = {"do": "sale", "amount": amount, "operator": operator}
    if pan:
        request["keyed"] = {"pan": pan, "expiry": expiry}
    return _perform(state, request, as_json=as_json)


@click.command()
@click.argument("key")
@click.option("--operator", default="00", show_default=True, help="Supervisor.")
@state_option
@_json
def void(key: str, operator: str, state: Path, *, as_json: bool) -> int:
    """Take the whole sale KEY (TERMINAL-BATCH-STAN) back on the same day. 消费撤销"""
    return _perform(state, {"do": "void", "key": key, "operator": operator}, as_json=as_json)


@click.command()
@click.argument("key")
@click.argument("amount")
@click.option("--operator", default="00", show_default=True, help="Supervisor.")
@state_option
@_json
def refund(key: str, amount: str, operator: str, state: Path, *, as_json: bool) -> int:
    """Give AMOUNT of the sale KEY back. 退货"""
    request = {"do": "refund", "key": key, "amount": amount, "operator": operator}
    return _perform(state, request, as_json=as_json)


@click.command()
@state_option
@_json
def settle(state: Path, *, as_json: bool) -> int:
    """Settle the open batch and compare it record by record. 结算"""
    return _perform(state, {"do": "settle"}, as_json=as_json)


@click.command()
@click.argument("key")
@state_option
@_json
def reprint(key: str, state: Path, *, as_json: bool) -> int:
    """Print the receipt of KEY again, marked as a duplicate. 重打印"""
    return _perform(state, {"do": "reprint", "key": key}, as_json=as_json)


@click.command()
@click.argument("decision", type=click.Choice(["reprint", "void"]))
@state_option
@_json
def prints(decision: str, state: Path, *, as_json: bool) -> int:
    """Decide about receipts whose printing was cut: print again (marked) or drop. 未知打印"""
    return _perform(state, {"do": "unknown_prints", "decision": decision}, as_json=as_json)
