"""`posfw qr`: paid with a telephone (扫码)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from posfw.cli.asking import ask, intent_option, json_option, perform, tell
from posfw.cli.cashier import approved, by, operator_option
from posfw.cli.operator import approval_option
from posfw.cli.places import state_option

__all__ = ["qr"]

_note = click.option("--note", default="", help="Order or delivery number, such as DLV-1. 备注")


@click.group()
def qr() -> None:
    """Take a payment from a telephone. 扫码支付"""


def _wait(state: Path, request: Mapping[str, Any], *, as_json: bool) -> int:
    """Ask and wait; Ctrl-C gives up waiting and tells how it ended."""
    path, shown = state / "control.sock", set[str]()

    def told(progress: Mapping[str, Any]) -> None:
        code = str(progress.get("code", ""))
        if code and code not in shown and not as_json:
            shown.add(code)
            _draw(code)

    def interrupted() -> None:
        ask(path, {"do": "qr_cancel"})

    body = ask(path, request, quiet=as_json, told=told, interrupted=interrupted)
    return tell(body, as_json=as_json)


def _draw(code: str) -> None:
    import segno  # noqa: PLC0415 - only where a code is drawn

    click.echo(code, err=True)
    segno.make(code, error="m").terminal(out=sys.stderr, compact=True)


@qr.command()
@click.argument("amount")
@click.option("--code", default="", help="The payment code's digits; else it is scanned. 付款码")
@_note
@operator_option
@intent_option
@state_option
@json_option
def pay(amount: str, code: str, note: str, operator: str, state: Path, *, as_json: bool) -> int:
    """Take AMOUNT from the customer's payment code. 扫顾客付款码"""
    request = {"do": "qr_pay", "amount": amount, "note": note, **by(operator)}
    return _wait(state, request | ({"code": code} if code else {}), as_json=as_json)


@qr.command()
@click.argument("amount")
@_note
@operator_option
@intent_option
@state_option
@json_option
def show(amount: str, note: str, operator: str, state: Path, *, as_json: bool) -> int:
    """Show a code that the customer scans to pay AMOUNT; Ctrl-C gives up. 出示收款码"""
    request = {"do": "qr_show", "amount": amount, "note": note, **by(operator)}
    return _wait(state, request, as_json=as_json)


@qr.command()
@state_option
@json_option
def cancel(state: Path, *, as_json: bool) -> int:
    """Give up waiting for the payer; the window that waits says how it ended. 取消等待"""
    return perform(state / "control.sock", {"do": "qr_cancel"}, as_json=as_json)


@qr.command()
@click.argument("key")
@operator_option
@approval_option
@intent_option
@state_option
@json_option
def void(key: str, operator: str, approver: str, state: Path, *, as_json: bool) -> int:
    """Take the whole payment KEY back on the same day. 扫码撤销"""
    request = {"do": "void", "key": key, **by(operator)}
    return approved(state, request, approver, as_json=as_json)


@qr.command()
@click.argument("key")
@click.argument("amount")
@operator_option
@approval_option
@intent_option
@state_option
@json_option
def refund(
    key: str, amount: str, operator: str, approver: str, state: Path, *, as_json: bool
) -> int:
    """Give AMOUNT of the payment KEY back. 扫码退货"""
    request = {"do": "refund", "key": key, "amount": amount, **by(operator)}
    return approved(state, request, approver, as_json=as_json)
